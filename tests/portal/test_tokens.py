"""How far a token reaches: one that reads changes nothing by any call, and none lets whoever has it stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.routing import Mount

from lepton_fed.portal.entries.tables import ENTRY, USE
from lepton_fed.portal.people import accounts, tokens
from lepton_fed.portal.people.limits import Limit
from lepton_fed.portal.people.tokens import EVERYTHING, READ
from lepton_fed.portal.web.app import application
from lepton_fed.portal.wording import wording
from lepton_fed.storage.models import Base
from lepton_fed.storage.portal_people_tables import REACHES
from tests.portal.browser import Browser, Unlimited
from tests.portal.pictures import picture
from tests.portal.test_attachments import add, on_disk, save
from tests.portal.test_courses import begun, enrolled, scheduled, seated
from tests.portal.test_every_field import SENSIBLE, of
from tests.portal.test_security import PUBLIC, routes
from tests.portal.world import World

TABLES = [table for table in Base.metadata.sorted_tables if table.name.startswith("portal_")]

ASKED = {
    "differences": {"older": "1", "newer": "1"},
    "references": {"kind": "run", "target": "x"},
    "explain": {"who": "研发部门", "verb": "read", "what": "updates"},
    "knowledge": {"q": "x"},
    "entity": {"id": "x"},
}
"""What calls that read must be asked, by the end of their path."""

SENT: dict[str, Any] = SENSIBLE | {"base": 1, "revision": 1, "active": True, "role": "author", "audience": "everyone"}


def token(there: World, name: str, reach: str) -> dict[str, str]:
    """What a call with a new token of somebody's brings."""
    person, now = there.person(name).id, there.clock.now
    with there.portal.database.writing() as connection:
        return {"Authorization": f"Bearer {tokens.make(connection, person, 't', 9, now, reach=reach)}"}


def kept(there: World) -> dict[str, list[str]]:
    """All that the portal holds, but for what is counted of reading."""
    there.portal.afterwards.done()
    wanted = {table.name: select(table) for table in TABLES}
    wanted[USE.name] = select(USE).where(USE.c.helped.is_not(None))
    wanted[ENTRY.name] = select(*(column for column in ENTRY.c if column.name != "opened"))
    with there.portal.database.reading() as connection:
        found = {name: sorted(map(str, connection.execute(one))) for name, one in wanted.items()}
    return {**found, "files": [path.name for path in on_disk(there)]}


@pytest.fixture
def full(there: World) -> World:
    """A portal with something of everything, in which `admin` may do nearly all, as often as they like."""
    number = there.publish("题", audience="everyone")
    save(there, number, add(there, number, picture("PNG")).id)
    course = begun(there, number)
    session = scheduled(there, course)
    enrolled(there, course, "shop")
    seated(there, course, session, "shop")
    Browser.before(there.portal).sign_in("shop").fill(f"/entries/{number}/reports", text="有误")
    with there.portal.database.writing() as connection:
        accounts.set_operator(connection, there.person("admin").id, True)
    Browser.before(there.portal).app.state.limits = Unlimited()  # type: ignore[attr-defined]
    return there


def calls(there: World) -> Iterator[tuple[str, APIRoute]]:
    """Every method of every call."""
    for route in application(there.portal).routes:
        if not isinstance(route, Mount):
            yield from ((method, one) for one in of(route) for method in one.methods if one.path.startswith("/api"))


def at(path: str, there: World) -> str:
    """Where the first of everything is; of people, `admin` themselves."""
    own = str(there.person("admin").id) if "/people/" in path else "1"
    return re.sub(r"\{\w+\}", "1", path.replace("{number}", own).replace("{department}", "研发部门"))


def body(route: APIRoute) -> dict[str, Any]:
    """What a call takes, filled with what makes sense, as far as there is some."""
    shapes: list[Any] = [one.field_info.annotation for one in route.dependant.body_params]
    return {name: SENT[name] for shape in shapes for name in shape.model_fields if name in SENT}


def test_a_token_that_reads_reaches_no_route_that_changes_something(full: World) -> None:
    bearer, before, tried = token(full, "admin", READ), kept(full), 0
    browser = Browser.before(full.portal)
    for method, route in calls(full):
        if method not in ("GET", "HEAD"):
            for sent in (body(route), {}, None):
                answer = browser.request(method, at(route.path, full), json=sent, headers=bearer)
                said = (answer.status_code, answer.json()["error"])
                assert said == (403, "token_reads"), (method, route.path, sent, answer.text)
            tried += 1
    assert tried > 30
    for method, path in set(routes(full)) - PUBLIC:
        if method != "GET" and not path.startswith("/api"):
            answer = browser.request(method, at(path, full), headers=bearer, follow_redirects=False)
            assert answer.status_code == (303 if path == "/sign-out" else 401), (method, path)
    assert kept(full) == before


