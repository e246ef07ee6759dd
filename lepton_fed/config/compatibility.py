"""Settings that must fit each other: the coupling and its options, the label with loss and metrics.

A setting that another one makes meaningless is refused unless it has its default: somebody who wrote
`hubs = 5` under `average` believes something about the run that is not so. λ under `average` is the one
exception: it is ignored, because `average` is its limit and people switch between the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from lepton_fed.config.places import Path
from lepton_fed.config.spelling import hinted
from lepton_fed.settings import EVERYONE, Coupling, Settings, StatisticsSettings
from lepton_fed.translation import Sentence, joined, sentence, term

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
        yield (
            ("departments",),
            sentence("no department is a source, so there is nothing to learn from; add that role"),
        )
    if not any(d.is_target for d in settings.departments):
        yield ("departments",), sentence("no department is a target, so nobody would receive a model; add that role")
    drawn = settings.rounds.participants
    if drawn is not None and drawn > len(working):
        yield ("rounds", "participants"), sentence(
            "rounds.participants draws {drawn} departments, and {many} take part; draw at most those",
            drawn=drawn, many=len(working),
        )  # fmt: skip
    hubs = settings.coupling.hubs
    if settings.coupling.kind == "clusters" and hubs > len(sources) > 0:
        yield ("coupling", "hubs"), sentence(
            "coupling.hubs is {hubs} for {many} sources, so nobody would write to some; take fewer",
            hubs=hubs, many=len(sources),
        )  # fmt: skip


def _options(coupling: Coupling) -> Iterator[tuple[Path, str]]:
    """Options that belong to another coupling than this one."""
    soft = coupling.kind == "distill" or coupling.read == "soft"
    belongs: dict[str, tuple[bool, str]] = {
        "method": (coupling.kind == "proximal", "proximal"),
        "inner_steps": (_is(coupling, "pfedme"), "proximal (pfedme)"),
        "server_mix": (_is(coupling, "pfedme"), "proximal (pfedme)"),
        "hubs": (coupling.kind == "clusters", "clusters"),
        "read": (coupling.kind == "clusters", "clusters"),
        "freeze": (coupling.kind == "clusters", "clusters"),
        "reset": (coupling.kind == "clusters", "clusters"),
        "direction": (coupling.kind == "distill", "distill"),
        "temperature": (soft, sentence("distill, or to clusters with soft reading")),
    }
    defaults = {f.name: f.default for f in dataclasses.fields(Coupling)}
    for key, (fits, home) in belongs.items():
        if not fits and getattr(coupling, key) != defaults[key]:
            here = coupling_name(coupling)
            if coupling.kind == "clusters":
                here = sentence("{coupling} with hard reading", coupling=here)
            yield ("coupling", key), sentence(
                "coupling.{key} belongs to {home}, and this coupling is {here}; take it out",
                key=key, home=home, here=here,
            )  # fmt: skip
    if _is(coupling, "pfedme") and coupling.lambda_ == 0:
        yield (
            ("coupling", "lambda"),
            sentence("coupling.lambda is 0, and pfedme divides by it; give a positive number"),
        )


def _is(coupling: Coupling, method: str) -> bool:
    return coupling.kind == "proximal" and coupling.method == method


def _models(settings: Settings) -> Iterator[tuple[Path, str]]:
    yield from _model(("model", "name"), settings.model.name)
    for k, department in enumerate(settings.departments):
        if department.model is None:
            continue
        if settings.coupling.kind != "distill":
            yield ("departments", k, "model"), sentence(
                "{name!r} has a model of its own, which only the coupling distill can join with others, and this is "
                "{coupling}; take one out",
                name=department.name, coupling=coupling_name(settings.coupling),
            )  # fmt: skip
        yield from _model(("departments", k, "model", "name"), department.model.name)


def _model(place: Path, name: str) -> Iterator[tuple[Path, str]]:
    if name not in MODELS and not _is_callable(name):
        yield place, _not_built_in("model.name", name, MODELS)


def _not_built_in(key: str, name: str, built_in: tuple[str, ...]) -> str:
    problem = sentence(
        "{key} is {name!r}, and must be one of {listed}, or written module:callable",
        key=key, name=name, listed=joined(", ", built_in),
    )  # fmt: skip
    return hinted(problem, name, built_in)


def _is_callable(name: str) -> bool:
    """Whether it reads `module:callable`; whether that exists is known only where it runs."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), attribute))


def _server(settings: Settings) -> Iterator[tuple[Path, str]]:
    name, optimiser = coupling_name(settings.coupling), settings.server.optimiser
    if optimiser != "none" and name in _NO_UPDATE:
        yield ("server", "optimiser"), sentence(
            "server.optimiser is '{optimiser}', but {why} ({name}); take it out",
            optimiser=optimiser, why=_NO_UPDATE[name], name=name,
        )  # fmt: skip
    if settings.server.learning_rate != 1.0 and name in _NO_UPDATE:
        yield ("server", "learning_rate"), sentence(
            "server.learning_rate is {rate:g}, but {why} ({name}); take it out",
            rate=settings.server.learning_rate, why=_NO_UPDATE[name], name=name,
        )  # fmt: skip
    if settings.training.correction == "scaffold" and settings.coupling.kind != "average":
        yield (
            ("training", "correction"),
            sentence(
                "training.correction is 'scaffold', which needs the coupling average, not {name}; take one out",
                name=name,
            ),
        )


_NO_UPDATE = {
    "distill": sentence("the coordinator averages predictions there, and no update"),
    "proximal (mr-mtl)": sentence("the mean of the departments' own models is an anchor there, and no update"),
    "proximal (pfedme)": sentence("the anchor is moved by coupling.server_mix there"),
}
"""Couplings under which a server optimiser has nothing to work on."""


