"""What programs do with a personal token: the same as people on pages, by the same functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response

from lepton_fed.portal.people import tokens
from lepton_fed.portal.people.tokens import EVERYTHING
from tests.portal.browser import Browser
from tests.portal.test_security import PUBLIC, routes
from tests.portal.world import PASSWORD, World

Call = Callable[..., Response]


@pytest.fixture
def call(there: World) -> Call:
    """`call("author", "GET", "/search", ...)`, with a token of that person's."""
    browser, known = Browser.before(there.portal), dict[str, str]()

    def by(name: str, method: str, path: str, **more: Any) -> Response:
        if name not in known:
            with there.portal.database.writing() as connection:
                person, now = there.person(name).id, there.clock.now
                known[name] = tokens.make(connection, person, "test", 30, now, reach=EVERYTHING)
        headers = {"Authorization": f"Bearer {known[name]}", **more.pop("headers", {})}
        return browser.request(method, f"/api{path}", headers=headers, **more)

    return by


ENTRY = {"department": "研发部门", "kind": "faq", "title": "为何停机", "body": "润滑不足。\n", "audience": "everyone"}


def test_an_entry_goes_its_way_by_calls(there: World, call: Call) -> None:
    made = call("author", "POST", "/entries", json={**ENTRY, "tags": ["停机"]})
    assert made.status_code == 201, made.text
    path = f"/entries/{made.json()['id']}"
    assert call("shop", "GET", path).status_code == 404
    assert (
        call("author", "POST", f"{path}/moves", json={"move": "submit", "revision": 1}).json()["state"] == "in_review"
    )
    assert [one["title"] for one in call("reviewer", "GET", "/work").json()["reviews"]] == ["为何停机"]
    moved = call("reviewer", "POST", f"{path}/moves", json={"move": "publish", "revision": 1})
    assert moved.json()["published"] == 1
    found = call("shop", "GET", "/search", params={"q": "润滑"}).json()
    assert (found["total"], found["hits"][0]["title"]) == (1, "为何停机")
    assert {"text": "润滑", "marked": True} in found["hits"][0]["text"]
    assert call("shop", "POST", f"{path}/helped").json() == {"count": 1}
    assert call("shop", "POST", f"{path}/comments", json={"text": "对"}).status_code == 204
    read = call("shop", "GET", path).json()
    assert call("supply", "GET", path).status_code == 200
    there.portal.afterwards.done()
    read = call("shop", "GET", path).json()
    assert (read["entry"]["opened"], read["comments"][0]["text"], read["moves"]) == (2, "对", []), (
        "each person who read it, and not its author"
    )
    assert call("author", "POST", f"{path}/revisions", json={**_text(), "base": 1}).json() == {"id": 2}
    assert call("author", "POST", f"{path}/revisions", json={**_text(), "base": 1}).status_code == 409
    lines = call("author", "GET", f"{path}/differences", params={"older": 1, "newer": 2}).json()
    assert {line["mark"] for line in lines} == {"gone", "new", "same"}
    assert call("author", "POST", f"{path}/revisions/1/restore", json={"base": 2}).json() == {"id": 3}
    assert [one["number"] for one in call("author", "GET", f"{path}/revisions").json()] == [3, 2, 1]
    assert call("author", "GET", f"{path}/revisions/2").json()["body"] == "润滑不足，或过载。\n"
    assert call("shop", "GET", f"{path}/revisions/2").status_code == 404
    assert [one["number"] for one in call("shop", "GET", f"{path}/revisions").json()] == [1]
    assert call("author", "PUT", f"{path}/owner", json={"name": "coauthor"}).status_code == 204


def test_readers_are_told_nothing_of_a_draft(call: Call, there: World) -> None:
    number = there.publish("题", audience="everyone")
    there.clock.forward(days=1)
    assert call("author", "POST", f"/entries/{number}/revisions", json={**_text(), "base": 1}).json() == {"id": 2}
    read, worked = (call(name, "GET", f"/entries/{number}").json() for name in ("shop", "author"))
    assert (worked["entry"]["state"], worked["entry"]["newest"], worked["revision"]["kept"]) == ("draft", 2, 0)
    assert (read["entry"]["state"], read["entry"]["newest"], read["revision"]["kept"]) == ("published", 1, None)
    assert read["entry"]["changed"] < worked["entry"]["changed"]


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 10**30])
def test_a_number_that_nothing_can_have_is_not_there(call: Call, there: World, number: int) -> None:
    entry = there.publish("题")
    asked = {"older": 1, "newer": number}
    for method, path in (
        ("GET", f"/entries/{number}"),
        ("GET", f"/entries/{entry}/revisions/{number}"),
        ("PUT", f"/people/{number}/active"),
    ):
        answer = call("admin", method, path, json={"active": True} if method == "PUT" else None)
        assert answer.status_code == 404, path
    assert call("author", "GET", f"/entries/{entry}/differences", params=asked).status_code == 404
    browser = Browser.before(there.portal).sign_in("author")
    for kind in ("sessions", "tokens"):
        assert browser.fill(f"/account/{kind}/{number}/end").status_code == 404


