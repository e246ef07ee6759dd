"""What entity vectors bring a federation: the same one again without them, and with vectors of other entities.

    with        the run itself
    without     no [knowledge]: the contract's columns alone
    shuffled    the same vectors, dealt out to other entities: what any further numbers would bring

Only what is beyond both comes from knowledge. All three begin from the same seed and are measured on the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lepton_fed.config import Federation
from lepton_fed.result import Compared, RunResult
from lepton_fed.settings import Settings
from lepton_fed.storage.atomic import write_atomically

FILE = "knowledge.json"

ROWS = ("without", "shuffled")


@dataclass(frozen=True)
class VectorGain:
    """One metric on one department's test part; None where it was not measured."""

    department: str
    metric: str
    without: float | None
    shuffled: float | None
    with_vectors: float | None
    examples: int


def vector_gains(
    federation: Federation, comparison: Sequence[Compared], trained: Callable[[Federation], RunResult]
) -> tuple[VectorGain, ...]:
    """Trains both controls; one value for each of the run's own."""
    controls = {row: trained(replace(federation, settings=_control(federation.settings, row))) for row in ROWS}
    found = {
        row: {(one.department, one.metric): one.federated for one in result.comparison}
        for row, result in controls.items()
    }
    return tuple(
        VectorGain(
            one.department,
            one.metric,
            found["without"].get((one.department, one.metric)),
            found["shuffled"].get((one.department, one.metric)),
            one.federated,
            one.examples,
        )
        for one in comparison
    )


def _control(settings: Settings, row: str) -> Settings:
    """The same federation, without what else a run is asked for."""
    assert settings.knowledge is not None
    join = None if row == "without" else replace(settings.knowledge, vectors="shuffled", control=False)
    return replace(settings, knowledge=join, report=replace(settings.report, baselines=()), statistics=None)


def write(folder: Path, gains: Sequence[VectorGain]) -> None:
    """Into a run's folder."""
    write_atomically(folder / FILE, json.dumps([asdict(one) for one in gains], ensure_ascii=False, indent=1))


def lines(gains: Sequence[VectorGain], metric: str) -> list[str]:
    """A table for a terminal: each department by one metric."""
    from rich.cells import cell_len

    shown = [one for one in gains if one.metric == metric]
    title = "entity vectors"
    width = max(cell_len(text) for text in (title, *(one.department for one in shown)))
    heads = (*ROWS, "with", "- without", "- shuffled")
    table = [title + " " * (width - cell_len(title)) + "".join(f"{head:>12}" for head in heads)]
    for one in shown:
        values = [_number(value) for value in (one.without, one.shuffled, one.with_vectors)]
        against = [_difference(one.with_vectors, value) for value in (one.without, one.shuffled)]
        padding = " " * (width - cell_len(one.department))
        table.append(one.department + padding + "".join(f"{cell:>12}" for cell in (*values, *against)))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


def _difference(value: float | None, than: float | None) -> str:
    return "" if value is None or than is None or value - than != value - than else f"{value - than:+.4f}"