def _transport(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Feedback of rounding errors is for updates, of which the next makes up for the last."""
    transport = settings.aggregation.transport
    if settings.coupling.kind == "distill" and transport != "float32":
        yield (
            ("aggregation", "transport"),
            sentence(
                "aggregation.transport is '{transport}', but distill sends predictions, and no update; take it out",
                transport=transport,
            ),
        )


def _loss(settings: Settings) -> Iterator[tuple[Path, str]]:
    loss, count = settings.training.loss, len(settings.data.label.classes)
    needs = {
        "binary_cross_entropy": (count == 2, "two classes"),
        "cross_entropy": (count > 2, "more than two classes"),
        "mse": (count == 0, "a number as label"),
        "huber": (count == 0, "a number as label"),
    }
    if loss in needs and not needs[loss][0]:
        yield ("training", "loss"), sentence(
            "training.loss is '{loss}', which needs {needs}, and {label}; 'auto' always fits",
            loss=loss, needs=term(needs[loss][1]), label=_label(count),
        )  # fmt: skip
    elif loss not in LOSSES and not _is_callable(loss):
        yield ("training", "loss"), _not_built_in("training.loss", loss, LOSSES)


def _metrics(settings: Settings) -> Iterator[tuple[Path, str]]:
    count = len(settings.data.label.classes)
    unfit = FOR_NUMBERS if count else FOR_CLASSES
    for k, metric in enumerate(settings.report.metrics):
        if metric in unfit:
            fit = joined(", ", ("loss", *(FOR_CLASSES if count else FOR_NUMBERS)))
            needs = term("a number as label" if count else "classes")
            yield ("report", "metrics", k), sentence(
                "report.metrics: '{metric}' needs {needs}, and {label}; there are {fit}",
                metric=metric, needs=needs, label=_label(count), fit=fit,
            )  # fmt: skip


def _label(classes: int) -> Sentence:
    if classes:
        return sentence("[data.label] has {classes} classes", classes=classes)
    return sentence("[data.label] lists no classes")


def _labels(settings: Settings) -> Iterator[tuple[Path, str]]:
    """A department's own label column may not be one of the features."""
    features = {column.name for column in settings.data.columns}
    for k, department in enumerate(settings.departments):
        if department.label in features:
            yield ("departments", k, "label"), sentence(
                "the label of {name!r}, {label!r}, is also a feature; leave one out",
                name=department.name, label=department.label,
            )  # fmt: skip


def _untrained(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What `distill` cannot give: predictions without classes, a model without rows to train it on."""
    if settings.coupling.kind != "distill":
        return
    if not settings.data.label.classes:
        yield (
            ("coupling", "kind"),
            sentence("the coupling distill joins probabilities of classes, and data.label has none; take another"),
        )
    for k, department in enumerate(settings.departments):
        if department.is_target and not department.is_source:
            yield (
                ("departments", k, "roles"),
                sentence(
                    "the target {name!r} gives no rows, and under distill a model is trained on its department's own; "
                    "make it a source too, or no target",
                    name=department.name,
                ),
            )


def _statistics(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What [statistics] needs of the other tables."""
    asked = settings.statistics
    if asked is None:
        return
    shared = tuple(dict.fromkeys(flow.what for flow in settings.sharing))
    if asked.what not in shared:
        problem = sentence("{key} is {what!r}, which no [[sharing]] names", key="statistics.what", what=asked.what)
        otherwise = sentence("name what a [[sharing]] lets flow")
        yield ("statistics", "what"), hinted(problem, asked.what, shared, otherwise)
    for name in asked.to:
        if name != EVERYONE and name not in settings.names:
            problem = sentence("{key} names {name!r}, which is no department", key="statistics.to", name=name)
            yield ("statistics", "to"), hinted(problem, name, settings.names)
    if not settings.aggregation.secure or settings.aggregation.sealed:
        yield (
            ("statistics",),
            sentence(
                "statistics are secure sums that the coordinator sees; they need aggregation.secure = true and "
                "coordinator_sees = 'sums'"
            ),
        )
    yield from _counted(settings, asked)


def _counted(settings: Settings, asked: StatisticsSettings) -> Iterator[tuple[Path, str]]:
    """Which columns there are to count."""
    known = [column.name for column in settings.data.columns]
    if not known:
        yield (
            ("statistics",),
            sentence("statistics are of columns, and [data] describes arrays; take [statistics] out"),
        )
        return
    for name in asked.columns:
        if name not in known:
            problem = sentence("statistics.columns names {name!r}, which the contract does not have", name=name)
            yield ("statistics", "columns"), hinted(problem, name, known)
    if asked.by_class and not settings.data.label.classes:
        yield ("statistics", "by_class"), sentence("statistics.by_class needs classes in [data.label]")


def _knowledge(settings: Settings) -> Iterator[tuple[Path, str]]:
    """What [knowledge] needs of the other tables."""
    join = settings.knowledge
    if join is None:
        return
    if settings.data.array is not None:
        yield (
            ("knowledge",),
            sentence("knowledge joins vectors to columns, and [data] describes arrays; take [knowledge] out"),
        )
    if settings.data.label.column in join.columns:
        yield (
            ("knowledge", "columns"),
            sentence(
                "knowledge.columns names the label {label!r}; it can be one only", label=settings.data.label.column
            ),
        )
    if settings.coupling.kind == "distill":
        yield (
            ("knowledge",),
            sentence("under distill all predict on one common set, which has no entities; take another coupling"),
        )