def _text() -> dict[str, object]:
    return {name: ENTRY[name] for name in ("title", "audience")} | {"body": "润滑不足，或过载。\n"}


def test_what_looks_sensitive_is_answered_with_its_places_and_not_saved(call: Call) -> None:
    entry = {**ENTRY, "body": "电话13812345678。"}
    asked = call("author", "POST", "/entries", json=entry)
    assert asked.status_code == 409
    place = {"kind": "phone", "start": 2, "end": 13, "mask": "138****5678"}
    assert asked.json()["places"] == {"title": [], "body": [place]}
    assert call("author", "GET", "/work").json()["drafts"] == []
    number = call("author", "POST", "/entries", json={**entry, "sensitive": "mask"}).json()["id"]
    assert call("author", "GET", f"/entries/{number}").json()["revision"]["body"] == "电话138****5678。"


def test_a_call_that_says_what_was_shown_saves_nothing_else(call: Call) -> None:
    shown = [{"kind": "phone", "text": "13812345678"}]
    entry = {**ENTRY, "body": "电话13812345678或13912345678。", "shown": shown}
    for choice in ("ask", "mask", "keep"):
        asked = call("author", "POST", "/entries", json={**entry, "sensitive": choice})
        assert (asked.status_code, len(asked.json()["places"]["body"])) == (409, 2), choice
    both = [*shown, {"kind": "phone", "text": "13912345678"}]
    made = call("author", "POST", "/entries", json={**entry, "shown": both, "sensitive": "keep"})
    assert made.status_code == 201
    path = f"/entries/{made.json()['id']}/revisions"
    revised = {**_text(), "body": "电话13812345678。", "base": 1, "sensitive": "keep", "shown": both}
    assert call("author", "POST", path, json=revised).json()["error"] == "sensitive"
    assert call("author", "POST", path, json={**revised, "shown": None}).status_code == 201


