"""A whole federation on one machine: build, train, compare, keep.

    check every department  ->  rounds  ->  last report  ->  baselines  ->  run folder

`engine="inprocess"` drives the departments directly; `engine="flower"` runs the same departments and the same
coordinator as Flower apps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from lepton_fed import saved_state, statistics_file, vector_gains
from lepton_fed.assembly import allowed_code, build_departments, read_file, read_own, throw_away_parties
from lepton_fed.comparison import compare
from lepton_fed.config import Federation
from lepton_fed.consultation import consult
from lepton_fed.coordinator import News, begin, close, join, play
from lepton_fed.errors import ConfigError, RoundError
from lepton_fed.messages import Done, Reply, Summed
from lepton_fed.progress import Progress, Quiet
from lepton_fed.record import recorded_rounds
from lepton_fed.result import Compared, RunResult
from lepton_fed.secagg.messages import MaskedInput
from lepton_fed.simulated_run import Run
from lepton_fed.simulation_record import open_record
from lepton_fed.statistics import Survey
from lepton_fed.survey_flow import count
from lepton_fed.tracking import tracker
from lepton_fed.transport import InProcess, OnReply, drive
from lepton_fed.vector_gains import VectorGain

if TYPE_CHECKING:
    from lepton_fed.audit.run_log import Sealing

Engine = Literal["inprocess", "flower"]


def simulate(
    federation: Federation | str | Path,
    *,
    rounds: int | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    engine: Engine = "inprocess",
    database: str | None = None,
    track: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunResult:
    """Trains a federation on this machine.

    `out`: a new or empty folder for the run (none: nothing is written). `resume`: the folder of an earlier
    run, which goes on after its last completed round and ends with the same models, bit for bit, as if it had
    never stopped. `track`: "mlflow:PLACE" or "tensorboard:FOLDER". Raises LeptonError.
    """
    federation = federation if isinstance(federation, Federation) else Federation.load(federation)
    _check_options(out, resume, engine)
    federation = _with_rounds(federation, rounds, resume)
    began = time.perf_counter()
    with ExitStack() as stack:
        run = _prepare(federation, progress if progress is not None else Quiet())
        for spec in track:
            run.trackers.append(tracker(spec, run=federation.settings.federation.name))
            stack.callback(run.trackers[-1].close)
        seconds_before = open_record(run, stack, out, resume, database)
        with run.progress:
            _count(run)
            _train(run) if engine == "inprocess" else _train_on_flower(run)
            models = {n: run.departments[n].export(run.state.visible) for n in _targets(run)}
            comparison = compare(run)
            gained = _vector_gains(run, comparison)
        seconds = seconds_before + time.perf_counter() - began
        return _conclude(run, models, comparison, gained, seconds, engine)


def _with_rounds(federation: Federation, rounds: int | None, resume: str | Path | None) -> Federation:
    if rounds is None and resume is not None:
        rounds = recorded_rounds(Path(resume))
    if rounds is None:
        return federation
    if rounds < 1:
        raise ConfigError(f"the number of rounds must be at least 1, not {rounds}")
    settings = federation.settings
    return replace(federation, settings=replace(settings, rounds=replace(settings.rounds, count=rounds)))


def _check_options(out: str | Path | None, resume: str | Path | None, engine: str) -> None:
    if out is not None and resume is not None:
        raise ConfigError("give a new folder or an earlier run to resume, not both")
    if engine not in ("inprocess", "flower"):
        raise ConfigError(f"there is no engine {engine!r}; choose inprocess or flower")
    if engine == "flower" and resume is not None:
        raise ConfigError(
            "the flower engine cannot resume a run; use the engine inprocess, which gives the same models"
        )


# ---------------------------------------------------------------- before the first round


def _prepare(federation: Federation, progress: Progress) -> Run:
    """Everything that may be wrong with files and data is found here, before anything is written."""
    started = time.perf_counter()
    files = {name: read_file(federation, name) for name in federation.settings.names}
    parties = throw_away_parties(federation, files)
    owns = {name: read_own(federation, name, file) for name, file in files.items()}
    departments = build_departments(federation, owns, parties)
    roster = next(iter(parties.values())).roster if parties else None
    state = begin(federation.settings, allowed_code(files.values()), federation.fingerprint, roster)
    state = replace(state, threads=torch.get_num_threads())
    run = Run(federation, owns, departments, state, progress, parties)
    run.timing["loading data"] = time.perf_counter() - started
    for own in owns.values():
        run.warnings |= dict.fromkeys(own.prepared.notes if own.prepared else ())
    return run


# ---------------------------------------------------------------- statistics


def _count(run: Run) -> None:
    """Statistics before training, where the file asks for them; a resumed run has those that it began with."""
    if run.federation.settings.statistics is None:
        return
    folder = run.recorder.folder.path if run.recorder is not None else None
    run.findings = statistics_file.read(folder) if folder is not None else None
    if run.findings is None and run.state.round == 0:
        assert run.state.roster is not None
        run.progress.phase("counting")
        survey = Survey(run.federation.settings, run.federation.fingerprint)
        try:
            with run.timed("statistics"):
                flow = count(survey, run.state.roster, run.state.threads)
                _, run.findings = drive(flow, InProcess(run.departments))
        except RoundError as error:
            run.warnings[str(error)] = None
            return
        if folder is not None:
            statistics_file.write(folder, run.findings)


# ---------------------------------------------------------------- rounds


def _train(run: Run) -> None:
    settings, transport = run.federation.settings, InProcess(run.departments)
    run.progress.begin(run.state.round, settings.rounds.count)
    run.state = drive(join(settings, run.state), transport)
    run.warnings |= dict.fromkeys(drive(consult(settings, run.state), transport))
    before = 0.0
    while run.state.round < settings.rounds.count:
        started = time.perf_counter()
        run.progress.asked(run.state.round + 1, _at_work(run))
        state, news = drive(play(settings, run.state), transport, _counting(run.progress))
        spent = time.perf_counter() - started
        _take(run, run.state.round, before, news)
        run.state, before = state, spent
        _account(run, news, spent)
        _checkpoint(run, news)
        if run.state.round % settings.audit.every == 0:
            _attest(run)
    _take(run, run.state.round, before, drive(close(settings, run.state), transport), closing=True)


def _counting(progress: Progress) -> OnReply:
    """Tells the progress of each department that has done its work; a secure sum has further exchanges."""

    def on_reply(name: str, reply: Reply) -> None:
        if isinstance(reply, Done) or (isinstance(reply, Summed) and isinstance(reply.reply, MaskedInput)):
            progress.answered(name)

    return on_reply


def _at_work(run: Run) -> int:
    """How many departments train in a round."""
    writers = {name for plan in run.state.plans for name in plan.writers}
    return min(run.federation.settings.rounds.participants or len(writers), len(writers))


def _attest(run: Run) -> None:
    """Has every department countersign the audit log; who does not is a warning."""
    if run.recorder is None or run.recorder.log is None:
        return
    with run.timed("audit log"):
        standing = run.recorder.log.attest(InProcess(run.departments), run.federation.settings.names)
    run.warnings |= dict.fromkeys(standing.warnings)


def _take(run: Run, number: int, seconds: float, news: News, *, closing: bool = False) -> None:
    """What was measured about round `number`: to the history, the database, the trackers, the screen."""
    run.history += news.measurements
    if run.recorder is not None:
        run.recorder.keep_round(number, seconds, news.measurements, news.accounts, closing=closing)
    for one in run.trackers:
        one.log(number, news.measurements)
    run.progress.measured(number, news.measurements)
    run.warnings |= dict.fromkeys(news.warnings)
    run.warnings |= dict.fromkeys(f"{name} took no part in a round: {why}" for name, why in news.refusals.items())


def _account(run: Run, news: News, spent: float) -> None:
    inside = 0.0
    for seconds in news.seconds.values():
        for phase, value in seconds.items():
            run.timing[phase] += value
            inside += value
    run.timing["aggregating"] += max(0.0, spent - inside)


def _checkpoint(run: Run, news: News) -> None:
    if run.recorder is None:
        return
    with run.timed("checkpoints"):
        meta = saved_state.meta(run.state) | {"timing": dict(run.timing)}
        changed = {*news.asked, *(name for name, one in run.departments.items() if one.own_hubs)}
        run.recorder.checkpoint.save(run.state.round, meta, saved_state.groups(run.state, run.departments, changed))


def _train_on_flower(run: Run) -> None:
    """The same federation as Flower apps in Flower's own simulation; states come back into this process."""
    from lepton_fed.flower.engine import run_on_flower

    run.progress.begin(0, run.federation.settings.rounds.count)
    run.progress.phase("starting Flower")
    started = time.perf_counter()

    def on_round(number: int, news: News) -> None:
        _take(run, number, 0.0, news, closing=number == run.federation.settings.rounds.count)
        _account(run, news, 0.0)

    outcome = run_on_flower(
        run.federation,
        parties=run.parties,
        state=run.state,
        on_round=on_round,
        on_reply=_counting(run.progress),
    )
    run.state = outcome.state
    for name, kept in outcome.kept.items():
        run.departments[name].restore(kept)
    inside = run.timing["training"] + run.timing["evaluating"]
    run.timing["Flower: starting, carrying messages"] = max(0.0, time.perf_counter() - started - inside)


