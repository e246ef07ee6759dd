"""The knowledge graph on pages: a person asks as their department, and sees what the owners' policies let it read."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("pyoxigraph", reason="the extra `knowledge` is not installed")

from lepton_fed.knowledge import Fact, KnowledgeGraph, Literal
from lepton_fed.portal.errors import TooMany
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.knowledge import turns
from lepton_fed.portal.knowledge.shown import ShownKnowledge
from lepton_fed.portal.people import accounts, tokens
from lepton_fed.portal.people.rights import Rights
from tests.knowledge.example import GRANTS, RESEARCH, SUPPLY, filled, provenance
from tests.knowledge.test_commands import FEDERATION
from tests.portal.browser import Browser
from tests.portal.test_security import routes
from tests.portal.world import PASSWORD, World

SECRETS = ("125.5", "报价", "负责")
"""What 研发部门 may not read of 供应链部门."""

MORE = [
    Fact("华东钢铁", "名称", Literal("East China Steel", language="en")),
    Fact("齿轮箱", "名称", Literal("Gearbox", language="en")),
    Fact("<script>alert(1)</script>", "用于", "电机"),
]


def permitted() -> str:
    """The grants of the example, as a federation file has them."""
    return "".join(
        f'[[access]]\nwhat = "{one.what}"\nwho = ["{one.who[0]}"]\naction = "{one.action}"\n'
        f'owner = ["{one.owner[0]}"]\nkind = "{one.kind}"\n'
        for one in GRANTS
    )


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a graph of two departments and the federation file by which it is asked."""
    folder = tmp_path_factory.mktemp("知识")
    with filled(folder) as graph:
        graph.add(MORE, provenance(RESEARCH))
        graph.indexed()
    (folder / "federation.toml").write_text(FEDERATION + permitted(), encoding="utf-8")
    return folder


@pytest.fixture
def knowing(there: World, example: Path) -> Iterator[World]:
    """A portal that shows it, with a writer of 供应链部门 and somebody without a role."""
    shown = ShownKnowledge(str(example / "知识.sqlite"), Watched(example / "federation.toml"))
    with there.portal.database.writing() as connection:
        accounts.add_person(
            connection, name="new", shown="New", department=RESEARCH, now=there.clock.now,
            password=there.portal.passwords.hashed(PASSWORD, "new"),
        )  # fmt: skip
    Browser.before(there.portal).app.state.knowledge = shown  # type: ignore[attr-defined]
    with closing(shown):
        yield there


def before(there: World, name: str, language: str = "en") -> Browser:
    return Browser.before(there.portal, language).sign_in(name)


def entity(browser: Browser, name: str) -> str:
    return browser.get("/knowledge/entity", params={"id": f"urn:lepton:entity:{name}"}).text


def test_a_person_sees_what_policies_let_their_department_read(knowing: World) -> None:
    browser = before(knowing, "reader")
    assert 'href="/knowledge"' in browser.get("/").text
    page = entity(browser, "华东钢铁")
    assert "供应" in page
    assert "齿轮箱" in page
    assert "供应商" in page
    assert not any(secret in page for secret in SECRETS)
    own = entity(before(knowing, "supply"), "华东钢铁")
    assert all(secret in own for secret in SECRETS)


def test_facts_of_both_directions_are_listed_and_drawn(knowing: World) -> None:
    page = entity(before(knowing, "reader", "zh"), "齿轮箱")
    for other in ("华东钢铁", "电机"):
        assert f"/knowledge/entity?id=urn%3Alepton%3Aentity%3A{''.join(f'%{b:02X}' for b in other.encode())}" in page
    assert "data-network='{" in page
    assert "Gearbox" in page


def test_entities_are_found_by_name_and_by_what_they_are_called_elsewhere(knowing: World) -> None:
    browser = before(knowing, "reader")
    for words in ("华东", "east china", "CHINA steel", "华东钢铁"):
        assert ">华东钢铁</a>" in browser.get("/knowledge", params={"q": words}).text, words
    for words in ("125.5", "王芳", "没有这样的", "负责"):
        assert "Nothing found." in browser.get("/knowledge", params={"q": words}).text, words


