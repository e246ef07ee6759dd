"""What a type cannot say of [[pipeline]]: keys fit the work, steps are named once, what is named is there."""

from __future__ import annotations

from collections.abc import Iterator

from lepton_fed.config.compatibility import FOR_CLASSES, FOR_NUMBERS
from lepton_fed.config.places import Path
from lepton_fed.config.spelling import hinted
from lepton_fed.pipeline.descriptions import recognised
from lepton_fed.settings import EVERYONE, Gate, PipelineStep, Settings
from lepton_fed.translation import joined, sentence, term

_BELONGS: dict[str, tuple[str, ...]] = {
    "rounds": ("train", "iterate"),
    "budget": ("iterate",),
    "gate": ("validate", "iterate"),
    "to": ("publish",),
}
"""Keys that only some kinds of work read."""

_ALONE = 1
"""A budget that everything has."""


def work_of(entry: PipelineStep) -> str:
    """What kind of work an entry is: what it says, else what its words mean, else a person's."""
    return entry.work or recognised(entry.step) or "manual"


def departments_of(entry: PipelineStep, settings: Settings) -> tuple[str, ...]:
    """Where it is done, in the order in which they are named."""
    return settings.names if EVERYONE in entry.department else entry.department


def steps(settings: Settings) -> Iterator[tuple[Path, str]]:
    """(place, sentence) of everything wrong with the steps of the pipeline."""
    known = [entry.step for entry in settings.pipeline]
    made = {what for entry in settings.pipeline for what in entry.makes}
    shared = {flow.what for flow in settings.sharing}
    trained = False
    for k, entry in enumerate(settings.pipeline):
        if entry.step in known[:k]:
            yield (
                ("pipeline", k, "step"),
                sentence("two steps of the pipeline are called {step!r}; give each its own words", step=entry.step),
            )
        for name in entry.after:
            if name not in known or name == entry.step:
                problem = sentence(
                    "pipeline[{number}].after names {name!r}, which is no other step", number=k + 1, name=name
                )
                yield (
                    ("pipeline", k, "after"),
                    hinted(problem, name, known, sentence("name another step by its words")),
                )
        for what in entry.needs:
            if what not in made | shared:
                problem = sentence("pipeline[{number}].needs is {what!r}, which nobody makes", number=k + 1, what=what)
                otherwise = sentence("name what a step makes or a [[sharing]] lets flow")
                yield ("pipeline", k, "needs"), hinted(problem, what, [*made, *shared], otherwise)
        work = work_of(entry)
        yield from _unfit(k, entry, work, settings)
        if work in ("validate", "iterate", "publish") and not trained:
            yield ("pipeline", k), sentence(
                "pipeline[{number}]: {step!r} needs a trained model; put a step that trains before it",
                number=k + 1, step=entry.step,
            )  # fmt: skip
        trained = trained or work == "train"


def _unfit(k: int, entry: PipelineStep, work: str, settings: Settings) -> Iterator[tuple[Path, str]]:
    """Keys that the work does not read, and departments that cannot do it."""
    for key, kinds in _BELONGS.items():
        if getattr(entry, key) not in (None, _ALONE) and work not in kinds:
            yield ("pipeline", k, key), sentence(
                "pipeline[{number}].{key} belongs to {kinds}, and {step!r} is {work}; take it out",
                number=k + 1, key=key, kinds=joined(" and ", kinds), step=entry.step, work=work,
            )  # fmt: skip
    if work in ("train", "iterate", "publish") and len(departments_of(entry, settings)) > 1:
        yield (
            ("pipeline", k, "department"),
            sentence("{step!r} is done once for all; name one department for it", step=entry.step),
        )
    if entry.gate is not None:
        yield from _unmeasured(k, entry.gate, settings)
    rows = {one.name for one in settings.departments if one.is_source}
    listed = departments_of(entry, settings) if work == "validate" else ()
    for name in (*listed, *(entry.gate.at if entry.gate is not None else ())):
        if name != EVERYONE and name not in rows:
            yield (
                ("pipeline", k),
                sentence(
                    "pipeline[{number}]: {name!r} is no source, so it has no rows to measure on",
                    number=k + 1,
                    name=name,
                ),
            )


def _unmeasured(k: int, gate: Gate, settings: Settings) -> Iterator[tuple[Path, str]]:
    """A metric that does not fit the label, or is not measured."""
    classes = bool(settings.data.label.classes)
    place = ("pipeline", k, "gate", "metric")
    if gate.metric in (FOR_NUMBERS if classes else FOR_CLASSES):
        yield place, sentence(
            "pipeline[{number}].gate: '{metric}' needs {label}; take another",
            number=k + 1, metric=gate.metric, label=term("a number as label" if classes else "classes"),
        )  # fmt: skip
    elif gate.metric not in settings.report.metrics:
        yield place, sentence(
            "pipeline[{number}].gate: '{metric}' is not measured; add it to report.metrics",
            number=k + 1, metric=gate.metric,
        )  # fmt: skip
