"""How a simulation is kept: its folder, opened anew or gone back to, with every party's side of the audit log."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed import saved_state
from lepton_fed.assembly import allowed_code
from lepton_fed.record import Logging, Recorder, folder_of
from lepton_fed.simulated_run import Run

if TYPE_CHECKING:
    from lepton_fed.storage import Saved


def open_record(
    run: Run, stack: ExitStack, out: str | Path | None, resume: str | Path | None, database: str | None
) -> float:
    """Opens the run folder if there is one, and goes back to where an earlier run was; its seconds so far."""
    if out is None and resume is None:
        return 0.0
    if resume is None:
        assert out is not None
        place = Path(out)
        run.recorder = stack.enter_context(
            Recorder.create(place, run.federation, database, _bytes_needed(run), _logging(run, place, database))
        )
        _give_logs(run)
        return 0.0
    place = Path(resume)
    run.recorder = stack.enter_context(
        Recorder.reopen(place, run.federation, database, logging=_logging(run, place, database))
    )
    _give_logs(run)
    saved = run.recorder.saved()
    if saved is None:
        return 0.0
    run.history = run.recorder.history()
    return _go_back(run, saved)


def _logging(run: Run, place: Path, database: str | None) -> Logging:
    """How the run writes the audit log; its keys are beside the database."""
    from lepton_fed.audit.beginnings import beginning, log_name
    from lepton_fed.audit.key_folder import KeyFolder
    from lepton_fed.audit.own_log import policy_digest
    from lepton_fed.audit.run_log import RunLog

    settings = run.federation.settings
    guards = {name: department.guard for name, department in run.departments.items()}
    policies = {name: policy_digest(guard.policies, name) for name, guard in guards.items() if guard is not None}
    begun = beginning(run.federation, allowed_code(own.file for own in run.owns.values()), policies=policies)
    keys = run.keys = KeyFolder(folder_of(place, database), log_name(settings))
    return Logging(
        begun, lambda store, id_: RunLog(store.database, keys.signers(settings.names), id_, exclusive=keys.exclusive)
    )


def _give_logs(run: Run) -> None:
    """Every department gets its own side of the log."""
    assert run.recorder is not None
    assert run.recorder.log is not None
    assert run.keys is not None
    coordinator = run.recorder.log.signers.coordinator.public
    for name, department in run.departments.items():
        department.log = log = run.keys.department(name, coordinator, run.recorder.record.id)
        log.listen(department)


def _go_back(run: Run, saved: Saved) -> float:
    values: dict[str, object] = dict(saved.meta)
    timing = values["timing"]
    assert isinstance(timing, dict)
    for phase, seconds in timing.items():
        run.timing[phase] += seconds
    run.state = saved_state.restore(run.state, run.departments, saved.round, values, saved.groups)
    return sum(timing.values())


def _bytes_needed(run: Run) -> int:
    """A few times the models and what departments keep; histories are small beside them."""
    sizes = [d.bench.model.vector.numel() * 4 for d in run.departments.values()]
    return 4 * sum(sizes) + 10_000_000
