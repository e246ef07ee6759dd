"""Settings that must fit each other: the coupling and its options, the label with loss and metrics.

A setting that another one makes meaningless is refused unless it has its default: somebody who wrote
`hubs = 5` under `average` believes something about the run that is not so. λ under `average` is the one
exception: it is ignored, because `average` is its limit and people switch between the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from lepton_fed.config.places import Path
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.settings import EVERYONE, Coupling, Settings, StatisticsSettings

MODELS = ("linear", "mlp", "cnn")
LOSSES = ("auto", "binary_cross_entropy", "cross_entropy", "mse", "huber")
FOR_CLASSES = ("accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss")
"""Of more than two classes: the plain mean over one class against the rest, where a metric knows only two."""
FOR_NUMBERS = ("mse", "mae", "r2")


def misfits(settings: Settings) -> Iterator[tuple[Path, str]]:
    """(place, sentence) of each setting that does not fit the others."""
    yield from _roles(settings)
    yield from _options(settings.coupling)
    yield from _models(settings)
    yield from _server(settings)
    yield from _transport(settings)
    yield from _loss(settings)
    yield from _metrics(settings)
    yield from _labels(settings)
    yield from _untrained(settings)
    yield from _statistics(settings)
    yield from _knowledge(settings)


def coupling_name(coupling: Coupling) -> str:
    """The coupling as sentences call it: its kind, under `proximal` with the method."""
    return f"proximal ({coupling.method})" if coupling.kind == "proximal" else coupling.kind


def _roles(settings: Settings) -> Iterator[tuple[Path, str]]:
    sources = [d for d in settings.departments if d.is_source]
    working = [d for d in settings.departments if d.roles]
    if not sources:
        yield ("departments",), "no department is a source, so there is nothing to learn from; add that role"
    if not any(d.is_target for d in settings.departments):
        yield ("departments",), "no department is a target, so nobody would receive a model; add that role"
    drawn = settings.rounds.participants
    if drawn is not None and drawn > len(working):
        sentence = f"rounds.participants draws {drawn} departments, and {len(working)} take part; draw at most those"
        yield ("rounds", "participants"), sentence
    hubs = settings.coupling.hubs
    if settings.coupling.kind == "clusters" and hubs > len(sources) > 0:
        sentence = f"coupling.hubs is {hubs} for {len(sources)} sources, so nobody would write to some; take fewer"
        yield ("coupling", "hubs"), sentence


def _options(coupling: Coupling) -> Iterator[tuple[Path, str]]:
    """Options that belong to another coupling than this one."""
    soft = coupling.kind == "distill" or coupling.read == "soft"
    belongs = {
        "method": (coupling.kind == "proximal", "proximal"),
        "inner_steps": (_is(coupling, "pfedme"), "proximal (pfedme)"),
        "server_mix": (_is(coupling, "pfedme"), "proximal (pfedme)"),
        "hubs": (coupling.kind == "clusters", "clusters"),
        "read": (coupling.kind == "clusters", "clusters"),
        "freeze": (coupling.kind == "clusters", "clusters"),
        "reset": (coupling.kind == "clusters", "clusters"),
        "direction": (coupling.kind == "distill", "distill"),
        "temperature": (soft, "distill, or to clusters with soft reading"),
    }
    defaults = {f.name: f.default for f in dataclasses.fields(Coupling)}
    for key, (fits, home) in belongs.items():
        if not fits and getattr(coupling, key) != defaults[key]:
            here = coupling_name(coupling) + (" with hard reading" if coupling.kind == "clusters" else "")
            yield (
                ("coupling", key),
                f"coupling.{key} belongs to {home}, and this coupling is {here}; take it out",
            )
    if _is(coupling, "pfedme") and coupling.lambda_ == 0:
        yield ("coupling", "lambda"), "coupling.lambda is 0, and pfedme divides by it; give a positive number"


def _is(coupling: Coupling, method: str) -> bool:
    return coupling.kind == "proximal" and coupling.method == method


def _models(settings: Settings) -> Iterator[tuple[Path, str]]:
    yield from _model(("model", "name"), settings.model.name)
    for k, department in enumerate(settings.departments):
        if department.model is None:
            continue
        if settings.coupling.kind != "distill":
            sentence = (
                f"{department.name!r} has a model of its own, which only the coupling distill can join "
                f"with others, and this is {coupling_name(settings.coupling)}; take one out"
            )
            yield ("departments", k, "model"), sentence
        yield from _model(("departments", k, "model", "name"), department.model.name)


def _model(place: Path, name: str) -> Iterator[tuple[Path, str]]:
    if name not in MODELS and not _is_callable(name):
        yield place, _not_built_in("model.name", name, MODELS)


def _not_built_in(key: str, name: str, built_in: tuple[str, ...]) -> str:
    listed, hint = ", ".join(built_in), did_you_mean(name, built_in)
    return f"{key} is {name!r}, and must be one of {listed}, or written module:callable{hint}"


def _is_callable(name: str) -> bool:
    """Whether it reads `module:callable`; whether that exists is known only where it runs."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), attribute))


def _server(settings: Settings) -> Iterator[tuple[Path, str]]:
    name, optimiser = coupling_name(settings.coupling), settings.server.optimiser
    if optimiser != "none" and name in _NO_UPDATE:
        sentence = f"server.optimiser is '{optimiser}', but {_NO_UPDATE[name]} ({name}); take it out"
        yield ("server", "optimiser"), sentence
    if settings.server.learning_rate != 1.0 and name in _NO_UPDATE:
        rate = settings.server.learning_rate
        sentence = f"server.learning_rate is {rate:g}, but {_NO_UPDATE[name]} ({name}); take it out"
        yield ("server", "learning_rate"), sentence
    if settings.training.correction == "scaffold" and settings.coupling.kind != "average":
        sentence = f"training.correction is 'scaffold', which needs the coupling average, not {name}; take one out"
        yield ("training", "correction"), sentence


