"""A form whose session is over, or is another one: nothing is saved, and what was written is not lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Response
from sqlalchemy import func, select

import lepton_fed.portal.web
from lepton_fed.portal.people.accounts import SESSION
from lepton_fed.portal.web.guard import LARGEST
from lepton_fed.portal.web.unsent import SECRET
from lepton_fed.portal.wording import wording
from tests.portal.browser import HERE, Browser
from tests.portal.world import PASSWORD, World

ENTRY = {"title": "题 <b>", "body": "第一段\r\n\r\n</textarea><script>alert(1)</script>", "tags": "泵"}
WAYS = ("expired", "signed out", "revoked")


@pytest.fixture
def author(there: World) -> Browser:
    return Browser.before(there.portal).sign_in("author")


def ended(there: World, browser: Browser, way: str = "expired") -> None:
    """The session is over; the form that somebody writes in does not know."""
    match way:
        case "expired":
            there.clock.forward(hours=13)
        case "signed out":
            browser.fill("/sign-out")
        case "revoked":
            other = Browser.before(there.portal).sign_in("author")
            (number,) = set(re.findall(r"/account/sessions/(\d+)/end", other.get("/account").text))
            other.fill(f"/account/sessions/{number}/end")


def again(page: str) -> tuple[str, list[tuple[str, str]]]:
    """Where the form of the page leads, and what a browser sends with it."""
    (form,) = re.findall(r'<main.*?<form method="post" action="([^"]*)" data-unsaved>(.*?)</form>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[1])
    texts = re.findall(r'<textarea[^>]* name="(\w+)" readonly>\n(.*?)</textarea>', form[1], re.DOTALL)
    return unescape(form[0]), [(name, unescape(value)) for name, value in hidden + texts]


def press(browser: Browser, page: str) -> Response:
    """Send again, from the page that says that it was not saved."""
    action, fields = again(page)
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name, []).append(value)
    return browser.post(action, data=by_name)


def rows(there: World) -> dict[str, int]:
    """How many rows each table has, but for sessions."""
    with there.portal.database.reading() as connection:
        tables = [one for one in SESSION.metadata.sorted_tables if one is not SESSION]
        return {one.name: connection.execute(select(func.count()).select_from(one)).scalar_one() for one in tables}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_written_when_the_session_ended_is_sent_again_after_signing_in(
    there: World, author: Browser, way: str
) -> None:
    ended(there, author, way)
    for_whom = {"department": "研发部门", "audience": "named", "named": ["生产车间", "供应链部门"]}
    answer = author.fill("/entries/new", **ENTRY, **for_whom)
    assert answer.status_code == 401
    assert wording("en")("unsent.ended") in answer.text and 'href="/sign-in?back=' in answer.text
    assert press(author, answer.text).status_code == 401, "not before signing in; and nothing is lost by that"
    author.sign_in("author")
    confirmed = press(author, answer.text)
    assert confirmed.status_code == 403
    assert "Author (author)" in confirmed.text
    saved = press(author, confirmed.text)
    assert saved.status_code == 200 and saved.url.path.startswith("/entries/")
    form = unescape(author.get(f"{saved.url.path}/edit").text)
    assert ENTRY["body"].replace("\r\n", "\n") in form.replace("\r\n", "\n") and f'value="{ENTRY["title"]}"' in form
    for department in ("生产车间", "供应链部门"):
        assert f'value="{department}" checked' in form


def test_the_page_says_it_in_the_language_of_the_reader(there: World) -> None:
    for language in ("en", "zh"):
        t = wording(language)
        browser = Browser.before(there.portal, language)
        answer = browser.post("/entries/new", data=ENTRY)
        for key in ("ended", "then", "sign_in", "go", "form"):
            assert t(f"unsent.{key}") in answer.text, (language, key)
        browser.sign_in("author")
        answer = browser.post("/entries/new", data=ENTRY)
        assert t("unsent.other", shown="Author", name="author") in answer.text
        assert t("unsent.confirm") in answer.text


@pytest.mark.parametrize(
    ("at", "field"),
    [
        ("/entries/1/comments", "text"),
        ("/entries/1/reports", "text"),
        ("/entries/1/move", "reason"),
        ("/federation/pipeline", "why"),
        ("/courses/new", "about"),
        ("/entries/1/attachments/1/remove", "body"),
    ],
)
def test_whatever_people_write_comes_back(there: World, author: Browser, at: str, field: str) -> None:
    there.publish("题")
    ended(there, author)
    before = rows(there)
    text = "写了很久 & <i>还没写完</i>\r\n第二行"
    answer = author.fill(at, **{field: text, "move": "publish", "revision": "1"})
    assert answer.status_code == 401
    action, fields = again(answer.text)
    assert action == at and dict(fields)[field] == text
    assert rows(there) == before


def test_signing_in_again_in_another_tab_does_not_cost_what_was_written(there: World, author: Browser) -> None:
    number = there.publish("题")
    old = author.form
    author.sign_in("author")
    answer = author.post(f"/entries/{number}/comments", data={"form_token": old, "text": "一句话"})
    assert answer.status_code == 403 and "一句话" in answer.text
    assert old not in answer.text
    assert "一句话" in press(author, answer.text).text
    assert author.get(f"/entries/{number}").text.count("<p>一句话</p>") == 1


def test_whoever_has_signed_in_meanwhile_is_named_before_it_is_sent(there: World, author: Browser) -> None:
    number = there.publish("题")
    old = author.form
    author.sign_in("reviewer")
    answer = author.post(f"/entries/{number}/comments", data={"form_token": old, "text": "一句话"})
    assert "You are signed in as Reviewer (reviewer)." in answer.text
    assert "一句话" not in author.get(f"/entries/{number}").text


@pytest.mark.parametrize("signs_in", [False, True])
@pytest.mark.parametrize(
    "sent_from",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "none", "Origin": HERE},
        {"Origin": "https://evil.example"},
        {"Origin": HERE.replace("https", "http")},
        {"Origin": "null"},
        {},
    ],
)
def test_what_another_site_made_a_browser_send_does_not_wait_for_one_press(
    there: World, sent_from: dict[str, str], signs_in: bool
) -> None:
    browser = Browser.before(there.portal)
    if signs_in:
        browser.sign_in("author")
    del browser.headers["Sec-Fetch-Site"]
    answer = browser.post("/entries/new", data={"title": "planted", "body": "planted"}, headers=sent_from)
    assert answer.status_code in (401, 403)
    assert "planted" not in answer.text and "/entries/new" not in re.findall(r'action="([^"]*)"', answer.text)
    assert "form_token" not in answer.text.partition("<main")[2]


def test_an_old_browser_says_by_its_origin_that_a_form_is_ours(there: World) -> None:
    browser = Browser.before(there.portal)
    del browser.headers["Sec-Fetch-Site"]
    assert "写的" in browser.post("/entries/new", data={"body": "写的"}, headers={"Origin": HERE}).text


def test_nothing_goes_back_but_the_fields_of_the_form(there: World, author: Browser) -> None:
    old = author.form
    for signs_in in (False, True):
        ended(there, author)
        if signs_in:
            author.sign_in("author")
        fields = {"form_token": old, "text": "一句话", "planted": "planted", "title": "planted"}
        page = author.post("/entries/1/comments?next=planted", data=fields).text
        action, sent = again(page)
        assert action == "/entries/1/comments" and dict(sent)["text"] == "一句话"
        assert {name for name, _ in sent} == {"text"} | ({"form_token"} if signs_in else set())
        assert old not in page and "planted" not in page


def test_what_was_written_is_shown_as_text(there: World, author: Browser) -> None:
    ended(there, author)
    harm = '"></textarea><script>alert(1)</script>'
    page = author.fill("/entries/new", title=harm, body=harm, audience=harm, named=harm).text
    assert "<script>alert" not in page and page.count("&lt;script&gt;alert(1)") == 4


def passwords() -> Iterator[str]:
    for template in (Path(lepton_fed.portal.web.__file__).parent / "templates").glob("*.j2"):
        for field in re.findall(r'<input[^>]*type="password"[^>]*>', template.read_text("utf-8")):
            yield re.findall(r'name="(\w+)"', field)[0]


def test_no_password_goes_back(there: World, author: Browser) -> None:
    assert set(passwords()) <= SECRET
    for signs_in in (False, True):
        ended(there, author)
        if signs_in:
            author.sign_in("author")
        for at in ("/account/password", "/people", "/people/1/password"):
            fields = {name: f"geheim {name}" for name in SECRET}
            answer = author.post(at, data={**fields, "name": "neu", "shown": "Neu"})
            assert answer.status_code == (403 if signs_in else 401)
            assert "geheim" not in answer.text
            assert wording("en")("unsent.again") in answer.text
            assert f'action="{at}"' not in answer.text


def test_no_file_goes_back_and_what_was_written_beside_it_does(there: World, author: Browser) -> None:
    number = there.write("题")
    at, typed = f"/entries/{number}/attachments", {"title": "题", "body": "写的", "attached": "0", "base": "1"}
    old = author.form
    ended(there, author)
    file = {"file": ("a.pdf", b"%PDF planted")}
    answer = author.post(at, data={"form_token": old, **typed}, files=file)
    assert answer.status_code == 401 and "planted" not in answer.text
    author.sign_in("author")
    for stale in (author.post(at, data={"form_token": old, **typed}, files=file), press(author, answer.text)):
        assert stale.status_code == 403 and "planted" not in stale.text
        form = press(author, stale.text)
        assert form.status_code == 422 and "写的</textarea>" in form.text
    lesson = author.post("/lessons", data={"form_token": old, "department": "研发部门"}, files=file)
    assert lesson.status_code == 403 and 'action="/lessons"' not in lesson.text


def test_of_a_stranger_nothing_large_is_read(there: World, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object, **__: object) -> None:
        raise AssertionError("it is read")

    number = there.write("题")
    monkeypatch.setattr("starlette.requests.Request.form", unread)
    answer = browser.post(f"/entries/{number}/attachments", data={"body": "x"}, files={"file": bytes(LARGEST)})
    assert answer.status_code == 401
    assert wording("en")("unsent.again") in answer.text


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/json", ""])
def test_a_form_that_cannot_be_read_is_refused_all_the_same(there: World, browser: Browser, kind: str) -> None:
    number = there.write("题")
    answer = browser.post(f"/entries/{number}/attachments", content=b"--y\r\nnonsense", headers={"Content-Type": kind})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "at"),
    [
        ("POST", "/entries/preview"),
        ("POST", "/entries/1/attachments"),
        ("POST", "/entries/1/helped"),
        ("GET", "/search?q=x"),
        ("GET", "/federation/pipeline"),
    ],
)
def test_a_page_that_asks_by_a_script_stays_where_it_is(there: World, author: Browser, method: str, at: str) -> None:
    there.publish("题")
    ended(there, author)
    by_script = {"HX-Request": "true"}
    fields = {"form_token": author.form} if method == "POST" else None
    answer = author.request(method, at, headers=by_script, data=fields)
    assert answer.status_code == 401
    assert answer.headers.keys().isdisjoint({"hx-redirect", "hx-location", "location", "hx-refresh"})
    author.sign_in("author")
    if method == "POST":
        answer = author.post(at, data={"form_token": "0" * 64, "body": "写的"}, headers=by_script)
        assert answer.status_code == 403 and "写的" not in answer.text


def back(page: str) -> str:
    (link,) = re.findall(r'href="(/sign-in[^"]*)"', page)
    return parse_qs(urlsplit(unescape(link)).query).get("back", ["/"])[0]


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [
        (f"{HERE}/entries/1?newest=1", "/entries/1?newest=1"),
        (f"{HERE}/entries/1/history", "/entries/1/history"),
        ("https://evil.example/entries/2", "/entries/1"),
        (f"{HERE}//evil.example", "/entries/1"),
        (f"{HERE}/entries/1/comments", "/entries/1"),
        ("http://[", "/entries/1"),
        ("", "/entries/1"),
    ],
)
def test_signing_in_leads_back_to_the_page_of_the_form(there: World, referer: str, leads_to: str) -> None:
    there.publish("题")
    browser = Browser.before(there.portal)
    page = browser.post("/entries/1/comments", data={"text": "好"}, headers={"Referer": referer}).text
    assert back(page) == leads_to
    fields = {"name": "author", "password": PASSWORD, "back": back(page)}
    signed_in = browser.post("/sign-in", data=fields)
    assert str(signed_in.url) == f"{HERE}{leads_to}"
    assert browser.get("/sign-in", params={"back": leads_to}).url == signed_in.url, "who is signed in goes on at once"


def test_signing_out_of_a_session_that_is_over_needs_no_second_try(there: World, author: Browser) -> None:
    ended(there, author)
    assert author.fill("/sign-out").url.path == "/sign-in"
