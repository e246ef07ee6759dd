"""A federation in plain words: what it optimises, who learns from whom, what stays private or is refused."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterator, Sequence

from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.config.compatibility import coupling_name
from lepton_fed.config.federation import Federation
from lepton_fed.config.flows import unused
from lepton_fed.config.layout import columns, item, paragraph
from lepton_fed.config.own_files import state
from lepton_fed.config.pipeline_steps import departments_of, work_of
from lepton_fed.config.spelling import one_line
from lepton_fed.secrecy import Audit, audit
from lepton_fed.settings import Column, DepartmentSettings, ModelSettings, Settings
from lepton_fed.statistics import Survey
from lepton_fed.translation import counted, some
from lepton_fed.weighting import alphas, beta

Parameters = Sequence[tuple[str, bool]]
"""Names of the model's parameters and whether each is shared."""


BELOW = "      "
"""Indent of what belongs to an entry of a list."""
MOST = 12
"""Lines of a list that may be as long as the federation is large; the rest are counted."""


def explain(federation: Federation, parameters: Parameters = (), found: Audit | None = None) -> str:
    """What the file means, for a terminal. No data are read, and nothing of departments' own files is shown.

    `parameters` are listed by name where the caller has built the model; without, the patterns are said. `found`:
    the audit of its sums, where the caller knows the length of an update or departments' own terms.
    """
    settings = federation.settings
    found = found if found is not None else audit(settings)
    sections: dict[str, Iterator[str]] = {
        "What is optimised": _optimised(settings),
        "Departments": _departments(federation),
        "Who learns from whom": _teaching(settings),
        "What is shared and what stays private": _parts(settings, parameters),
        "How sums are protected": _protected(found),
        "What flows but is not trained on": _flows(settings, permitted=True),
        "What would be refused": _flows(settings, permitted=False),
        "Who depends on whom": _graph(settings),
        "Data contract, checked at each department before training": _contract(settings),
        "Statistics, before training": _statistics(settings),
        "Report": _report(settings),
        "What the pipeline does, in this order": _pipeline(settings),
    }
    lines = list(_title(federation))
    for heading, body in sections.items():
        written = list(body)
        if written:
            lines += ["", heading, *written]
    return "\n".join(lines) + "\n"


def _statistics(settings: Settings) -> Iterator[str]:
    """What is counted of whose rows, for whom, and who is left out; nothing where the file asks for none."""
    if settings.statistics is None:
        return
    survey = Survey(settings, "")
    names = ", ".join(column.name for column in survey.question.columns)
    yield from item(f"{survey.asked.what}: {names}, over the rows of {', '.join(survey.willing) or 'nobody'}")
    yield from item(
        f"for {', '.join(survey.readers)}; no count of fewer than {survey.asked.minimum} rows leaves a department"
    )
    for owner in survey.owners:
        denial = survey.denial(owner)
        if denial is not None:
            yield from item(f"not over the rows of {owner}: {denial}")
    least = survey.fewest(len(survey.willing))
    if len(survey.willing) < least:
        yield from item(f"would be refused: {len(survey.willing)} are too few to hide in, {least} are needed")


def _title(federation: Federation) -> Iterator[str]:
    identity = federation.settings.federation
    yield from paragraph(f"{identity.name}: {identity.purpose}", "", "")
    yield f"{one_line(str(federation.path))}, seed {identity.seed}, fingerprint {federation.fingerprint[:16]}"


# ---------------------------------------------------------------- what is optimised


_COUPLING = {
    "average": "every round starts from the mean of the sources' models (β infinite; λ plays no part)",
    "proximal (mr-mtl)": "each department keeps its own model, pulled towards its sources' mean",
    "proximal (ditto)": "sources train a common model, and each target one of its own, pulled towards it",
    "proximal (pfedme)": "each department trains near its anchor, and then moves the anchor",
    "proximal (fedprox)": "every round starts from the mean of the sources' models and is held near it",
    "clusters": "each department writes to one hub and reads the hubs that fit its data",
    "distill": "departments of any architecture agree on predictions for a common unlabelled set",
}