_NO_UPDATE = {
    "distill": "the coordinator averages predictions there, and no update",
    "proximal (mr-mtl)": "the mean of the departments' own models is an anchor there, and no update",
    "proximal (pfedme)": "the anchor is moved by coupling.server_mix there",
}
"""Couplings under which a server optimiser has nothing to work on."""


def _transport(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Feedback of rounding errors is for updates, of which the next makes up for the last."""
    transport = settings.aggregation.transport
    if settings.coupling.kind == "distill" and transport != "float32":
        sentence = f"aggregation.transport is '{transport}', but distill sends predictions, and no update; take it out"
        yield ("aggregation", "transport"), sentence


def _loss(settings: Settings) -> Iterator[tuple[Path, str]]:
    loss, count = settings.training.loss, len(settings.data.label.classes)
    needs = {
        "binary_cross_entropy": (count == 2, "two classes"),
        "cross_entropy": (count > 2, "more than two classes"),
        "mse": (count == 0, "a number as label"),
        "huber": (count == 0, "a number as label"),
    }
    if loss in needs and not needs[loss][0]:
        sentence = f"training.loss is '{loss}', which needs {needs[loss][1]}, and {_label(count)}"
        yield ("training", "loss"), f"{sentence}; 'auto' always fits"
    elif loss not in LOSSES and not _is_callable(loss):
        yield ("training", "loss"), _not_built_in("training.loss", loss, LOSSES)


def _metrics(settings: Settings) -> Iterator[tuple[Path, str]]:
    count = len(settings.data.label.classes)
    unfit = FOR_NUMBERS if count else FOR_CLASSES
    for k, metric in enumerate(settings.report.metrics):
        if metric in unfit:
            fit = ", ".join(("loss", *(FOR_CLASSES if count else FOR_NUMBERS)))
            needs = "a number as label" if count else "classes"
            sentence = f"report.metrics: '{metric}' needs {needs}, and {_label(count)}; there are {fit}"
            yield ("report", "metrics", k), sentence


def _label(classes: int) -> str:
    return f"[data.label] has {classes} classes" if classes else "[data.label] lists no classes"


def _labels(settings: Settings) -> Iterator[tuple[Path, str]]:
    """A department's own label column may not be one of the features."""
    features = {column.name for column in settings.data.columns}
    for k, department in enumerate(settings.departments):
        if department.label in features:
            sentence = f"the label of {department.name!r}, {department.label!r}, is also a feature; leave one out"
            yield ("departments", k, "label"), sentence


def _untrained(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What `distill` cannot give: predictions without classes, a model without rows to train it on."""
    if settings.coupling.kind != "distill":
        return
    if not settings.data.label.classes:
        sentence = "the coupling distill joins probabilities of classes, and data.label has none; take another"
        yield ("coupling", "kind"), sentence
    for k, department in enumerate(settings.departments):
        if department.is_target and not department.is_source:
            sentence = (
                f"the target {department.name!r} gives no rows, and under distill a model is trained on its "
                "department's own; make it a source too, or no target"
            )
            yield ("departments", k, "roles"), sentence


def _statistics(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What [statistics] needs of the other tables."""
    asked = settings.statistics
    if asked is None:
        return
    shared = tuple(dict.fromkeys(flow.what for flow in settings.sharing))
    if asked.what not in shared:
        rest = did_you_mean(asked.what, shared) or "; name what a [[sharing]] lets flow"
        yield ("statistics", "what"), f"statistics.what is {asked.what!r}, which no [[sharing]] names{rest}"
    for name in asked.to:
        if name != EVERYONE and name not in settings.names:
            hint = did_you_mean(name, settings.names)
            yield ("statistics", "to"), f"statistics.to names {name!r}, which is no department{hint}"
    if not settings.aggregation.secure or settings.aggregation.sealed:
        yield (
            ("statistics",),
            "statistics are secure sums that the coordinator sees; they need aggregation.secure = true and "
            "coordinator_sees = 'sums'",
        )
    yield from _counted(settings, asked)


def _counted(settings: Settings, asked: StatisticsSettings) -> Iterator[tuple[Path, str]]:
    """Which columns there are to count."""
    known = [column.name for column in settings.data.columns]
    if not known:
        yield ("statistics",), "statistics are of columns, and [data] describes arrays; take [statistics] out"
        return
    for name in asked.columns:
        if name not in known:
            hint = did_you_mean(name, known)
            yield (
                ("statistics", "columns"),
                f"statistics.columns names {name!r}, which the contract does not have{hint}",
            )
    if asked.by_class and not settings.data.label.classes:
        yield ("statistics", "by_class"), "statistics.by_class needs classes in [data.label]"


def _knowledge(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What [knowledge] needs of the other tables."""
    join = settings.knowledge
    if join is None:
        return
    if settings.data.array is not None:
        yield ("knowledge",), "knowledge joins vectors to columns, and [data] describes arrays; take [knowledge] out"
    if settings.data.label.column in join.columns:
        sentence = f"knowledge.columns names the label {settings.data.label.column!r}; it can be one only"
        yield ("knowledge", "columns"), sentence
    if settings.coupling.kind == "distill":
        yield (
            ("knowledge",),
            "under distill all predict on one common set, which has no entities; take another coupling",
        )