def test_who_knows_about_something_is_told_as_far_as_it_may_be_known(knowing: World) -> None:
    page = before(knowing, "reader").get("/knowledge", params={"q": "轴承"}).text
    assert f"{SUPPLY} <span" in page
    assert "can be read here" in page
    assert f"{SUPPLY} <span" not in before(knowing, "reader").get("/knowledge", params={"q": "王芳"}).text


def test_what_may_not_be_known_of_and_what_is_not_there_are_one(knowing: World) -> None:
    browser = before(knowing, "reader")
    names = ("王芳", "没有这样的人")
    hidden, nobody = (browser.get("/knowledge/entity", params={"id": name}) for name in names)
    assert (hidden.status_code, nobody.status_code) == (404, 404)
    # But for the page's own address, which the way to the other language leads back to.
    assert hidden.text.replace(quote(names[0]), "") == nobody.text.replace(quote(names[1]), "")


HARM = (
    '"', "\\", "'", "\\u0022", '") ) } SERVICE <http://127.0.0.1:9/> { ?a ?b ?c } #', "} INSERT DATA { <a> <b> <c> }",
    "<script>alert(1)</script>", "> ?r ?y } #", "{", "[", "%22", "\u200b", "a" * 999, "\x00", " ",
)  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_no_text_is_read_as_a_question_of_its_own(knowing: World, harm: str) -> None:
    browser = before(knowing, "reader")
    answers = [
        browser.get("/knowledge", params={"q": harm}),
        browser.get("/knowledge/entity", params={"id": harm}),
        browser.get("/knowledge/entity", params={"id": f"urn:lepton:entity:{harm}"}),
    ]
    for answer in answers:
        assert answer.status_code in (200, 404, 422, 503), answer.text
        assert "<script>alert" not in answer.text
        assert not any(secret in answer.text for secret in SECRETS)


def test_an_entity_that_is_called_like_a_script_is_drawn_as_text(knowing: World) -> None:
    browser = before(knowing, "reader")
    answer = browser.get("/knowledge/entity", params={"id": "电机"})
    assert answer.status_code == 200
    assert "&lt;script&gt;alert" in answer.text
    assert "<script>alert" not in answer.text


def test_whoever_has_no_role_at_home_and_other_departments_see_no_such_page(knowing: World) -> None:
    found = [(method, path) for method, path in routes(knowing) if path.startswith(("/knowledge", "/api/knowledge"))]
    assert len(found) == 4
    for name in ("new", "shop", "shop-admin", "root"):
        browser = before(knowing, name)
        assert 'href="/knowledge"' not in browser.get("/").text
        with knowing.portal.database.writing() as connection:
            secret = tokens.make(connection, knowing.person(name).id, "t", 9, knowing.clock.now)
        for method, path in found:
            bearer = {"Authorization": f"Bearer {secret}"} if path.startswith("/api") else {}
            asked = {"id" if path.endswith("/entity") else "q": "轴承"}
            answer = browser.request(method, path, params=asked, headers=bearer)
            assert answer.status_code == 404, (name, path)


def test_a_policy_of_the_portals_may_forbid_to_ask(knowing: World) -> None:
    knowing.portal.rights = Rights({"own.cedar": 'forbid (principal, action == Action::"ask", resource);'})
    assert before(knowing, "reader").get("/knowledge").status_code == 404


def test_where_there_is_no_graph_there_is_no_page(there: World) -> None:
    assert before(there, "reader").get("/knowledge").status_code == 404


@pytest.fixture
def call(knowing: World) -> Callable[..., Any]:
    with knowing.portal.database.writing() as connection:
        secret = tokens.make(connection, knowing.person("reader").id, "t", 9, knowing.clock.now)

    def by(path: str, **params: str) -> Any:
        bearer = {"Authorization": f"Bearer {secret}"}
        return Browser.before(knowing.portal).get(f"/api/knowledge{path}", params=params, headers=bearer)

    return by


