"""Whatever is done to an account is written down with who did it, and only whoever administers it sees that."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from lepton_fed.errors import StorageError
from lepton_fed.portal.people import account_log, sessions
from lepton_fed.portal.people.account_log import EVENT
from lepton_fed.portal.people.by_command import Wanted, by_command
from lepton_fed.portal.web.app import application
from lepton_fed.storage.portal_account_tables import EVENTS
from tests.portal.browser import Browser
from tests.portal.world import PASSWORD, World

NEW = "a long 密码 of theirs"
Told = tuple[str, str, str, str, str]


def told(there: World, name: str) -> list[Told]:
    """What somebody is told, the oldest first."""
    with there.portal.reading(there.person(name)) as acting:
        found = account_log.events(acting)
    return [(one.kind, one.by, one.person, one.department, one.detail) for one in reversed(found)]


def test_each_change_on_a_page_is_written_down(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("admin")
    of = {"name": "new", "department": "研发部门", "role": "author", "password": NEW}
    assert browser.fill("/people", **of).status_code == 200
    number = there.person("new").id
    for path, fields in {
        f"/people/{number}/role": {"department": "研发部门", "role": "reviewer"},
        f"/people/{number}/password": {"password": NEW},
        f"/people/{number}/active": {"active": "false"},
    }.items():
        assert browser.fill(path, **fields).status_code == 200
    browser.fill(f"/people/{number}/active", active="true")
    browser.fill(f"/people/{number}/role", department="研发部门", role="")
    assert told(there, "admin") == [
        ("made", "admin", "new", "研发部门", ""),
        ("role", "admin", "new", "研发部门", "author"),
        ("role", "admin", "new", "研发部门", "reviewer"),
        ("password", "admin", "new", "", ""),
        ("closed", "admin", "new", "", ""),
        ("opened", "admin", "new", "", ""),
        ("no_role", "admin", "new", "研发部门", ""),
    ]
    for language, word in (("en", "role given: Reviewer"), ("zh", "授予角色: 审核人")):
        assert word.lower() in Browser.before(there.portal, language).sign_in("admin").get("/people/log").text.lower()


def test_what_is_refused_is_not_written_down(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("admin")
    assert browser.fill(f"/people/{there.person('shop').id}/active", active="false").status_code == 403
    assert browser.fill("/people", name="x", department="研发部门", password="short").status_code == 422
    assert told(there, "root") == []


def test_a_person_s_own_password_and_sessions_are_written_down(there: World) -> None:
    browser, other = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("author")
    with there.portal.database.reading() as connection:
        ids = [one.id for one in sessions.of(connection, there.person("author").id, there.clock.now)]
    browser.fill(f"/account/sessions/{max(ids)}/end")
    assert other.get("/account", follow_redirects=False).status_code == 303
    browser.fill("/account/password", current=PASSWORD, chosen=NEW)
    assert told(there, "admin") == [
        ("signed_out", "author", "author", "", ""),
        ("password", "author", "author", "", ""),
    ]


def test_an_administrator_is_told_of_their_department_and_nobody_else_of_anything(there: World) -> None:
    root = Browser.before(there.portal).sign_in("root")
    root.fill("/people/roles", name="shop", department="研发部门", role="reader")
    root.fill(f"/people/{there.person('supply').id}/active", active="false")
    assert [kind for kind, *_ in told(there, "root")] == ["role", "closed"]
    assert [kind for kind, *_ in told(there, "admin")] == ["role"], "their department's role"
    assert [kind for kind, *_ in told(there, "shop-admin")] == ["role"], "their person's"
    for name in ("reader", "reviewer", "shop"):
        assert Browser.before(there.portal).sign_in(name).get("/people/log").status_code == 403


def test_a_command_is_written_down_as_one_and_takes_back_an_operator(there: World) -> None:
    wanted = {"name": "root", "shown": "", "department": "新部门", "role": None, "password": ""}
    with there.portal.database.writing() as connection:
        by_command(connection, Wanted(**wanted, operator=False), there.clock.now)  # type: ignore[arg-type]
    assert not there.person("root").operator
    with there.portal.database.writing() as connection:
        by_command(connection, Wanted(**wanted, operator=True), there.clock.now)  # type: ignore[arg-type]
        by_command(connection, Wanted(**wanted, operator=True), there.clock.now)  # type: ignore[arg-type]
    kinds = [(kind, by) for kind, by, *_ in told(there, "root")]
    assert kinds == [("department", ""), ("no_operator", ""), ("operator", "")]


def test_the_document_says_all_that_an_event_by_nobody_can_mean(there: World) -> None:
    schemas = application(there.portal).openapi()["components"]["schemas"]
    said = schemas["AccountEventGiven"]["description"]
    assert "`by` is empty for a command and for the identity provider's word" in said


def test_no_event_is_changed_or_taken_away(either: World) -> None:
    with either.portal.database.writing() as connection:
        account_log.note(connection, either.clock.now, EVENTS[0], by=None, person=1)
    for change in (update(EVENT).values(detail="x"), delete(EVENT)):
        with pytest.raises(StorageError), either.portal.database.writing() as connection:
            connection.execute(change)
    with either.portal.database.reading() as connection:
        assert len(connection.execute(select(EVENT)).all()) == 1


def test_the_log_goes_page_by_page(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_log, "PAGE", 2)
    for _ in range(3):
        with there.portal.database.writing() as connection:
            account_log.note(connection, there.clock.now, "role", by=None, person=None, department="", detail="reader")
    browser = Browser.before(there.portal).sign_in("root")
    assert "/people/log?before=2" in browser.get("/people/log").text
    assert 'href="/people/log?before=' not in browser.get("/people/log?before=2").text
