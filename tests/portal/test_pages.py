"""What people do on the pages, from signing in to reading what somebody else published."""

from __future__ import annotations

import re
from html import unescape

import pytest

from lepton_fed.portal.web.agents import in_short
from tests.portal.browser import HERE, Browser
from tests.portal.world import World


def test_an_entry_goes_from_its_author_through_a_reviewer_to_a_reader(there: World) -> None:
    author, reviewer = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("reviewer")
    answer = author.fill(
        "/entries/new",
        title="齿轮箱质检",
        body="# 步骤\n\n先看**振动**。",
        department="研发部门",
        kind="document",
        audience="everyone",
        tags="质检，齿轮箱",
    )
    assert answer.status_code == 200, answer.text
    path = answer.url.path
    assert "<strong>振动</strong>" in answer.text
    reader = Browser.before(there.portal).sign_in("shop")
    assert reader.get(path).status_code == 404
    assert author.fill(f"{path}/move", move="submit", revision=1).status_code == 200
    assert "齿轮箱质检" in reviewer.get("/work").text
    assert reviewer.fill(f"{path}/move", move="publish", revision=1).status_code == 200
    read = reader.get(path)
    assert read.status_code == 200
    assert "<strong>振动</strong>" in read.text
    assert "<mark>质检</mark>" in reader.get("/search", params={"q": "质检"}).text
    assert "Helped 1" in reader.fill(f"{path}/helped").text
    assert "Helped 1" in reader.fill(f"{path}/helped").text, "once a person"
    assert "谢谢&lt;b&gt;" in reader.fill(f"{path}/comments", text="谢谢<b>").text


def test_somebody_reads_the_portal_in_the_language_of_their_choice(there: World) -> None:
    browser = Browser.before(there.portal, "zh-CN,zh;q=0.9").sign_in("author")
    assert "等待我审核" in browser.get("/work").text
    assert "Waiting for my review" in browser.post("/language", data={"language": "en", "back": "/work"}).text
    assert "Waiting for my review" in Browser.before(there.portal, "zh").sign_in("author").get("/work").text


def in_the_other_language(browser: Browser, page: str) -> str:
    """Where the button on a page for the other language leads."""
    (back,) = re.findall(r'name="language"[^>]*><input type="hidden" name="back" value="([^"]*)"', page)
    answer = browser.post("/language", data={"language": "zh", "back": unescape(back)})
    assert answer.status_code == 200, answer.text
    return str(answer.url).removeprefix(HERE)


@pytest.mark.parametrize("asked", ["/search?q=%E9%A2%98&page=1", "/entries/1?newest=1", "/courses/new"])
def test_another_language_shows_the_same_page(there: World, asked: str) -> None:
    there.publish("题")
    browser = Browser.before(there.portal).sign_in("author")
    assert in_the_other_language(browser, browser.get(asked).text) == asked


def test_another_language_after_a_form_shows_the_page_that_had_the_form(there: World) -> None:
    browser = Browser.before(there.portal)
    to_sign_in = "/sign-in?back=%2Fwork"
    wrong = browser.post("/sign-in", data={"name": "author"}, headers={"Referer": f"{HERE}{to_sign_in}"})
    assert in_the_other_language(browser, wrong.text) == to_sign_in
    browser.sign_in("author")
    made = browser.post(
        "/account/tokens", data={"form_token": browser.form, "name": "t"}, headers={"Referer": f"{HERE}/account"}
    )
    assert in_the_other_language(browser, made.text) == "/account"
    for referer in ("https://x//evil", "http://[", "about:blank"):
        elsewhere = browser.post("/people", data={"form_token": browser.form}, headers={"Referer": referer})
        assert in_the_other_language(browser, elsewhere.text) == "/", referer


def test_a_portal_without_entries_says_so_in_each_language(there: World) -> None:
    for language, said in (("en", "Nothing is published for you yet."), ("zh", "还没有发布给您的条目。")):
        page = Browser.before(there.portal, language).sign_in("reader").get("/").text
        assert said in page and "Nothing found" not in page and "没有找到" not in page