def _optimised(settings: Settings) -> Iterator[str]:
    coupling = settings.coupling
    distance = "KL(p_i, p_j)" if coupling.kind == "distill" else "½‖θ_i − θ_j‖²"
    loss = _loss(settings)
    yield from paragraph(
        f"Σ_j f_j(θ_j, φ_j) + λ Σ_(i→j) α_i β_j {distance}: every target j minimises its own part, f_j being "
        f"the mean {loss} of {settings.data.label.column!r} over j's own training examples."
    )
    strength = f", λ = {coupling.lambda_:g}" if _pulling(settings) else ""
    yield from item(f"coupling {coupling_name(coupling)}{strength}: {_COUPLING[coupling_name(coupling)]}")
    if coupling.lambda_ == 0 and _pulling(settings):
        yield from item("λ is 0, so nobody is pulled towards anybody")
    yield from item(_local(settings))
    yield from item(_rounds(settings))
    if settings.aggregation.transport != "float32":
        how = f"updates travel as {settings.aggregation.transport}"
        yield from item(f"{how}; what rounding takes from one is added to the next")
    if settings.server.optimiser != "none":
        server = settings.server
        how = f"{server.optimiser}, learning rate {server.learning_rate:g}"
        yield from item(f"the coordinator applies the mean update with {how}")


def _pulling(settings: Settings) -> bool:
    """Whether λ and β play a part; where a round starts from the mean, they do not."""
    coupling = settings.coupling
    return coupling.kind in ("proximal", "distill") or (coupling.kind == "clusters" and not coupling.reset)


def _loss(settings: Settings) -> str:
    if settings.training.loss != "auto":
        return settings.training.loss.replace("_", " ")
    classes = len(settings.data.label.classes)
    return {0: "squared error", 2: "binary cross entropy"}.get(classes, "cross entropy")


def _local(settings: Settings) -> str:
    training = settings.training
    if training.steps:
        amount = counted(training.steps, "step", "steps")
    else:
        amount = counted(training.epochs or 1, "epoch", "epochs")
    drift = ", corrected for client drift (SCAFFOLD)" if training.correction == "scaffold" else ""
    optimiser = f"{training.optimiser.name}, learning rate {training.optimiser.learning_rate:g}"
    return f"in one round a department does {amount} in batches of {training.batch} with {optimiser}{drift}"


def _rounds(settings: Settings) -> str:
    rounds = settings.rounds
    drawn = rounds.participants
    who = "all departments in each" if drawn is None else f"{drawn} departments drawn for each"
    when = "every round" if rounds.evaluate_every == 1 else f"every {rounds.evaluate_every} rounds"
    return f"{counted(rounds.count, 'round', 'rounds')}, {who}; models are evaluated {when}"


# ---------------------------------------------------------------- departments


def _departments(federation: Federation) -> Iterator[str]:
    rows = []
    for department in federation.settings.departments:
        file = federation.department_file(department.name)
        seen = state(file)
        if seen.endswith("is not here") and not department.is_source:
            seen = "no file of its own, and none needed: it gives no rows"
        rows.append((department.name, _role(department), seen))
    yield from columns(rows)
    for department in federation.settings.departments:
        if department.label is not None:
            yield from item(f"{department.name}: its label is the column {department.label!r}")
        if department.description:
            yield from item(f"{department.name}: {department.description}")


def _role(department: DepartmentSettings) -> str:
    return " and ".join(department.roles) or "no part in training"


# ---------------------------------------------------------------- who learns from whom