# ---------------------------------------------------------------- afterwards


def _targets(run: Run) -> list[str]:
    return [n for n in run.federation.settings.names if any(n in p.may_read for p in run.state.plans)]


def _vector_gains(run: Run, comparison: Sequence[Compared]) -> tuple[VectorGain, ...]:
    """The run again without entity vectors, and with shuffled ones, where the file joins some."""
    join = run.federation.settings.knowledge
    if join is None or not join.control or join.vectors == "shuffled":
        return ()
    if any(own.file.privacy is not None for own in run.owns.values()):
        # Each run is paid for from the same budgets.
        run.warnings["entity vectors: no control was trained, since departments have privacy budgets"] = None
        return ()
    with run.timed("entity vectors' control"):
        run.progress.phase("training without entity vectors, and with shuffled ones, to compare")
        return vector_gains.vector_gains(run.federation, comparison, simulate)


def _conclude(
    run: Run,
    models: Mapping[str, Mapping[str, Tensor]],
    comparison: Sequence[Compared],
    gained: Sequence[VectorGain],
    seconds: float,
    engine: Engine,
) -> RunResult:
    """Writes what remains of a run, if it is kept, and returns it."""
    folder = run.recorder.folder.path if run.recorder is not None else None
    result = RunResult(
        settings=run.federation.settings,
        run=run.recorder.record.id if run.recorder is not None else "",
        state=run.state,
        history=tuple(run.history),
        models=models,
        comparison=tuple(comparison),
        timing=dict(run.timing),
        seconds=seconds,
        folder=folder,
        code=allowed_code(o.file for o in run.owns.values()),
        findings=run.findings,
        vector_gains=gained,
    )
    if run.recorder is not None:
        from lepton_fed.outcome import keep

        keep(
            result,
            run.recorder,
            run.federation,
            run.departments,
            tuple(run.warnings),
            engine,
            lambda: _concluded(run),
        )
        run.recorder.finish()
        _concluded(run)
    return result


def _concluded(run: Run) -> Sealing | None:
    """Has every department countersign all that the audit log has of the run."""
    if run.recorder is None or run.recorder.log is None:
        return None
    return run.recorder.log.conclude(InProcess(run.departments), run.federation.settings.names)
