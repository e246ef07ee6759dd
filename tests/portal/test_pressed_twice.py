"""Hands before real pages in Chromium: what is pressed twice is done once, what was typed is not left unasked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed.portal.courses import enrolment
from lepton_fed.portal.courses.timing import typed
from tests.portal.pictures import picture
from tests.portal.test_courses import begun, scheduled
from tests.portal.visitor import DOUBLE, Visitor, chromium, served, taken
from tests.portal.world import reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Locator, Page, Route

__all__ = ["chromium"]

pytestmark = pytest.mark.long

TITLE = "齿轮箱质检步骤"
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
IN_MANY_YEARS = typed("2099-12-05T14:00")
"""A process that serves a portal has the machine's clock, by which a session that has begun has no seats to give."""

A_WHILE = 300
"""Milliseconds in which something that should not happen would have."""


@pytest.fixture(scope="module")
def folder(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a portal with an entry published, and a course with seats."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("手") / "门户"))
    there = reopened(folder)
    entry = there.publish(TITLE, "先看振动，再看温度。", audience="everyone")
    course = begun(there, entry)
    scheduled(there, course, teacher="admin", at=IN_MANY_YEARS)
    with there.acting("admin") as acting:
        enrolment.enrol(acting, course)
    there.portal.close()
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


def middle(button: Locator) -> tuple[float, float]:
    box = button.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def twice(page: Page, button: Locator, apart: int) -> None:
    """As a hand does it, `apart` milliseconds, whatever page the second click meets."""
    page.mouse.move(*middle(button))
    page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(apart)
    page.mouse.down()
    page.mouse.up()


def slowly(page: Page, latency: int) -> None:
    """From now on answers take so many milliseconds longer."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    speed = {"downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", {"offline": False, "latency": latency, **speed})


def comments_twice(reader: Visitor) -> int:
    """How many comments a double click leaves whose answer takes its time."""
    page = reader.page
    page.goto("/entries/1")
    before = page.locator("#comments li").count()
    page.get_by_label(reader.t("comments.label")).fill("谢谢")
    button = page.get_by_role("button", name=reader.t("comments.go"), exact=True)
    button.scroll_into_view_if_needed()
    slowly(page, 300)
    with reader.leaving():
        twice(page, button, 60)
    page.goto("/entries/1")
    return page.locator("#comments li").count() - before


def test_a_comment_whose_button_is_clicked_twice_before_the_answer_is_written_once(
    chromium: Chromium, address: str
) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("shop")
    assert comments_twice(reader) == 1
    assert reader.complaints == []


def test_the_second_click_of_two_presses_nothing_on_the_next_page_and_a_later_one_does(
    chromium: Chromium, address: str
) -> None:
    admin = Visitor(chromium, address, "zh").sign_in("admin")
    page, t = admin.page, admin.t
    page.clock.set_fixed_time(NOON)
    page.goto("/courses/1")
    take = page.get_by_role("button", name=t("courses.take_seat"), exact=True)
    give = page.get_by_role("button", name=t("courses.give_back"), exact=True)
    take.scroll_into_view_if_needed()
    where = middle(take)
    admin.follow(take)
    assert middle(give) == pytest.approx(where, abs=8)
    page.clock.set_fixed_time(NOON + timedelta(milliseconds=DOUBLE - 1))
    give.click()
    page.wait_for_timeout(A_WHILE)
    assert give.is_visible()
    page.clock.set_fixed_time(NOON + timedelta(milliseconds=2 * DOUBLE))
    admin.follow(give)
    take.wait_for()
    assert admin.complaints == []


def test_text_that_was_typed_and_not_sent_is_not_left_without_a_question(chromium: Chromium, address: str) -> None:
    author = Visitor(chromium, address, "zh").sign_in("author")
    page, t = author.page, author.t
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.goto("/entries/new")
    page.get_by_label(t("entry.title")).press_sequentially("停机")
    page.get_by_label(t("entry.body")).press_sequentially("问 13812345678。")
    page.get_by_role("link", name=t("nav.courses"), exact=True).click()
    page.wait_for_timeout(A_WHILE)
    assert asked == ["beforeunload"]
    assert page.get_by_label(t("entry.title")).input_value() == "停机"
    author.send("edit.save")
    author.sees("138****5678")
    # What is still to be confirmed is not saved either.
    page.get_by_label(t("entry.title")).click()
    page.get_by_role("link", name=t("nav.courses"), exact=True).click()
    page.wait_for_timeout(A_WHILE)
    assert asked == ["beforeunload"] * 2
    author.send("edit.save_masked")
    # Nor is anything left of what was taken out again.
    page.get_by_label(t("comments.label")).press_sequentially("谢")
    page.get_by_label(t("comments.label")).press("Backspace")
    author.follow(page.get_by_role("link", name=t("nav.courses"), exact=True))
    assert asked == ["beforeunload"] * 2


def test_what_an_input_method_wrote_is_not_left_without_a_question_and_who_stays_may_send_again(
    chromium: Chromium, address: str
) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("shop")
    page, t = reader.page, reader.t
    page.goto("/entries/1")
    page.get_by_label(t("comments.label")).focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "xie", "selectionStart": 3, "selectionEnd": 3})
    keyboard.send("Input.insertText", {"text": "谢"})
    page.get_by_text(t("report.open"), exact=True).click()
    page.get_by_label(t("report.label")).fill("步骤二有误")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    reader.press("report.go")
    page.wait_for_timeout(A_WHILE)
    assert (asked, page.get_by_label(t("report.label")).input_value()) == (["beforeunload"], "步骤二有误")
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    reader.send("report.go")
    reader.sees(t("report_state.open"))
    assert asked == ["beforeunload"] * 2
    assert reader.complaints == []


def test_a_browser_that_keeps_nothing_sends_a_form_once_too(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "zh").sign_in("reader")
    denied = "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('denied'); } })"
    reader.page.add_init_script(denied)
    assert comments_twice(reader) == 1
    assert reader.complaints == []


def test_nothing_is_saved_while_a_file_is_being_uploaded(chromium: Chromium, address: str) -> None:
    author = Visitor(chromium, address, "zh").sign_in("author")
    page, t = author.page, author.t
    page.goto("/entries/1/edit")
    held: list[Route] = []
    page.route("**/attachments", lambda route: held.append(route))
    chosen = page.get_by_label(t("attachments.add"))
    chosen.set_input_files({"name": "轴承.jpg", "mimeType": "image/jpeg", "buffer": picture(size=(60, 30))})
    author.sees(t("attachments.uploading"))
    saves = page.get_by_role("button", name=t("edit.save"), exact=True)
    assert saves.last.is_disabled()
    assert chosen.is_disabled()
    page.get_by_label(t("entry.title")).press("Enter")
    page.wait_for_timeout(A_WHILE)
    taken(page, held).continue_()
    page.get_by_role("checkbox", name="轴承.jpg").wait_for()
    assert not page.get_by_text(t("attachments.uploading")).is_visible()
    author.send("edit.save")
    page.get_by_role("link", name="轴承.jpg").wait_for()
    assert author.complaints == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_says_that_what_was_pressed_was_not_heard(
    chromium: Chromium, folder: Path, tmp_path: Path, language: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "门户"))
    with served(copy) as address:
        reader = Visitor(chromium, address, language).sign_in("shop")
        page, t = reader.page, reader.t
        page.goto("/entries/1")
        page.get_by_label(t("comments.label")).fill("写到一半")
        page.evaluate("document.querySelector('#helped ~ form [name=form_token]').value = 'stale'")
        reader.press("entry.helped_me")
        page.get_by_text(t("unheard.refused")).wait_for()
        reader.faultless("unheard")
        reader.shown("unheard")
    reader.press("entry.helped_me")
    page.get_by_text(t("unheard.away")).wait_for()
    assert not page.get_by_text(t("unheard.refused")).is_visible()
    assert page.get_by_label(t("comments.label")).input_value() == "写到一半"
