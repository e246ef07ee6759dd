"""Every route with what does harm in each of its fields, with tokens that are no good, and as another department."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import func, select
from starlette.routing import Mount

from lepton_fed.portal.people import accounts, tokens
from lepton_fed.portal.people.tokens import EVERYTHING
from lepton_fed.portal.web.app import application
from lepton_fed.portal.web.guard import LARGEST, LARGEST_TEXT
from tests.portal.browser import Browser, Unlimited
from tests.portal.test_security import filled, private
from tests.portal.world import World

SCRIPT = '"><script>alert(1)</script>'
HARM = ("'); DROP TABLE portal_person; --", '" OR ""="', SCRIPT, "../../../etc/passwd", "\x00", "{{7*7}}", "%s%n", "-1")
SENSIBLE = {
    "kind": "note",
    "department": "研发部门",
    "title": "题",
    "body": "正文",
    "audience": "everyone",
    "base": "1",
    "revision": "1",
    "move": "submit",
    "verdict": "fixed",
    "reason": "理由",
    "older": "1",
    "newer": "1",
    "name": "shop",
    "role": "reader",
    "days": "30",
    "language": "zh",
    "text": "好",
    "password": "a long 密码 of theirs",
    "page": "1",
    "quarter": "2026-4",
}
"""What a field holds while another one holds harm; nothing for those that may be left out."""


def of(route: object) -> Iterator[APIRoute]:
    if isinstance(route, APIRoute):
        yield route
    else:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        for one in inner or ():
            yield from of(one)


def pages(there: World) -> list[APIRoute]:
    found = [route for one in application(there.portal).routes if not isinstance(one, Mount) for route in of(one)]
    return [route for route in found if not route.path.startswith("/api")]


def fields(route: APIRoute, kind: str) -> set[str]:
    """The names of what a route takes, by itself or by what it depends on."""
    found, waiting = set[str](), [route.dependant]
    while waiting:
        one = waiting.pop()
        found |= {param.alias for param in getattr(one, kind)}
        waiting += one.dependencies
    return found - {"form_token"}


@pytest.fixture
def eager(there: World) -> Browser:
    """Somebody who may do nearly everything, as often as they like."""
    with there.portal.database.writing() as connection:
        accounts.set_operator(connection, there.person("admin").id, True)
    browser = Browser.before(there.portal)
    browser.app.state.limits = Unlimited()  # type: ignore[attr-defined]
    return browser.sign_in("admin")


@pytest.mark.long
@pytest.mark.parametrize("harm", HARM)
def test_harm_in_any_field_of_any_page_is_text_or_refused(there: World, eager: Browser, harm: str) -> None:
    number = there.publish("题", audience="everyone")
    asked = 0
    for route in pages(there):
        path = filled(route.path, number)
        if path in ("/sign-out", "/account/password") or "/sessions/" in path:
            continue
        for method in route.methods:
            taken = fields(route, "body_params" if method == "POST" else "query_params")
            for field in taken:
                values = {name: SENSIBLE[name] for name in taken & SENSIBLE.keys()} | {field: harm}
                answer = eager.fill(path, **values) if method == "POST" else eager.get(path, params=values)
                assert answer.status_code < 500, (method, path, field, answer.text)
                assert "<script>alert" not in answer.text, (method, path, field)
                assert "root:" not in answer.text, (method, path, field)
                assert "49" not in re.findall(r'value="(\d+)"', answer.text) or harm != "{{7*7}}", (path, field)
                asked += 1
    assert asked > 40
    for path in ("/", "/work", "/people", "/account", "/rewards", f"/entries/{number}", f"/entries/{number}/history"):
        answer = eager.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text, path
    with there.portal.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(accounts.PERSON)).scalar_one() >= 10


@pytest.mark.parametrize("harm", HARM[:-1])
def test_harm_in_a_path_leads_nowhere(there: World, browser: Browser, harm: str) -> None:
    browser.sign_in("author")
    written = "".join(f"%{byte:02X}" for byte in harm.encode())
    for path in (
        "/entries/{}",
        "/entries/{}/history",
        "/federation/runs/{}",
        "/nothing/{}",
        "/static/{}",
        "/people/{}",
    ):
        answer = browser.get(path.format(written))
        assert answer.status_code in (404, 405, 422), path
        assert "root:" not in answer.text
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2Fapp.py",
        "/static/%2e%2e/app.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/..%5Capp.py",
        "/static/%00",
        "/static/",
        "/static",
    ],
)
def test_no_file_is_served_but_those_for_pages(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code in (303, 404) or answer.url.path == "/sign-in"
    assert "FastAPI" not in answer.text


def bearers(there: World) -> dict[str, str]:
    """Tokens that are no good, and why."""
    person, now = there.person("author").id, there.clock.now
    with there.portal.database.writing() as connection:
        closed = there.person("coauthor").id
        good = {name: tokens.make(connection, person, name, 1, now) for name in ("ended", "over")}
        of_closed = tokens.make(connection, closed, "closed", 300, now)
        (ended,) = (one.id for one in tokens.of(connection, person, now) if one.name == "ended")
        tokens.end(connection, person, ended)
        accounts.set_active(connection, closed, False)
    there.clock.forward(days=2)
    return {**good, "of a closed account": of_closed, "made up": tokens.PREFIX + "A" * 43, "long": "A" * 10_000}


def test_no_call_answers_a_token_that_is_no_good_or_a_session(there: World) -> None:
    number = there.publish("机密", audience="everyone")
    asking = Browser.before(there.portal)
    session = Browser.before(there.portal).sign_in("author")
    for why, secret in bearers(there).items():
        for method, path in private(there):
            if path.startswith("/api"):
                bearer = {"Authorization": f"Bearer {secret}"}
                answer = asking.request(method, filled(path, number), headers=bearer, json={})
                assert answer.status_code == 401, (why, method, path)
                assert session.request(method, filled(path, number), json={}).status_code == 401, (method, path)


def test_no_call_tells_another_department_that_an_entry_is_there(there: World) -> None:
    hidden, draft = there.publish("机密"), there.write("草稿", audience="everyone")
    browser = Browser.before(there.portal)
    browser.app.state.limits = Unlimited()  # type: ignore[attr-defined]
    body = {**SENSIBLE, "base": 1, "revision": 1}
    allowed = {
        "/moves": ("move", "revision"),
        "/owner": ("name",),
        "/comments": ("text",),
        "/reports": ("text",),
        "/answer": ("verdict", "reason"),
        "/withdrawal": ("reason",),
        "/restore": ("base",),
        "/revisions": ("title", "body", "base"),
        "/helped": (),
    }
    in_query = {("GET", "differences"): {"older": "1", "newer": "1"}, ("POST", "attachments"): {"name": "x.png"}}
    for name in ("shop", "shop-admin", "supply", "root"):
        with there.portal.database.writing() as connection:
            person, now = there.person(name).id, there.clock.now
            secret = tokens.make(connection, person, "test", 30, now, reach=EVERYTHING)
        for method, path in private(there):
            if not path.startswith("/api/entries/{number}"):
                continue
            kept = next((found for end, found in allowed.items() if path.endswith(end)), ())
            answers = []
            for number in (hidden, draft, 987654321):
                answer = browser.request(
                    method,
                    filled(path, number),
                    params=in_query.get((method, path.rpartition("/")[2])),
                    json={field: body[field] for field in kept} if method != "GET" else None,
                    headers={"Authorization": f"Bearer {secret}"},
                )
                assert answer.status_code == 404, (name, method, path, answer.text)
                answers.append(answer.text)
            assert len(set(answers)) == 1, (name, method, path)


def test_whoever_administers_nothing_changes_nothing_about_people(there: World) -> None:
    other = there.person("shop").id
    for name in ("reader", "author", "reviewer", "shop-author"):
        browser = Browser.before(there.portal).sign_in(name)
        for method, path in private(there):
            if path.startswith("/people"):
                at = filled(path, other)
                values = {**SENSIBLE, "name": "somebody", "active": "false"}
                answer = browser.get(at) if method == "GET" else browser.fill(at, **values)
                # Where the portal has no identity provider, there is no such page for anybody.
                assert answer.status_code == (404 if path.endswith("/identity") else 403), (name, method, at)
    assert there.person("shop").active
    with there.portal.database.reading() as connection:
        assert not accounts.exists(connection, "somebody")


def test_a_call_that_is_too_large_is_not_read(there: World) -> None:
    with there.portal.database.writing() as connection:
        person, now = there.person("author").id, there.clock.now
        secret = tokens.make(connection, person, "test", 30, now, reach=EVERYTHING)
    bearer = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    browser = Browser.before(there.portal)
    whole = browser.post("/api/entries", content=b" " * (LARGEST + LARGEST_TEXT + 1), headers=bearer)
    pieces = browser.post("/api/entries", content=iter([b"x" * 65536] * 60), headers=bearer)
    assert (whole.status_code, whole.json()["error"]) == (413, "too_large")
    assert pieces.status_code in (400, 413)
    assert pieces.json()["error"] in ("request", "too_large")
