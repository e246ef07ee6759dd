"""What an operator may ask of a coordinator: one run at a time, once per provision, and what is said meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.errors import ConfigError, LeptonError, RoundError, StoppedError, StorageError
from lepton_fed.flower.link_metrics import LinkMetrics
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.messages import Done, Summed
from lepton_fed.record import Recorder
from lepton_fed.secagg.messages import MaskedInput, Survivors
from server import conductor as module
from server.conductor import RUN, SHUT_DOWN, STOPPED, RunningConductor, goes_on, recorded, rounds_done
from tests.federations import LINES, quick, written
from tests.server.together import copied, provisioned


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conductor")
    return provisioned(folder, written(folder / "file", quick({}, 3))).coordinator.parent


@pytest.fixture
def kit(kits: Path, tmp_path: Path) -> CoordinatorKit:
    return CoordinatorKit.load(copied(kits, tmp_path).coordinator)


@pytest.fixture
def conductor(kit: CoordinatorKit) -> RunningConductor:
    return RunningConductor(kit, LinkMetrics())


def submit(conductor: RunningConductor) -> bool:
    """Whether the run goes on."""
    return bool(conductor.submit(conductor.kit.membership.file)["going_on"])


def lines(conductor: RunningConductor, after: int = 0) -> list[str]:
    """What was said, without when."""
    return [line.split("  ", 1)[1] for _, line in conductor.logs(after)["lines"]]


# ---------------------------------------------------------------- submit and stop


def test_a_run_is_begun_by_submitting_the_file_that_the_kits_were_made_with(conductor: RunningConductor) -> None:
    assert conductor.status()["state"] == "idle"
    assert not conductor.wanted.is_set()
    assert not submit(conductor)
    assert conductor.wanted.is_set()
    assert conductor.status()["state"] == "running"


def test_a_run_that_is_under_way_is_not_begun_again(conductor: RunningConductor) -> None:
    submit(conductor)
    with pytest.raises(StorageError, match="a run is under way; stop it first"):
        submit(conductor)
    conductor.begun()
    with pytest.raises(StorageError, match="a run is under way"):
        submit(conductor)


def test_two_who_submit_at_once_begin_one_run(conductor: RunningConductor) -> None:
    came: list[object] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        try:
            came.append(submit(conductor))
        except StorageError:
            came.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came, key=str) == [False, *["refused"] * 7]


def test_another_federation_file_is_refused_before_anything_begins(conductor: RunningConductor, tmp_path: Path) -> None:
    other = written(tmp_path / "other", quick({"training": {"steps": 3, "batch": 8}}, 3))
    with pytest.raises(ConfigError, match="not the federation file that the kits were made with"):
        conductor.submit(other.to_toml())
    with pytest.raises(ConfigError):
        conductor.submit("[federation")
    assert conductor.status()["state"] == "idle"
    assert not conductor.wanted.is_set()


def test_what_has_been_trained_is_not_trained_again_with_these_kits(conductor: RunningConductor) -> None:
    submit(conductor)
    conductor.begun()
    conductor.ended(None)
    with pytest.raises(StorageError, match=r"has been trained; .* make new kits"):
        submit(conductor)


@pytest.mark.parametrize("error", [StoppedError(STOPPED), RoundError("round 2 has no update"), ValueError("row 17")])
def test_a_run_that_ended_early_goes_on_when_it_is_submitted(conductor: RunningConductor, error: Exception) -> None:
    submit(conductor)
    conductor.begun()
    assert not conductor.wanted.is_set()
    conductor.ended(error)
    assert submit(conductor)
    assert conductor.wanted.is_set()
    assert (conductor.status()["state"], conductor.status()["reason"]) == ("running", "")


def test_only_a_run_that_is_under_way_is_stopped(conductor: RunningConductor) -> None:
    with pytest.raises(StorageError, match="no run is under way"):
        conductor.stop()
    conductor.require_going_on()
    submit(conductor)
    conductor.stop()
    with pytest.raises(StoppedError, match=STOPPED):
        conductor.require_going_on()
    conductor.ended(StoppedError(STOPPED))
    submit(conductor)
    conductor.require_going_on()


def test_what_departments_want_is_carried_unless_a_run_is_under_way(conductor: RunningConductor) -> None:
    assert conductor.carry()["state"] == "idle"
    assert conductor.errands.is_set()
    conductor.errands.clear()
    submit(conductor)
    with pytest.raises(StorageError, match="a run is under way, which carries what departments want"):
        conductor.carry()
    assert not conductor.errands.is_set()
    conductor.ended(None)
    assert conductor.carry()["state"] == "finished"
    assert conductor.errands.is_set()


def test_a_round_under_way_is_given_its_time_when_the_run_is_stopped(
    conductor: RunningConductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(conductor)
    conductor.stop()
    conductor.require_patience()
    monkeypatch.setattr(module, "LINGER", -1.0)
    with pytest.raises(StoppedError, match=STOPPED):
        conductor.require_patience()


def test_what_an_operator_stopped_stays_stopped_when_the_process_is_ended_at_once(
    conductor: RunningConductor,
) -> None:
    submit(conductor)
    conductor.stop()
    conductor.shut_down()
    with pytest.raises(StoppedError, match=STOPPED):
        conductor.require_going_on()


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (None, "finished", ""),
        (StoppedError(SHUT_DOWN), "stopped", SHUT_DOWN),
        (RoundError("round 2 has no update"), "failed", "round 2 has no update"),
        # Another program's message may quote a row.
        (ValueError("could not convert 4711.0815"), "failed", "ValueError, see its log"),
    ],
)
def test_how_a_run_ended_and_why_is_said(
    conductor: RunningConductor, error: Exception | None, state: str, reason: str
) -> None:
    submit(conductor)
    conductor.begun()
    conductor.ended(error)
    said = conductor.status()
    assert (said["state"], said["reason"]) == (state, reason)
    assert lines(conductor)[-1] == f"the run has {state}" + (f": {reason}" if reason else "")


@pytest.mark.parametrize("error", [None, RoundError("round 2 has no update")])
def test_whoever_sees_that_a_run_has_ended_can_read_how(
    conductor: RunningConductor, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    submit(conductor)
    conductor.begun()
    seen: list[tuple[str, list[str]]] = []

    def look(*_: object) -> None:
        seen.append((conductor.status()["state"], lines(conductor)))

    # While others are told of the end, and afterwards.
    monkeypatch.setattr(conductor.metrics_kept, "run_state", look)
    monkeypatch.setattr(module._log, "info", look)
    conductor.ended(error)
    look()
    assert len(seen) == 3
    told = [any(line.startswith("the run has") for line in said) for _, said in seen]
    assert told == [state != "running" for state, _ in seen]


def test_the_log_is_read_from_a_line_on_and_does_not_grow_for_ever(
    conductor: RunningConductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(module.LINES + 5):
        conductor.said(f"line {k}")
    said = conductor.logs(0)["lines"]
    assert len(said) == module.LINES
    assert [number for number, _ in said] == list(range(6, module.LINES + 6))
    assert lines(conductor, module.LINES + 3) == [f"line {module.LINES + 3}", f"line {module.LINES + 4}"]
    assert lines(conductor, module.LINES + 5) == []


def test_a_status_says_where_the_run_is_and_who_has_answered(conductor: RunningConductor) -> None:
    conductor.asked(1, 3)
    conductor.answered(LINES[0], Done())
    conductor.answered(LINES[1], Summed(Survivors(bytes(32), ())))
    conductor.measured(0, (Measurement(0, FEDERATION, "federation", "auc", 0.75),))
    conductor.round(1, 2.5)
    said = conductor.status()
    assert (said["round"], said["rounds"], said["seconds_per_round"]) == (1, 3, 2.5)
    assert (said["measured"], said["measured_round"]) == ({"auc": 0.75}, 0)
    # An exchange before the numbers are out is no answer yet, and nobody is online without a port.
    assert [seen["answered"] for seen in said["departments"].values()] == [True, False, False]
    assert not any(seen["online"] for seen in said["departments"].values())
    assert lines(conductor) == ["after round 0: auc 0.75", "round 1 of 3 took 2.50 s"]
    conductor.answered(LINES[1], Summed(MaskedInput(bytes(32), LINES[1], ())))
    assert conductor.status()["departments"][LINES[1]]["answered"]


def test_without_its_port_a_coordinator_is_not_healthy(conductor: RunningConductor) -> None:
    assert not conductor.healthy()
    assert b"lepton" in conductor.metrics()[0]


# ---------------------------------------------------------------- an earlier process


def test_what_an_earlier_process_left_is_known(kit: CoordinatorKit) -> None:
    assert (recorded(kit.state), rounds_done(kit.state), goes_on(kit.state)) == (("idle", ""), 0, False)
    recorder = Recorder.create(kit.state / RUN, kit.federation, None, 0)
    recorder.checkpoint.save(2, {}, {})
    recorder.store.close()
    recorder.folder.close()
    assert (recorded(kit.state), rounds_done(kit.state), goes_on(kit.state)) == (("running", ""), 2, True)
    conductor = RunningConductor(kit, LinkMetrics())
    assert (conductor.status()["state"], conductor.status()["round"]) == ("running", 2)


@pytest.mark.parametrize(
    ("error", "again"),
    [(StoppedError(SHUT_DOWN), True), (StoppedError(STOPPED), False), (RoundError("no update"), False), (None, False)],
)
def test_a_run_goes_on_by_itself_unless_somebody_or_something_ended_it(
    kit: CoordinatorKit, error: LeptonError | None, again: bool
) -> None:
    with pytest.raises(LeptonError) if error else _nothing():  # noqa: SIM117
        with Recorder.create(kit.state / RUN, kit.federation, None, 0) as recorder:
            if error is not None:
                raise error
            recorder.finish()
    assert goes_on(kit.state) is again


def _nothing() -> object:
    import contextlib

    return contextlib.nullcontext()


def test_a_folder_without_a_record_is_a_run_that_has_not_begun(kit: CoordinatorKit) -> None:
    (kit.state / RUN).mkdir()
    (kit.state / RUN / ".lock").touch()
    assert recorded(kit.state) == ("idle", "")
    # As a process that was killed at its very beginning leaves it, and the next one begins there.
    Recorder.create(kit.state / RUN, Federation.parse(kit.membership.file, kit.folder / "f"), None, 0).__exit__(
        None, None, None
    )
    assert recorded(kit.state) == ("running", "")
