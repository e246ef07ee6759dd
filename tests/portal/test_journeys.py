"""People before real pages in Chromium: they write, review, find and learn by mouse and keyboard, in both languages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed.portal.courses import enrolment
from tests.portal.pictures import picture, sound
from tests.portal.test_courses import begun, scheduled
from tests.portal.visitor import DESKTOP, PHONE, Visitor, chromium, served
from tests.portal.world import PASSWORD, reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

__all__ = ["chromium"]

pytestmark = pytest.mark.long

PLAYED = """
(to) => new Promise((done) => {
  const player = document.querySelector(".text audio");
  player.onseeked = () => done(player.currentTime);
  player.onplaying = () => { player.currentTime = to; };
  player.muted = true;
  player.play();
})
"""
"""Play, and wind on to a second of the recording once it plays."""


BROKEN_WORDS = r"""
() => [...document.querySelectorAll("table summary, table button, table label")].flatMap((one) => {
  const text = one.firstChild, words = [...text.textContent.matchAll(/\S+/g)];
  return words.filter((word) => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return range.getClientRects().length > 1;
  }).map(String);
})
"""
"""Words of what is pressed in a table that stand in two lines."""


@pytest.fixture(scope="module")
def address(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal of their own, with an entry published."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("旅") / "门户"))
    there = reopened(folder)
    text = f"先看**振动**，再看温度。\n\n```\n{'spectrum ' * 40}\n```\n\n|{'测点|' * 12}\n|{'-|' * 12}\n|{'8.4|' * 12}"
    entry = there.publish("齿轮箱质检步骤", text, audience="everyone", tags=["质检"], kind="document")
    there.publish("采购合同要点", "付款与交期。", audience="everyone", tags=["质检"])
    course = begun(there, entry)
    scheduled(there, course, teacher="admin")
    with there.acting("admin") as acting:
        enrolment.enrol(acting, course)
    there.portal.close()
    with served(folder) as address:
        yield address


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_entry_is_written_masked_reviewed_found_and_thanked_for(
    chromium: Chromium, address: str, language: str
) -> None:
    author = Visitor(chromium, address, language).sign_in("author")
    t, page, title = author.t, author.page, f"停机原因 {language}"
    author.follow(page.get_by_role("link", name=t("nav.new")))
    page.get_by_label(t("entry.title")).fill(title)
    page.get_by_label(t("entry.body")).fill("# 原因\n\n润滑不足，问 13812345678。\n\n- [x] 已查")
    author.press("edit.preview")
    page.locator("#preview h2", has_text="原因").wait_for()
    page.locator("select[name=audience]").select_option("everyone")
    author.send("edit.save")
    author.sees("138****5678")
    author.shown("sensitive")
    author.faultless("sensitive")
    author.send("edit.save_masked")
    author.sees(t("entry.masked", count=1))
    author.send("move.submit")
    author.sees(t("moved.submit"))
    path = page.url.removeprefix(address)

    reviewer = Visitor(chromium, address, language).sign_in("reviewer")
    reviewer.shown("home")
    reviewer.follow(reviewer.page.get_by_role("link", name=title).first)
    reviewer.shown("review")
    reviewer.send("move.publish")
    reviewer.sees(t("moved.publish"))

    reader = Visitor(chromium, address, language).sign_in("shop")
    reader.page.goto("/search")
    reader.page.get_by_label(t("search.words")).press_sequentially("润滑")
    reader.page.locator("#hits mark", has_text="润滑").first.wait_for()
    reader.shown("search")
    reader.follow(reader.page.locator("#hits").get_by_role("link", name=title))
    reader.press("entry.helped_me")
    reader.sees(t("entry.helped_count", count=1))
    reader.page.get_by_label(t("comments.label")).fill("谢谢 <b>!</b>")
    reader.send("comments.go")
    reader.sees("谢谢 <b>!</b>")
    reader.shown("entry")
    assert "13812345678" not in reader.page.content()
    assert reader.page.url.startswith(address + path.partition("?")[0])
    for one in (author, reviewer, reader):
        # The one error is the form's answer about what looks sensitive.
        assert [said for said in one.complaints if "409" not in said] == []


def test_a_picture_is_attached_while_writing_and_a_sound_is_played(chromium: Chromium, address: str) -> None:
    author = Visitor(chromium, address, "zh").sign_in("author")
    t, page = author.t, author.page
    page.goto("/entries/new")
    page.get_by_label(t("entry.title")).fill("轴承异响")
    page.get_by_label(t("entry.body")).fill("听一听。")
    author.send("edit.save")
    author.follow(page.get_by_role("link", name=t("entry.edit"), exact=True))
    page.get_by_label(t("entry.body")).fill("![轴承](attachment:轴承.jpg)\n\n![异响](attachment:异响.wav)")
    chosen = page.get_by_label(t("attachments.add"))
    for name, kind, content in (
        ("轴承.jpg", "image/jpeg", picture(size=(600, 300))),
        ("异响.wav", "audio/wav", sound(3)),
        ("坏.png", "image/png", b"<svg/>"),
    ):
        chosen.set_input_files({"name": name, "mimeType": kind, "buffer": content})
        author.sees(name if name != "坏.png" else t("error.attachment_kind"))
    author.shown("attachments")
    author.faultless("attachments")
    assert page.get_by_role("checkbox", checked=True).count() == 2
    author.press("edit.preview")
    page.locator("#preview img").wait_for()
    with author.leaving():
        page.get_by_label(t("entry.title")).press("Enter")
    page.locator(".text img").wait_for()
    assert page.evaluate("document.querySelector('.text img').naturalWidth") == 300
    assert page.evaluate(PLAYED, 2) >= 2
    author.shown("attached")
    author.faultless("attached")
    alone = page.locator(".text img").get_attribute("src") or ""
    page.goto(f"{page.url.split('?')[0]}/edit")
    page.get_by_label(t("entry.body")).fill("这里没有提到它们。")
    with author.leaving():
        page.get_by_label(t("entry.title")).press("Enter")
    for shown in ("audio", "img"):  # Visible, which a player without a height is not.
        page.locator(f"#attachments {shown}").wait_for()
    assert author.complaints == []
    author.follow(page.get_by_role("link", name="异响.wav"))
    page.wait_for_url("**/attachments/*")
    # The page of a file runs no script, not even one that waits: it is looked at from here.
    for _ in range(200):
        if page.evaluate("(document.querySelector('video, audio') || {}).duration > 2"):
            break
        time.sleep(0.2)
    else:
        pytest.fail("the sound is not there to be played")
    page.goto(alone)
    assert page.evaluate("document.querySelector('img').naturalWidth") == 300


def test_everything_can_be_reached_without_a_mouse(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "en")
    page = reader.page
    page.goto("/entries/1")
    page.locator("#name:focus").wait_for()  # A browser sees to that after it has loaded the page.
    page.keyboard.type("reader")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    with reader.leaving():
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="齿轮箱质检步骤").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == reader.t("nav.skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    page.keyboard.type("振动")
    with reader.leaving():
        page.keyboard.press("Enter")
    page.locator("#hits mark", has_text="振动").wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/entries/1":
            break
    with reader.leaving():
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="齿轮箱质检步骤").wait_for()
    assert reader.complaints == []


def test_no_table_is_read_letter_by_letter_on_a_phone(chromium: Chromium, address: str) -> None:
    admin = Visitor(chromium, address, "en", size=PHONE).sign_in("admin")
    for path in ("/people", "/courses/1/progress"):
        admin.page.goto(path)
        widths = admin.page.locator("td, th").evaluate_all("all => all.map(one => one.clientWidth)")
        assert min(widths) >= 60, (path, widths)
        assert admin.page.evaluate(BROKEN_WORDS) == [], path
        admin.shown("narrow")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_fault_by_day_or_night_and_no_page_is_wider_than_its_window(
    chromium: Chromium, address: str, size: dict[str, int], language: str
) -> None:
    admin = Visitor(chromium, address, language, size=size)
    admin.page.goto("/sign-in")
    admin.shown("sign-in")
    admin.sign_in("admin")
    for name, path in {
        "home": "/",
        "search": "/search?q=质检",
        "work": "/work",
        "new": "/entries/new",
        "entry": "/entries/1",
        "edit": "/entries/1/edit",
        "history": "/entries/1/history",
        "rewards": "/rewards",
        "account": "/account",
        "people": "/people",
        "courses": "/courses",
        "course": "/courses/1",
        "course-new": "/courses/new",
        "course-edit": "/courses/1/edit",
        "attendance": "/courses/1/sessions/1/attendance",
        "course-progress": "/courses/1/progress",
    }.items():
        admin.page.goto(path)
        if name == "entry":
            admin.sees(admin.t("reason.tags", tags="质检"))
        admin.shown(name)
        for scheme in ("light", "dark"):
            admin.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            admin.faultless(f"{name}, {scheme}")
        admin.page.emulate_media(color_scheme="light")
    assert admin.complaints == []
