"""A privacy budget is enforced where the rows are: in every run, across runs, before numbers leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lepton_fed.errors import RoundError
from lepton_fed.first_hubs import first_hub
from lepton_fed.ledgers import balances
from lepton_fed.messages import Declare, Evaluate, Refused, Work
from lepton_fed.privacy import Booked
from lepton_fed.secagg import client
from lepton_fed.simulation import simulate
from lepton_fed.storage.privacy_file import PrivacyFile
from tests.federations import FOUR, SECURE, quick, write_own, written
from tests.statistics.test_counted import Counted, asking

NOISE = {"aggregation": {"noise": {"norm": 1.0, "multiplier": 8.0}}, "weights": {"alpha": "uniform"}}


def budgeted(folder: Path, budget: float, rounds: int, changes: dict[str, Any]) -> Path:
    """A secure federation in which the first line keeps a budget; returns the federation file."""
    path = written(folder, quick({**SECURE, **changes}, rounds)).path
    write_own(path, FOUR[0], {"path": f"{FOUR[0]}.csv"}, privacy={"budget": budget, "ledger": "../ledger.sqlite"})
    return path


def spent(folder: Path) -> list[int]:
    """Rounds that were paid for."""
    return [line.booking.round for line in PrivacyFile(folder / "ledger.sqlite").lines()]


def test_every_round_is_paid_for_once_and_the_ledger_command_says_so(tmp_path: Path) -> None:
    path = budgeted(tmp_path, 50.0, 3, NOISE)
    simulate(path)
    assert spent(tmp_path) == [1, 2, 3]
    (balance,) = balances(path)
    assert (balance.department, balance.data_set, balance.releases) == (FOUR[0], FOUR[0], 3)
    assert 0 < balance.spent < balance.budget == 50.0


def test_the_budget_is_one_over_all_runs_and_a_run_ends_where_it_is_spent(tmp_path: Path) -> None:
    path = budgeted(tmp_path, 50.0, 2, NOISE)
    simulate(path)
    (balance,) = balances(path)
    write_own(
        path, FOUR[0], {"path": f"{FOUR[0]}.csv"},
        privacy={"budget": balance.spent * 1.05, "ledger": "../ledger.sqlite"},
    )  # fmt: skip
    with pytest.raises(RoundError, match=rf"{FOUR[0]}: its privacy budget is spent"):
        # Of four, three could go on by themselves, were they enough to hide in.
        simulate(written_again(path))
    assert spent(tmp_path) == [1, 2]


def written_again(path: Path) -> Path:
    """The same file with a crowd of three others, so that nobody may be missing."""
    text = path.read_text(encoding="utf-8").replace(
        "[aggregation.noise]", "[aggregation]\ncrowd = 3\n[aggregation.noise]"
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_without_noise_is_refused_by_a_department_with_a_budget(tmp_path: Path) -> None:
    path = budgeted(tmp_path, 50.0, 1, {"weights": {"alpha": "uniform"}})
    result = simulate(path, out=tmp_path / "run")
    assert result.state.round == 1  # The others are enough to hide among one another.
    assert "numbers without noise cost an infinite epsilon" in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert spent(tmp_path) == []


def test_plain_sums_declared_hubs_and_measured_models_are_refused_by_a_department_with_a_budget(tmp_path: Path) -> None:
    department = Counted(tmp_path, asking(), privacy={"budget": 8.0}).departments[FOUR[0]]
    department.secure = False  # As in a federation whose file says so.
    hubs = dict.fromkeys(department.plans, first_hub(department.settings, department.bench.model).state)
    work = Work(1, hubs, tuple(department.may_write), False, department.fingerprint)
    measured = Evaluate(hubs, FOUR[1], "test", department.fingerprint)
    for message in (work, Declare(1, hubs, department.fingerprint), measured):
        reply = department.handle(message)
        assert isinstance(reply, Refused)
        assert "numbers without noise cost an infinite epsilon" in reply.reason
    assert department.last_round == 0


def test_what_is_paid_for_is_booked_before_it_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = budgeted(tmp_path, 50.0, 1, NOISE)
    seen: list[list[int]] = []
    mask = client.Shared.mask

    def killed(self: client.Shared, party: Any, *arguments: Any, **named: Any) -> Any:
        if party.name == FOUR[0]:
            seen.append(spent(tmp_path))
            raise KeyboardInterrupt
        return mask(self, party, *arguments, **named)

    monkeypatch.setattr(client.Shared, "mask", killed)
    with pytest.raises(KeyboardInterrupt):
        simulate(path)
    assert seen == [[1]]


def test_who_keeps_a_log_is_told_of_each_booking(tmp_path: Path) -> None:
    asked = {"noise": {"norm": 40.0, "multiplier": 4.0}}
    ours = Counted(tmp_path, asking(asked, **NOISE), privacy={"budget": 8.0})
    heard: list[Booked] = []
    purse = ours.departments[FOUR[0]].purse
    assert purse is not None
    object.__setattr__(purse, "booked", heard.append)
    ours.count()
    (one,) = heard
    assert (one.before, one.after, one.data_set) == (0.0, purse.spent, FOUR[0])