def test_no_other_method_is_a_way_around(there: World) -> None:
    bearer, browser = token(there, "admin", READ), Browser.before(there.portal)
    browser.app.state.limits = Unlimited()  # type: ignore[attr-defined]
    known = {(method, route.path) for method, route in calls(there)}
    for path in {path for _, path in known}:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MOVE"):
            answer = browser.request(method, at(path, there), headers=bearer)
            assert answer.status_code == (403 if (method, path) in known else 405), (method, path)


def test_all_that_a_token_which_reads_leaves_behind_is_what_was_read(full: World) -> None:
    bearer, answered = token(full, "admin", READ), []
    before = kept(full)
    for method, route in calls(full):
        if method == "GET":
            asked = ASKED.get(route.path.rpartition("/")[2])
            answer = Browser.before(full.portal).get(at(route.path, full), params=asked, headers=bearer)
            # There is no federation, no graph and no identity provider here.
            assert answer.status_code in (200, 404), (route.path, answer.text)
            answered += [route.path] * (answer.status_code == 200)
    assert len(answered) > 25
    assert kept(full) == before


def test_no_token_lets_whoever_has_it_stay(full: World) -> None:
    bearer, browser = token(full, "admin", EVERYTHING), Browser.before(full.portal)
    before, done = ways_in(full), 0
    # The last ends the token of these calls.
    for method, route in sorted(calls(full), key=lambda one: "/account/tokens" in one[1].path):
        if method != "GET":
            answer = browser.request(method, at(route.path, full), json=body(route), headers=bearer)
            assert answer.status_code < 500, (method, route.path, answer.text)
            done += answer.status_code < 300
        assert ways_in(full) <= before, (method, route.path)
    assert done > 10


def ways_in(there: World) -> set[str]:
    """By what somebody comes in as `admin`: tokens, sessions, identities, the password."""
    own = there.person("admin").id
    tables = [one for one in TABLES if one.name in ("portal_token", "portal_session", "portal_identity")]
    with there.portal.database.reading() as connection:
        found = {str(row) for one in tables for row in connection.execute(select(one).where(one.c.person == own))}
        return found | {accounts.kept_password(connection, own)}


@pytest.mark.parametrize("reach", REACHES)
def test_no_token_makes_another_one(there: World, reach: str) -> None:
    bearer, before = token(there, "author", reach), kept(there)
    browser, form = Browser.before(there.portal), {"name": "t", "days": "9", "reach": EVERYTHING}
    for path, status in (("/api/account/tokens", 405), ("/account/tokens", 401), ("/account/password", 401)):
        answer = browser.post(path, data=form, headers=bearer, follow_redirects=False)
        assert answer.status_code == status, path
    assert kept(there) == before


def test_what_is_refused_to_a_token_that_reads_uses_up_no_changes_of_its_owner(there: World) -> None:
    reads, writes = token(there, "author", READ), token(there, "author", EVERYTHING)
    browser = Browser.before(there.portal)
    browser.app.state.limits.changing = Limit(1, 60.0)  # type: ignore[attr-defined]
    chosen = {"language": "zh"}
    for _ in range(3):
        assert browser.put("/api/account/language", json=chosen, headers=reads).status_code == 403
    assert browser.put("/api/account/language", json=chosen, headers=writes).status_code == 204
    assert browser.put("/api/account/language", json=chosen, headers=writes).status_code == 429


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_owner_chooses_how_far_a_token_reaches_and_sees_it(there: World, language: str) -> None:
    browser, said = Browser.before(there.portal, language).sign_in("author"), wording(language)
    assert f'<option value="{READ}">{said("reach.read")}</option>' in browser.get("/account").text
    for name, chosen in {"default": {}, "least": {"reach": READ}, "most": {"reach": EVERYTHING}}.items():
        reach = chosen.get("reach", READ)
        made = browser.fill("/account/tokens", name=name, **chosen).text
        assert f'{name} <span class="badge">{said(f"reach.{reach}")}</span>' in made
        found = re.search(r"lfp_[\w-]{43}", made)
        assert found is not None
        bearer = {"Authorization": f"Bearer {found[0]}"}
        assert browser.get("/api/account/tokens", headers=bearer).json()[-1]["reach"] == reach
        answer = browser.put("/api/account/language", json={"language": language}, headers=bearer)
        assert answer.status_code == (204 if reach == EVERYTHING else 403)


@pytest.mark.parametrize("reach", ["write", "EVERYTHING", "read,everything", "\x00"])
def test_a_reach_that_there_is_none_of_makes_no_token(there: World, reach: str) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    before = kept(there)
    answer = browser.fill("/account/tokens", name="t", reach=reach)
    assert answer.status_code == 422
    assert "what a token may is one of read, everything" in answer.text
    assert kept(there) == before