def test_the_same_is_asked_by_calls(call: Callable[..., Any]) -> None:
    found = call("", q="east china").json()
    assert found["entities"] == [{"name": "华东钢铁", "id": "urn:lepton:entity:华东钢铁"}]
    seen = call("/entity", id=found["entities"][0]["id"]).json()
    assert seen["types"] == ["供应商"]
    assert {(one["relation"], one["value"] or one["other"]["name"]) for one in seen["facts"]} == {
        ("供应", "齿轮箱"),
        ("名称", "East China Steel"),
    }
    assert seen["knows"] == [{"department": SUPPLY, "readable": True}]
    assert call("/entity", id="王芳").status_code == 404


def test_each_decision_is_in_its_owners_docket(knowing: World, example: Path) -> None:
    for path in (example / "audit-keys").rglob("*.docket"):
        path.unlink()
    entity(before(knowing, "reader"), "华东钢铁")
    (docket,) = (example / "audit-keys" / "knowledge").glob(f"{SUPPLY}*.docket")
    assert docket.stat().st_size > 0


def test_many_who_ask_at_once_are_all_answered(knowing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 60.0)  # That those who wait too long are told so is another test.
    shown = Browser.before(knowing.portal).app.state.knowledge  # type: ignore[attr-defined]
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda k: shown.entity(RESEARCH, "齿轮箱", asker=k).entity.name, range(16)))
    assert names == ["齿轮箱"] * 16


def test_whoever_asks_already_is_told_to_come_back_and_nothing_waits_for_them(knowing: World) -> None:
    shown = Browser.before(knowing.portal).app.state.knowledge  # type: ignore[attr-defined]
    reader, other = before(knowing, "reader"), before(knowing, "author")
    own = knowing.person("reader").id
    with shown._turns.of(own):
        answer = reader.get("/knowledge", params={"q": "轴承"})
        assert answer.status_code == 429
        assert "try again in 5 seconds" in answer.text
        assert reader.get("/knowledge/entity", params={"id": "轴承"}).headers["Retry-After"] == "5"
        assert reader.get("/account").status_code == 200
    assert reader.get("/knowledge", params={"q": "轴承"}).status_code == 200
    assert other.get("/knowledge", params={"q": "轴承"}).status_code == 200


class NotFree:
    """A turn that somebody else has, however long one waits for it."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def acquire(self, *, timeout: float) -> bool:
        self.waits.append(timeout)
        return False


def test_few_questions_wait_and_none_of_them_long(monkeypatch: pytest.MonkeyPatch) -> None:
    one, taken = turns.Turns(), NotFree()

    def asked(asker: int) -> bool:
        try:
            with one.of(asker):
                return True
        except TooMany:
            return False

    with monkeypatch.context() as patched:
        patched.setattr(one, "_one", taken)
        with ThreadPoolExecutor(20) as threads:
            assert not any(threads.map(asked, range(20)))
    assert set(taken.waits) == {turns.PATIENCE}
    assert asked(1), "nobody is left in the way"
    with ExitStack() as waiting:
        monkeypatch.setattr(one, "_one", threading.Semaphore(100))
        for k in range(turns.MOST):
            waiting.enter_context(one.of(k))
        assert not asked(99), "so many and no more"
    assert asked(99)


def test_a_graph_that_changes_is_seen_as_it_is(knowing: World, example: Path) -> None:
    with KnowledgeGraph(example / "知识.sqlite") as graph:
        graph.add([Fact("齿轮箱", "用于", "提升机")], provenance(RESEARCH))
    assert "提升机" in entity(before(knowing, "reader"), "齿轮箱")


def test_an_entry_leads_to_an_entity_and_the_entity_back_to_entries_that_one_may_read(knowing: World) -> None:
    number = knowing.publish("供应商", "见 [[entity:华东钢铁]]。", audience="everyone")
    knowing.publish("车间的机密", "[[entity:华东钢铁]]", by="shop-author")
    browser = before(knowing, "reader")
    page = browser.get(f"/entries/{number}").text
    link = re.search(r'<a href="(/knowledge/entity[^"]*)"[^>]*>华东钢铁</a>', page)
    assert link is not None
    page = browser.get(link[1]).text
    assert f'<a href="/entries/{number}">供应商</a>' in page
    assert "[[entity:华东钢铁]]" in page
    assert "车间的机密" not in page
    assert "/knowledge/entity" not in before(knowing, "new").get(f"/entries/{number}").text, "who may not ask"