def _teaching(settings: Settings) -> Iterator[str]:
    for plan in hubs(settings):
        if settings.coupling.kind == "clusters":
            yield from item(f"{plan.name}, read by {some(plan.readers)}, is the mean of those who choose it among")
        else:
            learn = "learns" if len(plan.readers) == 1 else "learn"
            yield from item(f"{some(plan.readers)} {learn} from")
        yield from columns(list(_alphas(settings, plan)), indent=BELOW)
        if _pulling(settings):
            yield from _pulls(settings, plan)
    idle = _teaches_nobody(settings)
    if idle:
        yield from item(f"nobody learns from {some(idle)}")
    readers = {name for plan in hubs(settings) for name in plan.readers}
    giving = [d.name for d in settings.departments if d.is_source and d.name not in readers and d.name not in idle]
    if giving and settings.coupling.kind != "distill":
        yield from item(f"{some(giving)} only give, but start each round from the model they give to, and so see it")


def _alphas(settings: Settings, plan: HubPlan) -> Iterator[tuple[str, str]]:
    """Each writer with its α in words; of a long list its beginning."""
    known = alphas(settings.weights, plan.writers)
    for name in plan.writers[:MOST]:
        if known is None:
            yield name, "α by its number of training examples, which it alone knows"
        elif settings.weights.alpha == "uniform":
            yield name, f"α = 1/{len(plan.writers)}"
        else:
            yield name, f"α = {known[name]:.4g}"
    if len(plan.writers) > MOST:
        yield f"and {len(plan.writers) - MOST} more", ""


def _pulls(settings: Settings, plan: HubPlan) -> Iterator[str]:
    """β of the readers, and how strong that makes the pull; α adds up to 1, so λβ is all of it."""
    by_beta: dict[float, list[str]] = {}
    for name in plan.readers:
        if settings.department(name).is_target:
            by_beta.setdefault(beta(settings.weights, name), []).append(name)
    for strength, readers in by_beta.items():
        pull = settings.coupling.lambda_ * strength
        yield from paragraph(f"β = {strength:g} for {some(readers)}: a pull of λβ = {pull:g}", BELOW, BELOW)


def _teaches_nobody(settings: Settings) -> list[str]:
    teaching = {name for plan in hubs(settings) for name in plan.writers}
    return [d.name for d in settings.departments if d.is_source and d.name not in teaching]


# ---------------------------------------------------------------- shared and private


def _parts(settings: Settings, parameters: Parameters) -> Iterator[str]:
    if settings.coupling.kind == "distill":
        yield from item("shared: predictions on the common set; every parameter stays at its department")
    elif parameters:
        leave = ", ".join(name for name, shared in parameters if shared)
        stay = ", ".join(name for name, shared in parameters if not shared)
        yield from item(f"shared: {leave or 'nothing'}")
        yield from item(f"private, never leaves its department: {stay or 'nothing'}")
    else:
        yield from _patterns(settings.model)
    for department in settings.departments:
        if department.model is not None:
            yield from item(f"{department.name} trains {department.model.name}, the others {settings.model.name}")
    yield from _as_they_began(settings)
    yield from item("rows, labels and the departments' own files never leave their department")


def _as_they_began(settings: Settings) -> Iterator[str]:
    """Targets without rows cannot train what is private."""
    without = [d.name for d in settings.departments if d.is_target and not d.is_source]
    if settings.model.private and without:
        keep = "keeps" if len(without) == 1 else "keep"
        yield from item(f"{some(without)} {keep} the private parts as they began, having no rows to train them on")


def _patterns(model: ModelSettings) -> Iterator[str]:
    everything = model.shared == ("*",)
    but = f", but none called {' or '.join(model.private)}" if model.private else ""
    called = "" if everything else f" called {' or '.join(model.shared)}"
    yield from item(f"shared: every parameter of {model.name}{called}{but}")
    if model.private or not everything:
        yield from item("private, never leaves its department: every other parameter")


# ---------------------------------------------------------------- sums


def _protected(found: Audit) -> Iterator[str]:
    """What the audit promises, or why it refuses."""
    if found.refused is not None:
        yield from item(f"refused: {found.refused}")
    elif found.secure:
        yield from item("secure: nobody sees one department's numbers, only sums over a crowd")
    for sentence in found.sentences:
        yield from item(sentence)


# ---------------------------------------------------------------- flows


