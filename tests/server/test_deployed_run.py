"""A deployed run is killed at every kind of moment, its departments come and go, and it ends as if nothing had been."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lepton_fed.config import Federation
from lepton_fed.deploy.changes import add_department, revoke, rotate
from lepton_fed.errors import StoppedError
from lepton_fed.flower import doorbell, resident
from lepton_fed.secagg.ledger import Entries
from lepton_fed.storage import RunFolder
from lepton_fed.storage.ledger_file import LedgerFile
from server.conductor import journal_in, recorded
from server.patience import Patience
from tests.federations import COUPLINGS, FOUR, LINES, TARGET, quick, written
from tests.server.together import FIVE, Killing, Together, five, provisioned, same, together

pytestmark = [pytest.mark.flower, pytest.mark.long]

SECURE: dict[str, Any] = {
    "departments": [{"name": name} for name in FOUR],
    "graph": [],
    "sharing": [{"what": "updates", "from": list(FOUR), "to": ["*"]}],
    "weights": {"counts": [8, 24]},
    "aggregation": {},
}

CASES: dict[str, dict[str, Any]] = {
    "plain, with private parts and momentum": COUPLINGS["mr-mtl with private parts and local adam"],
    "plain clusters": COUPLINGS["soft clusters"],
    "secure": SECURE,
    "secure, with somebody who only measures": COUPLINGS["secure sums"],
    "sealed, with adam": {
        **SECURE,
        "aggregation": {"coordinator_sees": "nothing"},
        "server": {"optimiser": "adam", "learning_rate": 0.05},
    },
}

KILLS = 4
NEWCOMER = "仓库"


@pytest.fixture(params=CASES)
def federation(request: pytest.FixtureRequest, tmp_path: Path) -> Federation:
    return written(tmp_path / "file", quick(CASES[request.param], 2))


def ledgers(there: Together) -> dict[str, Entries]:
    """What departments have noted of secure sums, by name; none where sums are plain."""
    found = {}
    for name, one in there.residents.items():
        assert one.home is not None
        kit = one.home.kit
        if kit.ledger.exists():
            found[name] = LedgerFile(kit.ledger, kit.membership.roster.federation).read()
    return found


# ---------------------------------------------------------------- the coordinator is killed


def test_a_run_that_is_killed_again_and_again_ends_bit_for_bit_as_one_that_is_not(
    federation: Federation, tmp_path: Path
) -> None:
    kits = provisioned(tmp_path / "made", federation).coordinator.parent
    with together(tmp_path / "whole", federation, kits) as there:
        watcher = Killing()
        there.play(watcher)
        whole, measured = there.hubs(), there.history()
        released = {name: one.released for name, one in ledgers(there).items()}
    moments = random.Random(len(watcher.moments)).sample(range(1, len(watcher.moments)), KILLS)
    with together(tmp_path / "killed", federation, kits) as there:
        passed = 0
        for moment in sorted(moments):
            # Counted from the beginning of the round that is played again.
            there.killed(at=max(1, moment - passed))
            passed = moments_before(watcher, rounds_done(there))
        there.play()
        assert same(there.hubs(), whole)
        assert sorted(there.history(), key=repr) == sorted(measured, key=repr)
        assert {name: one.released for name, one in ledgers(there).items()} == released


def moments_before(watcher: Killing, done: int) -> int:
    """How many moments of an uninterrupted run belong to so many rounds."""
    return 0 if not done else watcher.moments.index(f"{done}: round over") + 1


def rounds_done(there: Together) -> int:
    return RunFolder.open(there.state / "run", writing=False).checkpoint().last_round()


@pytest.mark.parametrize("where", ["before the database", "after the database", "after the checkpoint"])
def test_a_kill_between_the_database_and_the_checkpoint_plays_the_round_again_with_nobody_training_twice(
    tmp_path: Path, where: str
) -> None:
    federation = written(tmp_path / "file", quick({}, 2))
    kits = provisioned(tmp_path / "made", federation).coordinator.parent
    with together(tmp_path / "whole", federation, kits) as there:
        there.play()
        whole, measured = there.hubs(), there.history()
    with together(tmp_path / "killed", federation, kits) as there:
        there.killed(at=2, where=where)
        again = Killing()
        there.play(again)
        assert same(there.hubs(), whole)
        assert there.history() == measured
        assert again.rounds == ([] if where == "after the checkpoint" else [2])


def test_measurements_of_a_round_that_is_played_again_are_there_once(tmp_path: Path) -> None:
    with together(tmp_path, written(tmp_path / "file", quick({}, 2))) as there:
        there.killed(at=2, where="after the database")
        there.play()
        found = [(one.round, one.department, one.part, one.metric) for one in there.history()]
    assert len(found) == len(set(found))
    assert {number for number, *_ in found} == {0, 1, 2}


def test_the_seconds_that_a_killed_coordinator_spent_are_part_of_the_run(tmp_path: Path) -> None:
    with together(tmp_path, written(tmp_path / "file", quick({}, 2))) as there:
        there.killed(at=1, where="2: round begins")
        saved = RunFolder.open(there.state / "run", writing=False).checkpoint().latest()
        assert saved is not None
        earlier = float(saved.meta["seconds"])  # type: ignore[arg-type]
        assert earlier > 0
        result = there.play()
        assert there.run is not None
        assert there.run.account.earlier == earlier
        assert result.seconds > earlier


def test_a_run_is_begun_again_where_it_was_killed_before_its_first_round(tmp_path: Path) -> None:
    with together(tmp_path, written(tmp_path / "file", quick({}, 1))) as there:
        there.killed(at=1)
        assert recorded(there.state) == ("running", "")
        there.play()
        assert recorded(there.state) == ("finished", "")


def test_departments_hear_at_once_that_their_coordinator_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a look for messages may wait at the door.
    monkeypatch.setattr(doorbell.Doorbell.__init__, "__defaults__", (1000.0,))
    patience = Patience(wait=15.0, grace=5.0)
    with together(tmp_path, written(tmp_path / "file", quick({}, 1)), patience=patience) as there:
        there.killed(at=2)
        watcher = Killing()
        there.play(watcher)
        assert watcher.rounds == [1]


# ---------------------------------------------------------------- departments are killed, too


@pytest.mark.parametrize("exchange", ["MaskedInput", "SurvivorSignature", "Reveal"])
def test_a_department_that_is_started_anew_with_the_coordinator_costs_the_round_that_department(
    tmp_path: Path, exchange: str
) -> None:
    with together(tmp_path, five(tmp_path / "file")) as there:
        there.killed(at=7, where=f"answer {exchange}")
        before = ledgers(there)
        there.end(FIVE[1])
        there.start(FIVE[1])
        watcher = Killing()
        there.play(watcher)
        assert watcher.rounds == [2, 3]
        assert any(line.startswith(FIVE[1]) for line in watcher.lines)
        after = ledgers(there)
        for name in FIVE:
            assert after[name].serial > before[name].serial
            assert after[name].burned[: len(before[name].burned)] == before[name].burned
            assert after[name].released[: len(before[name].released)] == before[name].released
        assert after[FIVE[1]].round == 4


def test_departments_that_are_started_anew_before_anybody_gave_numbers_are_in_the_same_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They do not stay for the sum under way, as if they were killed.
    monkeypatch.setattr(resident, "LINGER", 0.0)

    def anew() -> None:
        there.end(*FIVE[:3])
        for name in FIVE[:3]:
            there.start(name)

    def all_there() -> None:
        for name in FIVE[:3]:
            there.arrived(name)

    acts = at("answer Advertised", anew), at("2: round over", all_there)

    def before(moment: str) -> None:
        for act in acts:
            act(moment)

    with together(tmp_path, five(tmp_path / "file", rounds=2)) as there:
        watcher = Killing(before=before)
        there.play(watcher)
        assert watcher.rounds == [1, 2]
        assert not any(line.startswith(FIVE[:3]) for line in watcher.lines)
        assert {there.lasted(name) for name in FIVE} == {3}


def test_a_run_that_was_stopped_while_nobody_was_there_goes_on_when_all_are(tmp_path: Path) -> None:
    def enough() -> None:
        if not there.residents:
            raise StoppedError("enough")

    with together(tmp_path, written(tmp_path / "file", quick({}, 2))) as there:
        there.killed(at=1)
        there.end()
        with pytest.raises(StoppedError):
            there.play(between=enough)
        for name in (*LINES, TARGET):
            there.start(name)
        watcher = Killing()
        there.play(watcher)
        assert watcher.rounds == [1, 2]


# ---------------------------------------------------------------- members change


def at(moment: str, act: Any) -> Any:
    """Does it once, at the first moment of this name."""
    done: list[str] = []

    def before(passed: str) -> None:
        if passed == moment and not done:
            done.append(passed)
            act()

    return before


@pytest.mark.parametrize("sums", ["plain", "secure"])
def test_who_is_revoked_is_refused_within_one_round_and_the_others_finish(tmp_path: Path, sums: str) -> None:
    federation = five(tmp_path / "file", **({"aggregation": {"secure": False}} if sums == "plain" else {}))
    with together(tmp_path, federation) as there:
        watcher = Killing(before=at("1: round over", lambda: revoke(there.made.administrator, FIVE[3])))
        result = there.play(watcher)
        assert watcher.rounds == [1, 2, 3]
        assert there.lasted(FIVE[3]) == 1
        assert result.state.roster is not None
        assert FIVE[3] not in result.state.roster.names
        assert "the membership of serial 2 holds from now on" in watcher.lines


@pytest.mark.parametrize("where", ["answer SealedShares", "answer MaskedInput", "answer SurvivorSignature"])
def test_who_is_revoked_while_the_coordinator_is_down_in_a_round_costs_the_others_nothing(
    tmp_path: Path, where: str
) -> None:
    with together(tmp_path, five(tmp_path / "file")) as there:
        there.killed(at=7, where=where)
        revoke(there.made.administrator, FIVE[3])
        watcher = Killing()
        result = there.play(watcher)
        assert watcher.rounds == [2, 3]
        assert result.state.roster is not None
        assert FIVE[3] not in result.state.roster.names


@pytest.mark.parametrize("sums", ["plain", "secure"])
@pytest.mark.parametrize("down", [False, True], ids=["while it runs", "while the coordinator is down in a round"])
def test_who_is_added_takes_part_from_the_next_round_and_no_other_kit_is_touched(
    tmp_path: Path, sums: str, down: bool
) -> None:
    changes = {"aggregation": {"secure": False}} if sums == "plain" else {}
    federation, more = five(tmp_path / "file", **changes), five(tmp_path / "more", NEWCOMER, **changes)
    with together(tmp_path, federation) as there:
        others = {path: path.read_bytes() for path in outside_state(there)}

        def add() -> None:
            there.kits[NEWCOMER] = tmp_path / "kit of the newcomer"
            add_department(there.made.administrator, more, NEWCOMER, out=there.kits[NEWCOMER])
            there.federation = more
            there.start(NEWCOMER)

        if down:
            there.killed(at=7, where="answer Done" if sums == "plain" else "answer MaskedInput")
            add()
            there.play(Killing(before=at("2: round over", lambda: there.arrived(NEWCOMER))))
        else:
            there.play(Killing(before=at("1: round over", lambda: (add(), there.arrived(NEWCOMER)))))
        assert there.lasted(NEWCOMER) == 4
        assert {path: path.read_bytes() for path in others} == others
        if sums == "secure":
            assert ledgers(there)[NEWCOMER].released


def outside_state(there: Together) -> list[Path]:
    kits = (there.made.coordinator, *there.made.departments.values())
    return [path for kit in kits for path in kit.iterdir() if path.is_file()]


def test_nobody_joins_sealed_sums_under_way_and_the_run_goes_on_without(tmp_path: Path) -> None:
    sealed = {"aggregation": {"coordinator_sees": "nothing"}}
    federation, more = five(tmp_path / "file", **sealed), five(tmp_path / "more", NEWCOMER, **sealed)
    with together(tmp_path, federation) as there:
        add = lambda: add_department(there.made.administrator, more, NEWCOMER, out=tmp_path / "new")  # noqa: E731
        killed = there.killed(at=1, where="2: round over", before=at("1: round over", add))
        assert any("who was added takes no part" in line for line in killed.lines)
        watcher = Killing()
        there.play(watcher)
        assert watcher.rounds == [3]
        assert any("who was added takes no part" in line for line in watcher.lines)


def test_a_department_with_new_keys_takes_part_from_the_next_round(tmp_path: Path) -> None:
    with together(tmp_path, five(tmp_path / "file")) as there:

        def rotated() -> None:
            there.kits[FIVE[2]] = tmp_path / "new kit"
            rotate(there.made.administrator, FIVE[2], out=there.kits[FIVE[2]])
            there.end(FIVE[2])
            there.start(FIVE[2])

        watcher = Killing(before=at("1: round over", lambda: (rotated(), there.arrived(FIVE[2]))))
        there.play(watcher)
        assert watcher.rounds == [1, 2, 3]
        assert not [line for line in watcher.lines if line.startswith(f"{FIVE[2]} took no part")]
        assert ledgers(there)[FIVE[2]].round == 4


@pytest.mark.parametrize("where", ["1: round over", "answer MaskedInput"])
def test_a_renewed_coordinator_goes_on_bit_for_bit_where_the_old_one_was(tmp_path: Path, where: str) -> None:
    federation = written(tmp_path / "file", quick(SECURE, 2))
    kits = provisioned(tmp_path / "made", federation).coordinator.parent
    with together(tmp_path / "whole", federation, kits) as there:
        there.play()
        whole = there.hubs()
    with together(tmp_path / "renewed", federation, kits) as there:
        there.killed(at=1 if where.startswith("1") else 6, where=where)
        there.renew(tmp_path / "renewed" / "kits" / "coordinator-2")
        there.play()
        assert same(there.hubs(), whole)


# ---------------------------------------------------------------- what is left


def test_nothing_that_could_be_read_of_updates_is_in_the_journal(tmp_path: Path) -> None:
    with together(tmp_path, written(tmp_path / "file", quick({}, 2))) as there:
        there.killed(at=1, where="2: round begins")
        there.killed(at=1, where="before the database")
        journal = journal_in(there.state)
        assert [sorted(one.answered) for one in journal.known.exchanges] == [sorted((*LINES, TARGET))]
        assert [one.said for one in journal.known.exchanges] == [{}]
