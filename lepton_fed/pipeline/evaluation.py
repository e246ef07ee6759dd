"""A trained model measured on a department's own rows, at that department, for whoever it permits.

    measured(run folder, federation, at, asker) ──► Measured(metrics, rows)

In a simulation the department is built here from its own files and asked as it is asked over any wire
(`lepton_fed.evaluation`): its own policies decide, and nothing of its rows comes back but metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lepton_fed import saved_state
from lepton_fed.assembly import allowed_code, build_department, read_file, read_own, throw_away_parties
from lepton_fed.config import Federation
from lepton_fed.coordinator import State, begin
from lepton_fed.department import Department
from lepton_fed.errors import PolicyError, StorageError
from lepton_fed.evaluation import evaluate
from lepton_fed.storage import RunFolder
from lepton_fed.translation import sentence
from lepton_fed.transport import InProcess, drive

_BETTER_SMALLER = frozenset({"loss", "log_loss", "mse", "mae"})


@dataclass(frozen=True)
class Measured:
    """Metrics by name, on at least so many rows."""

    metrics: Mapping[str, float]
    rows: int


class Measure(Protocol):
    """How a model is measured where the rows are; PolicyError where the department refuses."""

    def __call__(self, folder: Path, federation: Federation, *, at: str, asker: str) -> Measured: ...


def measured(folder: Path, federation: Federation, *, at: str, asker: str) -> Measured:
    """The model of the run in `folder` on the test rows of `at`; PolicyError where its policies refuse `asker`."""
    department, state = _as_saved(folder, federation, at)
    flow = evaluate(federation.settings, state, asker=asker, departments=[at])
    finding = drive(flow, InProcess({at: department}))[at]
    if finding.refused:
        raise PolicyError(at, finding.refused)
    return Measured(_best(finding.metrics, federation.settings.report.metrics[0]), finding.rows)


def _as_saved(folder: Path, federation: Federation, at: str) -> tuple[Department, State]:
    """The department and the coordinator's state as they were after the run's last round."""
    files = {name: read_file(federation, name) for name in federation.settings.names}
    parties = throw_away_parties(federation, files)
    own, code = read_own(federation, at, files[at]), allowed_code(files.values())
    department = build_department(federation, at, own=own, code=code, party=parties.get(at))
    roster = next(iter(parties.values())).roster if parties else None
    fresh = begin(federation.settings, code, federation.fingerprint, roster)
    saved = RunFolder.open(folder, writing=False).checkpoint(durable=False).latest()
    if saved is None:
        raise StorageError(
            sentence("{folder} has no finished round, so there is no model to measure; train first", folder=folder)
        )
    return department, saved_state.restore(fresh, {at: department}, saved.round, dict(saved.meta), saved.groups)


def _best(hubs: Mapping[str, Mapping[str, float]], metric: str) -> Mapping[str, float]:
    """Of several hubs' models the one that suits these rows best, as a department of `clusters` reads it."""
    sign = 1.0 if metric in _BETTER_SMALLER else -1.0
    return min(hubs.values(), key=lambda found: sign * found.get(metric, float("inf") * sign))
