"""Two at once: whoever comes second is told so or gets what the first made, and nobody that the database is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, select, text

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.afterwards import Afterwards
from lepton_fed.portal.entries import reading, references, writing
from lepton_fed.portal.entries.references import Reference
from lepton_fed.portal.entries.tables import USE
from lepton_fed.portal.errors import Conflict
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.departments import add_department, departments
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]

OVERTAKEN = 0.5
"""Seconds that the first takes; the second begins meanwhile."""


def both(there: World, change: Callable[[Connection], object]) -> BaseException | None:
    """The same change in two transactions, of which the second begins before the first ends; what the second met."""
    met: list[BaseException | None] = [None]
    begun = threading.Event()

    def second() -> None:
        begun.wait()
        try:
            with there.portal.database.writing() as connection:
                change(connection)
        except Exception as error:  # handed to the test
            met[0] = error

    thread = threading.Thread(target=second)
    thread.start()
    with there.portal.database.writing() as connection:
        change(connection)
        begun.set()
        thread.join(OVERTAKEN)
        assert thread.is_alive(), "the second waits for the first"
    thread.join()
    return met[0]


def test_of_two_new_departments_of_one_name_there_is_one(either: World) -> None:
    assert both(either, lambda c: add_department(c, "新部门", either.clock.now)) is None
    with either.portal.database.reading() as connection:
        assert departments(connection).count("新部门") == 1


def test_of_two_new_accounts_of_one_name_the_second_is_told_so(either: World) -> None:
    of = {"name": "twin", "shown": "", "department": "研发部门", "password": "", "now": either.clock.now}
    assert isinstance(both(either, lambda c: accounts.add_person(c, **of)), Conflict)  # type: ignore[arg-type]


def test_of_two_who_give_a_role_the_second_has_the_last_word(either: World) -> None:
    roles = iter(["author", "reviewer"])
    number = either.person("shop").id
    assert both(either, lambda c: accounts.set_role(c, number, "研发部门", next(roles))) is None
    assert either.person("shop").roles["研发部门"] == "reviewer"


def test_many_who_write_at_once_all_do(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a slow disk each of the threads waits for all the others before it has its turn.
    monkeypatch.setattr(there.portal.database, "_patience", 120.0)
    made: list[int] = []

    def write(k: int) -> None:
        made.append(there.write(f"题 {k}"))

    threads = [threading.Thread(target=write, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12


@pytest.mark.parametrize("by_call", [False, True])
def test_others_write_while_the_text_is_read_that_is_published(
    there: World, monkeypatch: pytest.MonkeyPatch, call: Call, by_call: bool
) -> None:
    number, read, others = there.write("题", "见 [[run:ab]]"), writing.tokens, []
    there.send(number, "author", "submit")

    def meanwhile(text: str) -> object:
        others.append(there.write("另一题"))
        return read(text)

    monkeypatch.setattr(writing, "tokens", meanwhile)
    sent = {"move": "publish", "revision": 1}
    if by_call:
        assert call("reviewer", "POST", f"/entries/{number}/moves", json=sent).status_code == 200
    else:
        reviewer = Browser.before(there.portal).sign_in("reviewer")
        assert reviewer.fill(f"/entries/{number}/move", **sent).status_code == 200
    assert len(others) == 1
    with there.acting("author") as acting:
        assert [one.entry for one in references.about(acting, [Reference("run", "ab")])] == [number]


@pytest.fixture
def afterwards(either: World) -> Iterator[Afterwards]:
    with closing(Afterwards(either.portal.database, gathering=60.0)) as made:
        yield made


def test_what_nobody_waits_for_is_made_in_its_order_and_one_that_fails_costs_no_other(
    either: World, afterwards: Afterwards
) -> None:
    number = either.publish("题", audience="everyone")

    def note(name: str) -> None:
        person = either.person(name)

        def change(connection: Connection) -> None:
            portal = either.portal
            acting = Acting(connection, person, either.clock.now, portal.rights, portal.words, portal.files)
            reading.note_opening(acting, number)

        afterwards.do(change)

    note("shop")
    afterwards.do(lambda connection: connection.execute(text("SELECT nothing FROM nowhere")))
    note("reader")
    note("shop")
    with either.portal.database.reading() as connection:
        assert connection.execute(select(USE)).first() is None, "nobody waited"
    afterwards.done()
    with either.portal.database.reading() as connection:
        assert len(connection.execute(select(USE.c.person)).all()) == 2


def test_closing_a_portal_writes_down_who_read_what(there: World) -> None:
    number = there.publish("题", audience="everyone")
    Browser.before(there.portal).sign_in("shop").get(f"/entries/{number}")
    there.portal.afterwards.close()
    with there.portal.database.reading() as connection:
        assert connection.execute(select(USE.c.entry)).scalars().all() == [number]