def _flows(settings: Settings, permitted: bool) -> Iterator[str]:
    """Flows outside E: those permitted for something else, or those that are not permitted at all."""
    outside = [flow for flow in unused(settings) if bool(flow.actions) == permitted]
    for flow in outside[:MOST]:
        may = f"may {' and '.join(flow.actions)} {flow.what!r}, but " if flow.actions else ""
        yield from item(f"{flow.source} → {flow.target}: {may}{flow.reason}")
    if len(outside) > MOST:
        yield from item(f"and {len(outside) - MOST} more")


# ---------------------------------------------------------------- graph, contract, report


def _graph(settings: Settings) -> Iterator[str]:
    for edge in settings.graph:
        yield from item(f"{edge.from_} needs {edge.needs} from {edge.to}")
    if settings.graph:
        sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
        for edge in settings.graph:
            sorter.add(edge.from_, edge.to)
        yield from item("so the order of work is " + " → ".join(sorter.static_order()))


def _contract(settings: Settings) -> Iterator[str]:
    data = settings.data
    rows = [("label", data.label.column, _label(data.label.classes), data.label.meaning)]
    rows += [("feature", column.name, _column(column), _missing(column)) for column in data.columns]
    yield from columns(rows)
    if data.array is not None:
        shape, span = "×".join(map(str, data.array.shape)), _span(data.array.range)
        yield from item(f"features: an array of {shape} per example{span}, times {data.array.scale:g}")
    if data.scale == "standard":
        yield from item("each feature is scaled by the department's own training mean and standard deviation")
    yield from item(f"at least {counted(data.minimum_rows, 'row', 'rows')} at each department that is a source")
    yield from item(_split(settings))


def _label(classes: tuple[str, ...]) -> str:
    return f"one of {some(classes)}" if classes else "a number"


def _column(column: Column) -> str:
    if column.type == "category":
        return f"one of {some(column.codes)}" + (" (the first has no column)" if column.drop_first else "")
    said = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}[column.type]
    return said + _span(column.range)


def _span(span: tuple[float, float] | None) -> str:
    return "" if span is None else f" from {span[0]:g} to {span[1]:g}"


def _missing(column: Column) -> str:
    return {
        "refuse": "may not be missing",
        "mean": "if missing, the department's training mean",
        "indicator": "if missing, the department's training mean and a mark",
    }[column.missing]


def _split(settings: Settings) -> str:
    split = settings.data.split
    kept = f", and {split.validation:.4g} of what is left for validation" if split.validation else ""
    how = "by label" if split.stratify and settings.data.label.classes else "at random"
    return f"each department keeps {split.test:.4g} of its rows for testing{kept}, drawn {how}"


def _report(settings: Settings) -> Iterator[str]:
    report = settings.report
    yield from item("metrics: " + ", ".join(report.metrics) + "; tables and bars compare by the first")
    beside: Callable[[str], str] = {
        "alone": "the same department training alone",
        "pooled": "training on all rows in one place (simulation only)",
    }.__getitem__
    if report.baselines:
        yield from item("set beside " + " and ".join(beside(baseline) for baseline in report.baselines))


# ---------------------------------------------------------------- pipeline


def _pipeline(settings: Settings) -> Iterator[str]:
    for entry in settings.pipeline[:MOST]:
        work = work_of(entry)
        said = [f"{some(departments_of(entry, settings))}: {entry.step}", "by hand" if work == "manual" else work]
        if entry.gate is not None:
            where = "all sources" if "*" in entry.gate.at else some(entry.gate.at)
            passes = "one pass" if entry.budget == 1 else f"{entry.budget} passes"
            said.append(f"until {entry.gate.metric} is {entry.gate.bound} at {where}, in at most {passes}")
        if entry.approve is not None:
            said.append(f"once {entry.approve} approves")
        yield from item(", ".join(said))
    if len(settings.pipeline) > MOST:
        yield from paragraph(f"and {len(settings.pipeline) - MOST} more")
