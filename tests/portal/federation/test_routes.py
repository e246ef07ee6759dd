"""No route about the federation says or does anything for whoever may not watch it; all of them are tried."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from lepton_fed.portal.federation import runs
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.people import tokens
from lepton_fed.portal.people.rights import Rights
from lepton_fed.portal.people.tokens import EVERYTHING
from tests.federations import LINES, TARGET
from tests.portal.browser import Browser
from tests.portal.federation.conftest import GATE
from tests.portal.test_security import routes
from tests.portal.world import World

Call = Callable[..., Response]
DECISION = {"step": GATE, "run": 1, "decision": "approve", "why": ""}
QUESTION = {"who": TARGET, "verb": "read", "what": "updates"}


@pytest.fixture
def call(watching: World) -> Call:
    """`call("approver", "GET", "/runs")`, with a token of that person's."""
    browser, known = Browser.before(watching.portal), dict[str, str]()

    def by(name: str, method: str, path: str, **more: Any) -> Response:
        if name not in known:
            with watching.portal.database.writing() as connection:
                person, now = watching.person(name).id, watching.clock.now
                known[name] = tokens.make(connection, person, "test", 30, now, reach=EVERYTHING)
        headers = {"Authorization": f"Bearer {known[name]}"}
        return browser.request(method, f"/api/federation{path}", headers=headers, **more)

    return by


def about_the_federation(world: World) -> list[tuple[str, str]]:
    """Every method and path, with what stands for a run, a model, a department."""
    found = [(m, re.sub(r"\{\w+\}", "1", p)) for m, p in routes(world) if re.match(r"(/api)?/federation(/|$)", p)]
    assert len(found) > 25
    return found


def asked(path: str) -> dict[str, str]:
    """What a call of that path is asked: one that knows no such thing would say so to anybody."""
    return QUESTION if path.endswith("/explain") else {}


def test_every_route_is_as_if_it_were_not_there_for_whoever_may_not_watch(watching: World, call: Call) -> None:
    for name in ("line-reader", "shop-admin", "root"):
        browser = Browser.before(watching.portal).sign_in(name)
        for method, path in about_the_federation(watching):
            if path.startswith("/api"):
                answer = call(name, method, path.removeprefix("/api/federation"), json=DECISION, params=asked(path))
            elif method == "POST":
                answer = browser.fill(path, **DECISION)
            else:
                answer = browser.get(path, params=QUESTION)
            assert answer.status_code == 404, (name, method, path)
            assert LINES[1] not in answer.text
        assert 'href="/federation"' not in browser.get("/work").text


def test_everything_on_the_pages_is_there_by_calls(call: Call, watching: World, watched: Watched) -> None:
    seen = call("approver", "GET", "").json()
    assert [one["name"] for one in seen["listed"]] == [*LINES, TARGET]
    assert call("approver", "GET", "/graph").json()["needs"] == [
        {"dependent": TARGET, "on": LINES[0], "what": "生产线数据"}
    ]
    (run,) = call("approver", "GET", "/runs").json()
    details = call("approver", "GET", f"/runs/{run['id']}").json()
    assert details["curves"][0]["rounds"] == [0, 1, 2]
    assert str(watched.runs) not in str(details), "where it is stored is nobody's business"
    for path in ("/plan", f"/policies/{TARGET}", "/ledgers", "/audit", "/audit/verdict"):
        assert call("approver", "GET", path).status_code == 200, path
    assert call("approver", "GET", "/explain", params=QUESTION).json()[0]["permitted"] is False
    assert call("approver", "GET", "/explain", params={**QUESTION, "what": "无"}).status_code == 422
    assert call("approver", "GET", "/audit/log").text.startswith('{"format": "lepton-audit/1"')
    assert call("approver", "GET", "/audit/keys").json()["log"] == "小联邦"
    assert (
        details["models"][0]["digest"]
        in call("approver", "GET", f"/models/{details['models'][0]['digest']}/proof").text
    )
    gate = call("approver", "GET", "/pipeline").json()["gates"][0]
    assert (gate["step"], gate["yours"]) == (GATE, True)
    assert call("line", "POST", "/pipeline/decisions", json=DECISION).json()["error"] == "decide"
    assert call("zhangsan", "POST", "/pipeline/decisions", json=DECISION).json()["error"] == "two_persons_run"
    assert call("approver", "POST", "/pipeline/decisions", json=DECISION).status_code == 204
    assert call("approver", "POST", "/pipeline/decisions", json=DECISION).json()["error"] == "gate_changed"