def test_a_line_end_of_two_characters_counts_one_in_a_call(call: Call, there: World) -> None:
    path, text = f"/entries/{there.publish('题', audience='everyone')}", "行\r\n"
    for to, longest in (("comments", 4000), ("reports", 1000)):
        assert call("shop", "POST", f"{path}/{to}", json={"text": text * (longest // 2)}).status_code < 300, to
        assert call("shop", "POST", f"{path}/{to}", json={"text": text * longest}).status_code == 422, to
        assert call("shop", "POST", f"{path}/{to}", json={"text": 1}).status_code == 422, to
    retire = {"move": "retire", "revision": 1, "reason": text * 250}
    assert call("admin", "POST", f"{path}/moves", json=retire).status_code == 200
    document = call("shop", "GET", "/openapi.json").json()["components"]["schemas"]
    assert document["CommentTaken"]["properties"]["text"]["maxLength"] == 4000


def test_the_longest_text_is_taken_however_a_program_writes_it(call: Call) -> None:
    for letter in "汉😀":
        sent = json.dumps({**ENTRY, "body": letter * 200_000})
        made = call("author", "POST", "/entries", content=sent, headers={"Content-Type": "application/json"})
        assert made.status_code == 201, made.text[:200]


def test_accounts_are_administered_by_calls(call: Call, there: World) -> None:
    new = {"name": "new", "department": "研发部门", "role": "author", "password": PASSWORD}
    assert call("author", "POST", "/people", json=new).status_code == 403
    assert call("shop-admin", "POST", "/people", json=new).status_code == 403
    made = call("admin", "POST", "/people", json=new)
    assert (made.status_code, made.json()["roles"]) == (201, {"研发部门": "author"})
    number = made.json()["id"]
    assert call("shop-admin", "PUT", f"/people/{number}/roles/生产车间", json={"role": "reader"}).status_code == 204
    assert there.person("new").roles == {"研发部门": "author", "生产车间": "reader"}
    assert (
        call("shop-admin", "PUT", f"/people/{number}/roles/研发部门", json={"role": "administrator"}).status_code == 403
    )
    # Who has a role in a department that the administrator does not answer for could be signed in as.
    assert call("admin", "PUT", f"/people/{number}/password", json={"password": PASSWORD}).status_code == 403
    assert call("root", "PUT", f"/people/{number}/password", json={"password": PASSWORD}).status_code == 204
    # And yet the account is the home's to close.
    assert call("shop-admin", "PUT", f"/people/{number}/active", json={"active": False}).status_code == 403
    for active in (False, True):
        assert call("admin", "PUT", f"/people/{number}/active", json={"active": active}).status_code == 204
        assert there.person("new").active == active
    assert call("shop-admin", "PUT", f"/people/{number}/roles/生产车间", json={"role": None}).status_code == 204
    assert call("admin", "PUT", f"/people/{number}/active", json={"active": False}).status_code == 204
    assert call("admin", "POST", "/departments", json={"name": "新部门"}).status_code == 403
    assert call("root", "POST", "/departments", json={"name": "新部门"}).status_code == 204
    assert "新部门" in call("author", "GET", "/departments").json()
    assert PASSWORD not in str(call("root", "GET", "/people").json())


def test_an_entry_is_not_there_for_a_call_from_another_department(call: Call, there: World) -> None:
    hidden = there.publish("机密")
    bodies: dict[str, dict[str, object]] = {
        "/revisions": {"title": "x", "body": "y", "base": 1},
        "/revisions/1/restore": {"base": 1},
        "/moves": {"move": "retire", "revision": 1, "reason": "x"},
        "/owner": {"name": "shop"},
        "/comments": {"text": "x"},
        "/comments/1/withdrawal": {"reason": "x"},
        "/reports": {"text": "x"},
        "/reports/1/answer": {"verdict": "no_error", "reason": "x"},
    }
    asked = {("GET", "differences"): {"older": 1, "newer": 1}, ("POST", "attachments"): {"name": "x"}}
    tried = 0
    for method, path in routes(there):
        if path.startswith("/api/entries/{number}"):
            at = path.removeprefix("/api").replace("{number}", str(hidden))
            at = re.sub(r"\{\w+\}", "1", at)
            sent = bodies.get(at.removeprefix(f"/entries/{hidden}"))
            for name in ("shop", "shop-admin", "root"):
                answer = call(name, method, at, json=sent, params=asked.get((method, path.rpartition("/")[2])))
                assert (answer.status_code, answer.json()["error"]) == (404, "not_there"), (name, method, at)
            tried += 1
    assert tried == 20


def test_a_token_ends_when_it_should(there: World, call: Call) -> None:
    assert call("author", "GET", "/me").json()["name"] == "author"
    there.clock.forward(days=31)
    assert call("author", "GET", "/me").status_code == 401


def test_a_session_is_no_token_and_a_token_no_session(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    assert browser.get("/api/me").status_code == 401
    with there.portal.database.writing() as connection:
        token = tokens.make(connection, there.person("author").id, "x", 1, there.clock.now)
    other = Browser.before(there.portal)
    answer = other.get("/", headers={"Authorization": f"Bearer {token}"}, follow_redirects=False)
    assert answer.status_code == 303


def test_an_own_account_is_looked_after_by_calls_and_nobody_elses(there: World, call: Call) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    (session,) = call("author", "GET", "/account/sessions").json()
    assert session["agent"] == "testclient"
    (token,) = call("author", "GET", "/account/tokens").json()
    assert token["name"] == "test" and set(token) == {"id", "name", "made", "ends", "reach"}
    assert call("coauthor", "GET", "/account/sessions").json() == []
    for path in (f"/account/sessions/{session['id']}", f"/account/tokens/{token['id']}"):
        assert call("coauthor", "DELETE", path).json()["error"] == "not_there"
        assert call("root", "DELETE", path).json()["error"] == "not_there"
    assert call("author", "PUT", "/account/language", json={"language": "zh"}).status_code == 204
    assert "我的工作" in browser.get("/work").text
    assert call("author", "DELETE", f"/account/sessions/{session['id']}").status_code == 204
    assert browser.get("/work", follow_redirects=False).status_code == 303
    assert "signed_out" in str(call("root", "GET", "/people/log").json())
    assert call("author", "DELETE", f"/account/tokens/{token['id']}").status_code == 204
    assert call("author", "GET", "/me").status_code == 401


def test_a_role_is_given_by_name_to_somebody_of_another_department(there: World, call: Call) -> None:
    at = "/departments/研发部门/roles/shop"
    for name, status in (("author", 403), ("shop-admin", 403), ("admin", 204)):
        assert call(name, "PUT", at, json={"role": "reader"}).status_code == status
    assert there.person("shop").roles == {"生产车间": "reader", "研发部门": "reader"}
    assert call("admin", "PUT", at, json={"role": None}).status_code == 204
    assert there.person("shop").roles == {"生产车间": "reader"}
    assert call("admin", "PUT", "/departments/研发部门/roles/admin", json={"role": None}).status_code == 403
    nobody = call("admin", "PUT", "/departments/研发部门/roles/nemo", json={"role": "reader"})
    assert nobody.status_code == 404
    assert nobody.json() == {"error": "nobody", "sentence": "nobody here signs in as nemo"}
    assert (
        call("shop", "PUT", "/departments/研发部门/roles/nemo", json={"role": "reader"}).json()["error"] == "administer"
    )


def test_a_body_that_is_no_json_is_called_so(call: Call) -> None:
    answer = call("author", "POST", "/entries", content=b'{"title":', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "no_json")
    assert answer.json()["sentence"] == "the body of the request is no JSON"


UNREADABLE: tuple[dict[str, object], ...] = (
    {},
    {"title": 1},
    {**ENTRY, "more": 1},
    {**ENTRY, "kind": "x"},
    {**ENTRY, "body": " "},
)


def test_a_parameter_that_a_call_does_not_have_is_named_and_nothing_is_done(call: Call, there: World) -> None:
    for method, path in (
        ("GET", "/search?q=x&depatment=y"),
        ("POST", "/entries?depatment=y"),
        ("GET", "/me?depatment"),
    ):
        answer = call("author", method, path, json=ENTRY if method == "POST" else None)
        assert (answer.status_code, answer.json()) == (
            422,
            {"error": "unknown_parameters", "sentence": "this call has no such parameter: depatment"},
        )
    assert call("author", "GET", "/work").json()["drafts"] == []
    many = "&".join(f"{k:03}{'x' * 100}" for k in range(50))
    assert len(call("author", "GET", f"/me?{many}").json()["sentence"]) < 300
    assert Browser.before(there.portal).get("/api/me?depatment=y").status_code == 401


def test_every_parameter_of_the_document_is_taken(call: Call) -> None:
    for path, calls in call("root", "GET", "/openapi.json").json()["paths"].items():
        for method, one in calls.items():
            asked = {p["name"]: "1" for p in one.get("parameters", []) if p["in"] == "query"}
            if asked:
                at = re.sub(r"{\w+}", "1", path.removeprefix("/api"))
                answer = call("root", method.upper(), at, params=asked)
                assert "unknown_parameters" not in answer.text, path


def test_a_field_that_a_body_does_not_have_is_called_unknown(call: Call) -> None:
    answer = call("author", "POST", "/entries", json={**ENTRY, "titel": "x", "kind": "poem"})
    assert (answer.status_code, answer.json()) == (
        422,
        {"error": "unknown_fields", "sentence": "there is no such field here: titel"},
    )
    answer = call("author", "POST", "/entries", json={**ENTRY, "kind": "poem"})
    assert answer.json()["error"] == "fields"


def test_what_cannot_be_read_is_refused_without_repeating_it(call: Call) -> None:
    for sent in UNREADABLE:
        answer = call("author", "POST", "/entries", json=sent)
        assert answer.status_code == 422
        assert answer.json()["error"] in ("fields", "unknown_fields", "body")
        assert "润滑" not in answer.text


def test_the_document_tells_of_every_call(there: World, call: Call) -> None:
    document = call("author", "GET", "/openapi.json").json()
    told = {(method.upper(), path) for path, of in document["paths"].items() for method in of}
    calls = {(method, path) for method, path in routes(there) if path.startswith("/api")} - PUBLIC
    assert told == calls - {("GET", "/api/openapi.json")}
    for path, of in document["paths"].items():
        for method, said in of.items():
            assert said["summary"], (method, path)
            assert said["description"], (method, path)
            assert said["security"], (method, path)


def test_what_the_document_calls_a_shape_does_not_say_in_which_file_of_ours_it_stands(call: Call) -> None:
    document = call("author", "GET", "/openapi.json").json()
    names = set(document["components"]["schemas"])
    assert {"EntryGiven", "FoundGiven"} <= names
    assert not [name for name in names if "__" in name], "two shapes have one name; find another for one of them"
