"""The journal of a round: killed after any byte, what is read of it is what had been written whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_fed.errors import StorageError
from lepton_fed.storage import ExchangeJournal
from lepton_fed.storage.exchange_journal import Played
from tests.thoroughness import at_most

Step = tuple[str, object]

NAMES = st.lists(st.sampled_from(("生产车间-一", "研发部门", 'a "quoted"\nname', "A")), unique=True)
SAID = st.dictionaries(st.sampled_from(("生产车间-一", "A")), st.binary(max_size=40), max_size=2)
EXCHANGE = st.tuples(st.just("over"), st.tuples(NAMES, SAID))
STEPS = st.lists(st.one_of(EXCHANGE, EXCHANGE, st.tuples(st.sampled_from(("gives", "undo")), st.none())), max_size=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exchanges.jsonl"


def begun(path: Path, round: int = 7, membership: str = "a0", attempt: int = 2) -> ExchangeJournal:
    journal = ExchangeJournal(path)
    journal.begin(round)
    journal.head(membership, {"生产车间-一": "9f"}, attempt)
    return journal


def take(journal: ExchangeJournal, step: Step) -> None:
    match step:
        case ("over", (list(names), dict(said))):
            journal.over(names, said)
        case ("gives", _):
            journal.gives()
        case _:
            journal.undo()
            for exchange in list(journal.known.exchanges):
                journal.over(exchange.answered)


def played(journal: ExchangeJournal, round: int = 7) -> list[tuple[frozenset[str], dict[str, bytes]]]:
    """Who is asked in each exchange that is played again, and what was said in it."""
    journal.begin(round)
    found = []
    while (due := journal.due()) is not None:
        found.append((due, journal.said()))
        journal.over([])
    return found


def test_a_new_journal_knows_nothing(path: Path) -> None:
    journal = ExchangeJournal(path)
    assert journal.known == Played()
    assert (journal.due(), journal.said(), journal.replaying) == (None, {}, False)
    assert not path.exists()


def test_a_round_is_played_again_as_it_was(path: Path) -> None:
    journal = begun(path)
    journal.over(["A", "研发部门"])
    journal.gives()
    journal.over(["A"], {"A": b"\x00masked"})
    again = ExchangeJournal(path)
    assert again.known.head == {"round": 7, "attempt": 2, "membership": "a0", "sessions": {"生产车间-一": "9f"}}
    assert again.known.given
    assert played(again) == [(frozenset({"A", "研发部门"}), {}), (frozenset({"A"}), {"A": b"\x00masked"})]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_played_again_is_not_written_again(path: Path) -> None:
    begun(path).over(["A"])
    before = path.read_bytes()
    again = ExchangeJournal(path)
    again.begin(7)
    again.over([])
    assert path.read_bytes() == before
    assert not again.replaying


def test_another_round_begins_with_nothing(path: Path) -> None:
    journal = begun(path)
    journal.gives()
    journal.over(["A"])
    again = ExchangeJournal(path)
    again.begin(8)
    assert again.known == Played(8)
    assert not again.replaying


def test_further_attempts_forget_the_exchanges_before_them(path: Path) -> None:
    journal = begun(path)
    journal.over(["A"])
    journal.head("b1", {}, 4)
    assert ExchangeJournal(path).known == Played(7, 4, "b1")


def test_an_exchange_that_came_to_nothing_is_undone_and_the_others_stay(path: Path) -> None:
    journal = begun(path)
    journal.over(["A", "研发部门"])
    journal.gives()
    journal.over([])
    journal.undo()
    again = ExchangeJournal(path)
    assert again.known.given
    assert played(again) == [(frozenset({"A", "研发部门"}), {})]


def test_one_exchange_undone_may_be_none(path: Path) -> None:
    journal = begun(path)
    journal.undo()
    assert ExchangeJournal(path).known.exchanges == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=at_most(60))
@given(steps=STEPS, last=EXCHANGE, data=st.data())
def test_killed_after_any_byte_what_was_written_whole_counts(
    path: Path, steps: list[Step], last: Step, data: st.DataObject
) -> None:
    path.unlink(missing_ok=True)
    journal = begun(path)
    for step in steps:
        take(journal, step)
    before, expected = path.read_bytes(), ExchangeJournal(path)
    take(journal, last)
    after = path.read_bytes()
    assert after.startswith(before)
    cut = data.draw(st.integers(len(before), len(after) - 1))
    path.write_bytes(after[:cut])
    found = ExchangeJournal(path)
    assert found.known == expected.known
    # What comes next takes the place of the half line, and nothing is lost at the next kill.
    played(found)
    take(found, last)
    assert path.read_bytes() == after


def test_killed_after_each_byte_of_a_line_the_next_line_takes_its_place(path: Path) -> None:
    journal = begun(path)
    journal.over(["A"])
    before = path.read_bytes()
    journal.over(["A", "研发部门"], {"A": b"a long answer"})
    after = path.read_bytes()
    for cut in range(len(before), len(after)):
        path.write_bytes(after[:cut])
        found = ExchangeJournal(path)
        assert played(found) == [(frozenset({"A"}), {})]
        found.gives()
        assert path.read_bytes() == before + b'{"given": true}\n'


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=at_most(40))
@given(content=st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_and_can_be_begun_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    journal = begun(path)
    journal.over(["A"])
    assert played(ExchangeJournal(path)) == [(frozenset({"A"}), {})]


@pytest.mark.parametrize("line", ["[]", "7", '{"round": "7"}', '{"answered": "A"}', '{"given": false}', "{"])
def test_a_line_that_is_none_of_ours_ends_what_counts(path: Path, line: str) -> None:
    journal = begun(path)
    journal.over(["A"])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + '\n{"answered": ["B"], "said": {}}\n')
    assert played(ExchangeJournal(path)) == [(frozenset({"A"}), {})]


def test_a_journal_that_cannot_be_read_or_written_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match=path.name):
        ExchangeJournal(path)
    path.rmdir()
    journal = begun(path)
    path.unlink()
    path.symlink_to("elsewhere")
    with pytest.raises(StorageError, match=path.name):
        journal.over(["A"])
    assert not path.with_name("elsewhere").exists()


def test_half_of_a_head_never_takes_the_place_of_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begun(path)
    journal.over(["A"])
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StorageError):
        journal.head("b1", {}, 4)
    assert played(ExchangeJournal(path)) == [(frozenset({"A"}), {})]