def test_a_token_that_reads_sees_what_waits_and_decides_nothing(watching: World) -> None:
    browser = Browser.before(watching.portal)
    person, now = watching.person("approver").id, watching.clock.now
    with watching.portal.database.writing() as connection:
        headers = {"Authorization": f"Bearer {tokens.make(connection, person, 'dashboard', 30, now)}"}
    for _ in range(2):
        assert browser.get("/api/federation/pipeline", headers=headers).json()["gates"][0]["yours"] is True
        answer = browser.post("/api/federation/pipeline/decisions", json=DECISION, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "token_reads")


def test_downloads_are_saved_and_not_shown(watching: World, watched: Watched) -> None:
    browser = Browser.before(watching.portal).sign_in("approver")
    model = runs.run(watched, runs.runs(watched)[0].id).models[0].digest
    for path in ("/audit/log", "/audit/keys", f"/models/{model}"):
        headers = browser.get(f"/federation{path}").headers
        assert headers["content-disposition"].startswith("attachment; "), path
    assert browser.get("/federation/models/..%2f..%2fetc").status_code == 404


def test_policies_of_the_portal_say_who_else_may_watch_or_decide(watching: World) -> None:
    portal = watching.portal
    reader = Browser.before(portal).sign_in("line-reader")
    assert reader.get("/federation").status_code == 404
    readers = "when { principal.reader.contains(resource.department) };"
    nobody = 'when { resource.role == "质量经理" };'
    own = {
        "more.cedar": f'permit (principal, action == Action::"watch", resource) {readers}',
        "less.cedar": f'forbid (principal, action == Action::"decide", resource) {nobody}',
    }
    portal.rights = Rights(own)
    assert reader.get("/federation").status_code == 200
    approver = Browser.before(portal).sign_in("approver")
    assert approver.fill("/federation/pipeline", **DECISION).status_code == 403


def test_names_of_the_federation_are_text_on_its_pages(watching: World, watched: Watched) -> None:
    file = watched.place.read_text(encoding="utf-8")
    watched.place.write_text(file.replace("生产线数据", "<script>alert(1)</script>"), encoding="utf-8")
    browser = Browser.before(watching.portal).sign_in("approver")
    for path in ("", "/graph", "/plan", "/policies", "/explain?who=<script>x&verb=read&what=<script>x"):
        text = browser.get(f"/federation{path}").text.replace("<script src=", "")
        assert "<script" not in text, path
    assert "&lt;script&gt;alert(1)" in browser.get("/federation/graph").text


@pytest.mark.parametrize("unknown", [{"who": "谁"}, {"owner": "谁"}, {"what": "无"}, {"what": "update"}])
def test_where_the_federation_file_is_on_this_machine_is_nothing_to_whoever_asks_about_a_name_that_is_not_there(
    watching: World, call: Call, place: Path, unknown: dict[str, str]
) -> None:
    question = {**QUESTION, **unknown}
    shown = [call("approver", "GET", "/explain", params=question)]
    shown += [
        Browser.before(watching.portal, language).sign_in("approver").get("/federation/explain", params=question)
        for language in ("en", "zh")
    ]
    for answer in shown:
        assert answer.status_code == 422
        assert "federation.toml" in answer.text
        assert str(place.parent) not in answer.text