def test_who_may_not_write_is_told_so_instead_of_getting_a_form(there: World) -> None:
    reader = Browser.before(there.portal).sign_in("reader")
    for path in ("/entries/new", "/courses/new", "/lessons"):
        for answer in (reader.get(path), reader.fill(path, department="研发部门", title="题", body="文")):
            assert answer.status_code == 403
            assert "you may not write for 研发部门" in answer.text
            assert "<select" not in answer.text
        for page in ("/", "/courses", "/work"):
            assert f'href="{path}"' not in reader.get(page).text


def test_a_quarter_is_not_taken_for_a_month(there: World) -> None:
    for language, said in (("en", "Q4 2026"), ("zh", "2026 年第 4 季度")):
        page = Browser.before(there.portal, language).sign_in("reader").get("/rewards").text
        assert f": {said}</h1>" in page and f'<th scope="row">{said}</th>' in page


def test_the_picture_of_who_learns_from_whom_says_which_side_is_which(there: World) -> None:
    number = there.publish("题", audience="everyone")
    Browser.before(there.portal).sign_in("shop").get(f"/entries/{number}")
    for language, reads, writes in (("en", "Read →", "Wrote →"), ("zh", "阅读 →", "写作 →")):
        page = Browser.before(there.portal, language).sign_in("reader").get("/rewards").text
        picture = page[page.index("<svg") : page.index("</svg>")]
        assert re.findall(r'<text class="axis"[^>]*>([^<]*)</text>', picture) == [reads, writes]
        for attribute, element in (("labelledby", "title"), ("describedby", "desc")):
            (named,) = re.findall(rf'aria-{attribute}="([^"]+)"', picture)
            assert re.search(rf'<{element} id="{named}">[^<]+</{element}>', picture)


def test_every_page_can_be_shown(there: World) -> None:
    number = there.publish("题", "一\n二\n三", audience="named", named=["生产车间"])
    admin = Browser.before(there.portal).sign_in("admin")
    path = f"/entries/{number}"
    admin.fill(f"{path}/edit", title="题目", body="一\n贰\n三", base=1, note="改", audience="everyone")
    for page in ("/", "/search?q=题", "/work", "/account", "/people", path, f"{path}?newest=1", f"{path}/edit",
                 f"{path}/history", f"{path}/differences?older=1&newer=2", "/entries/new"):  # fmt: skip
        answer = admin.get(page)
        assert answer.status_code == 200, (page, answer.text)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<b>贰</b>" in admin.get(f"{path}/differences?older=1&newer=2").text


def test_a_browser_is_called_by_its_name_and_what_it_says_is_a_title(there: World) -> None:
    said = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"
    browser = Browser.before(there.portal)
    browser.headers["user-agent"] = said
    page = browser.sign_in("author").get("/account").text
    assert f'<span title="{said}">Edge · Windows</span>' in page


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari · macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/130 Safari/604.1", "Chrome · iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/116 Safari/537.36 MicroMessenger/8.0", "WeChat · Android"),
        ("python-httpx/0.28", "python-httpx/0.28"),
        ("x" * 100, "x" * 39 + "…"),
        ("", ""),
    ],
)
def test_a_browser_that_is_known_has_a_short_name(said: str, name: str) -> None:
    assert in_short(said) == name


def test_the_icon_is_where_browsers_look_for_it_by_themselves(there: World) -> None:
    answer = Browser.before(there.portal).get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")


def test_a_token_made_on_the_account_page_is_shown_once_and_opens_the_interface(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    said = "Copy this token now"
    assert said not in browser.get("/account").text
    made = browser.fill("/account/tokens", name="报表", days="30").text
    found = re.search(r'<span class="token">(lfp_[\w-]{43})</span>', made)
    assert found is not None and said in made
    assert browser.get("/api/me", headers={"Authorization": f"Bearer {found[1]}"}).json()["name"] == "author"
    again = browser.get("/account").text
    assert "报表" in again and found[1] not in again and said not in again
