"""What a person sees: a live line on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.progress import Live, Plain, Progress, Quiet, clock, progress, summary


def measured(number: int, auc: float = 0.75) -> tuple[Measurement, ...]:
    return (
        Measurement(number, "北院", "test", "auc", 0.1),
        Measurement(number, FEDERATION, "federation", "auc", auc),
        Measurement(number, FEDERATION, "federation", "joint_loss", 0.125),
    )


def played(shown: Progress, rounds: int, *, done: int = 0) -> None:
    with shown:
        shown.begin(done, rounds)
        for number in range(done + 1, rounds + 1):
            shown.asked(number, 2)
            shown.answered("北院")
            shown.measured(number - 1, measured(number - 1))
            shown.answered("南院")
        shown.measured(rounds, measured(rounds))
        shown.phase("training 北院 alone, to compare")


def plain(rounds: int, *, done: int = 0) -> list[str]:
    out = io.StringIO()
    played(Plain("auc", out), rounds, done=done)
    return out.getvalue().splitlines()


def test_plain_lines_say_round_metric_and_joint_loss() -> None:
    lines = plain(2)
    assert lines == [f"round {n}/2  auc 0.75  joint loss 0.125" for n in range(3)] + ["training 北院 alone, to compare"]


@pytest.mark.parametrize("rounds", [1, 19, 20, 21, 80, 1000])
def test_plain_lines_are_few_however_many_rounds_and_the_last_round_is_among_them(rounds: int) -> None:
    lines = plain(rounds)
    assert len(lines) <= 2 * Plain.LINES + 2
    assert lines[-2].startswith(f"round {rounds}/{rounds} ")


def test_plain_lines_say_where_a_resumed_run_goes_on() -> None:
    assert plain(5, done=3)[0] == "going on after round 3"


def test_a_round_in_which_nothing_was_measured_is_no_line() -> None:
    out = io.StringIO()
    shown = Plain("auc", out)
    shown.begin(0, 2)
    shown.measured(1, ())
    assert out.getvalue() == ""


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    played(Quiet(), 3)
    assert capsys.readouterr() == ("", "")


def test_the_live_line_shows_round_metric_and_who_is_at_work() -> None:
    out = io.StringIO()
    live = Live("auc", Console(file=out, force_terminal=True, width=160, color_system=None))
    with live:
        live.begin(0, 4)
        live.asked(4, 2)
        live.measured(3, measured(3))
    last = out.getvalue().splitlines()[-2:]
    assert any("3/4" in line and "2 at work" in line and "auc 0.75  joint loss 0.125" in line for line in last)


def test_the_live_line_ends_with_all_rounds_and_the_phase_after_them() -> None:
    out = io.StringIO()
    played(Live("auc", Console(file=out, force_terminal=True, width=160, color_system=None)), 4)
    last = out.getvalue().splitlines()[-2:]
    assert any("4/4" in line and "training 北院 alone, to compare" in line for line in last)


def test_the_live_line_counts_down_who_is_at_work_and_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("lepton_fed.progress.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    live = Live("auc", Console(file=io.StringIO(), force_terminal=True, width=160))
    live.begin(0, 10)
    live.asked(1, 2)
    assert fields(live)["at_work"] == "2 at work"
    assert fields(live)["left"] == ""
    live.answered("北院")
    assert fields(live)["at_work"] == "1 at work"
    live.answered("南院")
    assert fields(live)["at_work"] == "adding up"
    seconds[0] += 9.0
    live.asked(2, 2)
    # One round took 9 seconds and nine are left.
    assert fields(live)["left"] == "1:21 left"


def fields(live: Live) -> dict[str, object]:
    return live.bar.tasks[0].fields


def test_the_live_line_of_a_resumed_run_begins_where_it_goes_on() -> None:
    live = Live("auc", Console(file=io.StringIO(), force_terminal=True))
    live.begin(7, 10)
    assert (live.bar.tasks[0].completed, live.bar.tasks[0].total) == (7, 10)
    live.asked(8, 2)
    assert fields(live)["left"] == ""


def test_a_terminal_gets_the_live_line_and_anything_else_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress("auc"), Live)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress("auc"), Plain)


def test_the_summary_is_of_the_federation_and_of_what_was_measured() -> None:
    assert summary(measured(1), "auc") == "auc 0.75  joint loss 0.125"
    assert summary(measured(1)[:2], "auc") == "auc 0.75"
    assert summary((), "auc") == ""
    long = (Measurement(1, FEDERATION, "federation", "average_precision", 0.123456),)
    assert summary(long, "average_precision") == "average precision 0.1235"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3600, "60:00")])
def test_the_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
