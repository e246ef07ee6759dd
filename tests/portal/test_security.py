"""Nobody gets past a route who should not: all routes of the application are tried, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from lepton_fed.portal.errors import TooMany, Unacceptable
from lepton_fed.portal.people import accounts, sessions, signing_in
from lepton_fed.portal.people.limits import Limit
from lepton_fed.portal.people.signing_in import TRIES, guesses, sign_in
from lepton_fed.portal.web.app import application
from lepton_fed.portal.web.guard import HEADERS, LARGEST, LARGEST_TEXT
from lepton_fed.portal.web.visiting import COOKIE
from tests.portal.browser import Browser
from tests.portal.world import PASSWORD, World

PUBLIC = {
    ("GET", "/health"),
    ("GET", "/favicon.ico"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/language"),
    ("GET", "/sign-in/provider"),
    ("GET", "/sign-in/provider/back"),
}
"""What answers whoever comes."""


def routes(there: World) -> list[tuple[str, str]]:
    """Every method and path of the application, but for its static files."""
    found: list[tuple[str, str]] = []
    for route in application(there.portal).routes:
        if isinstance(route, Mount) and route.path == "/static":
            continue
        found += list(_of(route))
    assert len(found) > 25
    return found


def _of(route: object) -> Iterator[tuple[str, str]]:
    if isinstance(route, APIRoute):
        yield from ((method, route.path) for method in route.methods)
        return
    inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
    assert inner, f"{route!r} is of a kind that this test does not know"
    for one in inner:
        yield from _of(one)


def private(there: World) -> list[tuple[str, str]]:
    return [one for one in routes(there) if one not in PUBLIC]


def filled(path: str, number: int) -> str:
    return re.sub(r"\{\w+\}", "1", path.replace("{number}", str(number)))


def refused(browser: Browser, method: str, path: str) -> None:
    """Nothing but the way to the page for signing in; forms and the REST interface say 401."""
    answer = browser.request(method, path, data={} if method == "POST" else None, follow_redirects=False)
    if path.startswith("/api") or (method == "POST" and path != "/sign-out"):
        assert answer.status_code == 401, (method, path)
        assert "机密" not in answer.text
        return
    assert answer.status_code == 303, (method, path, answer.text)
    assert answer.headers["location"].startswith("/sign-in"), (method, path)


def test_without_a_session_no_route_does_anything(there: World, browser: Browser) -> None:
    number = there.publish("机密", audience="everyone")
    for method, path in private(there):
        refused(browser, method, filled(path, number))


def test_a_session_that_is_over_opens_no_route(there: World) -> None:
    number = there.publish("机密", audience="everyone")
    browser = Browser.before(there.portal).sign_in("author")
    assert browser.get(f"/entries/{number}").status_code == 200
    there.clock.forward(hours=13)
    for method, path in private(there):
        refused(browser, method, filled(path, number))


def test_a_session_that_was_revoked_opens_no_route(there: World) -> None:
    number = there.publish("机密", audience="everyone")
    stolen, own = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("author")
    with there.portal.database.reading() as connection:
        (other,) = (s.id for s in sessions.of(connection, there.person("author").id, there.clock.now) if s.id == 1)
    assert own.fill(f"/account/sessions/{other}/end").status_code == 200
    for method, path in private(there):
        refused(stolen, method, filled(path, number))
    assert own.get("/account").status_code == 200


def test_a_person_whose_account_is_closed_is_out_at_once(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("reader")
    admin = Browser.before(there.portal).sign_in("admin")
    assert admin.fill(f"/people/{there.person('reader').id}/active", active="false").status_code == 200
    refused(browser, "GET", "/")
    again = Browser.before(there.portal).post("/sign-in", data={"name": "reader", "password": PASSWORD})
    assert again.status_code == 422


def test_an_entry_is_not_there_for_another_department(there: World) -> None:
    hidden = there.publish("机密")
    draft = there.write("草稿", audience="everyone")
    for name in ("shop", "shop-admin", "supply", "root"):
        browser = Browser.before(there.portal).sign_in(name)
        nobodys = browser.get("/entries/987654321").text
        for method, path in routes(there):
            if not path.startswith("/entries/{number}"):
                continue
            for number in (hidden, draft):
                given = {"form_token": browser.form, "title": "x", "body": "y", "base": 1, "revision": 1, "text": "z"}
                fields = {**given, "move": "publish", "name": "shop"}
                asked = {"older": 1, "newer": 1}
                at = filled(path, number)
                answer = browser.get(at, params=asked) if method == "GET" else browser.post(at, data=fields)
                assert answer.status_code == 404, (name, method, at, answer.text)
                assert "机密" not in answer.text
        assert browser.get(f"/entries/{hidden}").text == nobodys.replace("987654321", str(hidden))
        assert "机密" not in browser.get("/search?q=机密").text.replace('value="机密"', "")


def test_a_form_of_another_site_or_session_changes_nothing(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    number = there.write("题")
    for method, path in routes(there):
        if method == "GET" or path.startswith("/api"):
            continue
        at, fields = filled(path, number), {"form_token": browser.form, "move": "submit", "revision": 1, "base": 1}
        for site in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert browser.post(at, data=fields, headers=site).status_code == 403, at
        if (method, path) not in PUBLIC:
            for token in ("", "0" * 64):
                answer = browser.post(at, data={**fields, "form_token": token, "department": "研发部门"})
                assert answer.status_code == 403, (at, answer.text)


def test_an_old_browser_says_by_origin_where_a_form_is_from(there: World) -> None:
    browser = Browser.before(there.portal)
    del browser.headers["Sec-Fetch-Site"]
    fields = {"name": "author", "password": PASSWORD}
    assert browser.post("/sign-in", data=fields).status_code == 403
    assert browser.post("/sign-in", data=fields, headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.post("/sign-in", data=fields, headers={"Origin": "https://portal.example"}).status_code == 200


def test_whoever_fails_to_sign_in_learns_nothing(there: World) -> None:
    browser = Browser.before(there.portal)
    answers = []
    for name, password in (("author", "wrong wrong wrong"), ("nobody", "wrong wrong wrong"), ("a b\x00", "")):
        answer = browser.post("/sign-in", data={"name": name, "password": password})
        answers.append((answer.status_code, answer.text.replace(f'value="{name}"', "")))
    assert answers[0] == answers[1]
    assert answers[2][0] == 422


def tried(there: World, limit: Limit, password: str, address: str, name: str = "Author") -> str:
    portal, now = there.portal, there.clock.now
    of = {"name": name, "password": password, "address": address, "agent": ""}
    return sign_in(portal.database, portal.passwords, limit, now, **of)


@pytest.mark.parametrize("name", ["Author", "nobody"])
def test_a_name_is_tried_ten_times_from_one_place_and_goes_on_from_another(there: World, name: str) -> None:
    limit = guesses()
    for typed in [name, name.upper()] * (TRIES // 2):
        with pytest.raises(Unacceptable):
            tried(there, limit, "wrong", "10.0.0.1", typed)
    with pytest.raises(TooMany):
        tried(there, limit, PASSWORD, "10.0.0.1", name)
    assert tried(there, limit, PASSWORD, "10.0.0.2", "author"), "nobody is locked out by somebody else"
    there.clock.forward(minutes=16)
    assert tried(there, limit, PASSWORD, "10.0.0.1", "author")


def test_whoever_signs_in_well_is_not_counted(there: World) -> None:
    limit = guesses()
    for _ in range(TRIES + 1):
        assert tried(there, limit, PASSWORD, "10.0.0.1")


def test_an_account_is_locked_where_it_is_tried_from_everywhere_and_opens_by_itself(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "EVERYWHERE", 3)
    for k in range(3):
        with pytest.raises(Unacceptable):
            tried(there, guesses(), "wrong", f"10.0.0.{k}")
    with pytest.raises(Unacceptable):
        tried(there, guesses(), PASSWORD, "10.0.0.9")
    there.clock.forward(minutes=16)
    assert tried(there, guesses(), PASSWORD, "10.0.0.9")


def test_the_current_password_is_not_guessed_on_the_account_page(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    codes = [browser.fill("/account/password", current="x", chosen="another long 密码").status_code for _ in range(11)]
    assert codes == [422] * 10 + [429]


def test_a_password_that_was_changed_meanwhile_is_not_changed_again(there: World) -> None:
    author = there.person("author").id
    with there.portal.database.writing() as connection:
        kept = accounts.kept_password(connection, author)
        accounts.set_password(connection, author, "reset by an administrator")
    with pytest.raises(Unacceptable), there.portal.database.writing() as connection:
        accounts.set_password(connection, author, "by a session that is over", instead_of=kept)


def test_signing_in_is_refused_where_it_is_tried_too_often(there: World) -> None:
    browser = Browser.before(there.portal)
    codes = [browser.post("/sign-in", data={"name": f"n{k}", "password": "x"}).status_code for k in range(21)]
    assert codes[:20] == [422] * 20
    assert codes[20] == 429


def test_signing_in_makes_a_new_session_and_ends_the_old_one(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    before = browser.cookies[COOKIE]
    browser.sign_in("author")
    assert browser.cookies[COOKIE] != before
    stolen = Browser.before(there.portal)
    stolen.cookies.set(COOKIE, before, domain="portal.example")
    refused(stolen, "GET", "/")


def test_a_new_password_ends_other_sessions_and_tokens(there: World) -> None:
    browser, other = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("author")
    answer = browser.fill("/account/password", current=PASSWORD, chosen="another long 密码 of mine")
    assert answer.status_code == 200
    assert answer.url.path == "/account"
    refused(other, "GET", "/")
    assert browser.fill("/account/password", current="wrong", chosen="another long 密码").status_code in (403, 422)


def test_the_cookie_and_the_headers_are_strict(there: World) -> None:
    browser = Browser.before(there.portal)
    answer = browser.post("/sign-in", data={"name": "author", "password": PASSWORD}, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    for path in ("/", "/sign-in", "/nothing", "/static/portal.css"):
        headers = browser.get(path).headers
        assert all(headers[name] == value for name, value in HEADERS.items())
        assert path.startswith("/static") or headers["cache-control"] == "no-store"


def test_what_is_kept_of_a_session_cannot_be_used_as_one(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    secret = browser.cookies[COOKIE]
    with there.portal.database.reading() as connection:
        for table in (accounts.SESSION, accounts.PERSON):
            for row in connection.execute(table.select()):
                assert secret not in repr(row)
                assert PASSWORD not in repr(row)


HARMFUL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[link](javascript:alert(1))",
    "[link](data:text/html,<script>alert(1)</script>)",
    "![x](https://evil.example/pixel.png)",
    "![x](//evil.example/pixel.png)",
    '<a href="x" onclick="alert(1)">x</a>',
    "<iframe src=//evil.example></iframe>",
    "<form action=/sign-out method=post><button>x</button></form>",
    '<p style="background:url(//evil.example)">x</p>',
    "`<script>`\n\n```html\n<script>alert(1)</script>\n```",
)


def test_no_script_gets_into_a_page_by_a_text(there: World) -> None:
    text = "\n\n".join(HARMFUL)
    number = there.publish("题 <script>alert(2)</script>", text, tags=["<b>标</b>"], audience="everyone")
    browser = Browser.before(there.portal).sign_in("shop")
    browser.fill(f"/entries/{number}/comments", text=text)
    pages = [browser.get(f"/entries/{number}").text, browser.get("/search", params={"q": "alert <script>"}).text]
    author = Browser.before(there.portal).sign_in("author")
    pages += [author.get(f"/entries/{number}/edit").text, author.fill("/entries/preview", body=text).text]
    for page in pages:
        plain = page.replace("<script src=", "")
        assert "<script" not in plain
        assert "<iframe" not in plain
        assert 'src="https://evil' not in plain
        assert 'src="//evil' not in plain
        assert 'href="javascript' not in plain
        assert 'href="data:' not in plain
        assert "<form action=/sign-out" not in plain
        assert "<b>标" not in plain


@pytest.mark.parametrize("where", ["/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/sign-in?back=%22%3E%3Cscript%3E"])
def test_what_a_link_says_is_shown_as_text(there: World, browser: Browser, where: str) -> None:
    page = browser.get(where).text + browser.sign_in("author").get(where).text
    assert "<script>" not in page


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(there: World, browser: Browser, back: str) -> None:
    fields = {"name": "author", "password": PASSWORD, "back": back}
    assert browser.post("/sign-in", data=fields, follow_redirects=False).headers["location"] == "/"


def test_a_body_that_is_too_large_is_not_read(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    for path, most in (("/entries/new", LARGEST + LARGEST_TEXT), ("/language", LARGEST)):
        answer = browser.fill(path, body="x" * most)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (413, "text/html"), path
        assert "the request is too large" in answer.text and "Sign out" in answer.text, path
    assert "提交的内容过大" in Browser.before(there.portal, "zh").fill("/language", body="x" * LARGEST).text
    pieces = iter([b"body=", *([b"x" * 65536] * 60)])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/entries/new", content=pieces, headers=form).status_code in (400, 413)
    assert "<h3>" not in browser.get("/work").text


LANGUAGE = ("' OR 1=1 --", '" OR "a"="a', "%", "_", "*", "a* OR b", "heading:x", "NEAR(a b)", "\\", "'; DROP TABLE x")


def test_no_query_is_read_as_a_language(either: World) -> None:
    number = either.publish("题", "正文")
    from lepton_fed.portal.finding.search import Asked, find

    with either.acting("author") as acting:
        for text in LANGUAGE:
            assert find(acting, Asked(text=text, department=text, kind=text, tag=text)).total == 0
            assert find(acting, Asked(text=text)).total == 0
        assert find(acting, Asked(text="题")).hits[0].entry == number
