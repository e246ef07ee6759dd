"""People before real pages: Chromium and a portal that is served over TLS, by mouse and keyboard, in both languages.

Set LEPTON_TEST_SCREENSHOTS to a folder to keep pictures of the pages, as a phone and as a desktop shows them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed.portal.courses import learning
from lepton_fed.portal.wording import wording
from tests.portal.pictures import picture, sound
from tests.portal.test_courses import begun, scheduled
from tests.portal.world import PASSWORD, reopened

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

pytestmark = pytest.mark.long

PATIENCE = 60_000
"""Milliseconds for a page, on a machine that has much else to do."""

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium is installed; on Debian and Ubuntu: apt-get install chromium fonts-noto-cjk")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal of their own, with an entry published."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("旅") / "门户"))
    there = reopened(folder)
    entry = there.publish(
        "齿轮箱质检步骤", "先看**振动**，再看温度。", audience="everyone", tags=["质检"], kind="document"
    )
    there.publish("采购合同要点", "付款与交期。", audience="everyone", tags=["质检"])
    course = begun(there, entry)
    scheduled(there, course, teacher="admin")
    with there.acting("admin") as acting:
        learning.enrol(acting, course)
    there.portal.close()
    command = [sys.executable, "-m", "lepton_fed", "portal", "serve", str(folder), "--port", "0"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        found = re.search(r"https://localhost:\d+", running.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        running.kill()  # The browsers' connections are open yet; a server that is asked to end waits for them.
        running.communicate()


class Visitor:
    """Somebody in a browser of their own; what the browser complains of is kept in `complaints`."""

    def __init__(self, chromium: Chromium, address: str, language: str, *, size: dict[str, int] | None = None) -> None:
        context = chromium.new_context(
            base_url=address,
            ignore_https_errors=True,
            locale="zh-CN" if language == "zh" else "en-GB",
            viewport=size or DESKTOP,  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE)
        self.t = wording(language)
        self.language = language
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def sign_in(self, name: str) -> Visitor:
        self.page.goto("/")
        self.page.get_by_label(self.t("sign_in.name")).fill(name)
        self.page.get_by_label(self.t("sign_in.password"), exact=True).fill(PASSWORD)
        self.press("sign_in.go")
        self.page.get_by_role("heading", level=1).wait_for()
        return self

    def press(self, key: str) -> None:
        self.page.get_by_role("button", name=self.t(key), exact=True).first.click()

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def faultless(self, name: str) -> None:
        """axe finds nothing wrong with the page for people who do not see it, or see it differently."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
        faults = axe.Axe().run(self.page).response["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in faults] == [], name

    def shown(self, name: str) -> None:
        """The page is no wider than its window; it is drawn where that is asked for."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
        folder = os.environ.get("LEPTON_TEST_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            width = self.page.viewport_size["width"]  # type: ignore[index]
            self.page.screenshot(path=f"{folder}/{name}-{self.language}-{width}.png", full_page=True)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_entry_is_written_masked_reviewed_found_and_thanked_for(
    chromium: Chromium, address: str, language: str
) -> None:
    author = Visitor(chromium, address, language).sign_in("author")
    t, page, title = author.t, author.page, f"停机原因 {language}"
    page.get_by_role("link", name=t("nav.new")).click()
    page.get_by_label(t("entry.title")).fill(title)
    page.get_by_label(t("entry.body")).fill("# 原因\n\n润滑不足，问 13812345678。\n\n- [x] 已查")
    author.press("edit.preview")
    page.locator("#preview h2", has_text="原因").wait_for()
    page.locator("select[name=audience]").select_option("everyone")
    author.press("edit.save")
    author.sees("138****5678")
    author.shown("sensitive")
    author.faultless("sensitive")
    author.press("edit.save_masked")
    author.sees(t("entry.masked", count=1))
    author.press("move.submit")
    author.sees(t("moved.submit"))
    path = page.url.removeprefix(address)

    reviewer = Visitor(chromium, address, language).sign_in("reviewer")
    reviewer.shown("home")
    reviewer.page.get_by_role("link", name=title).first.click()
    reviewer.shown("review")
    reviewer.press("move.publish")
    reviewer.sees(t("moved.publish"))

    reader = Visitor(chromium, address, language).sign_in("shop")
    reader.page.goto("/search")
    reader.page.get_by_label(t("search.words")).press_sequentially("润滑")
    reader.page.locator("#hits mark", has_text="润滑").first.wait_for()
    reader.shown("search")
    reader.page.locator("#hits").get_by_role("link", name=title).click()
    reader.press("entry.helped_me")
    reader.sees(t("entry.helped_count", count=1))
    reader.page.get_by_label(t("comments.label")).fill("谢谢 <b>!</b>")
    reader.press("comments.go")
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
    author.press("edit.save")
    page.get_by_role("link", name=t("entry.edit"), exact=True).click()
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
    page.get_by_label(t("entry.title")).press("Enter")
    page.locator(".text img").wait_for()
    assert page.evaluate("document.querySelector('.text img').naturalWidth") == 300
    assert page.evaluate(PLAYED, 2) >= 2
    author.shown("attached")
    author.faultless("attached")
    page.goto(page.locator(".text img").get_attribute("src") or "")
    assert author.complaints == []


def test_everything_can_be_reached_without_a_mouse(chromium: Chromium, address: str) -> None:
    reader = Visitor(chromium, address, "en")
    page = reader.page
    page.goto("/entries/1")
    page.keyboard.type("reader")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="齿轮箱质检步骤").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == reader.t("nav.skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    page.keyboard.type("振动")
    page.keyboard.press("Enter")
    page.locator("#hits mark", has_text="振动").wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/entries/1":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="齿轮箱质检步骤").wait_for()
    assert reader.complaints == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_no_fault_and_no_page_is_wider_than_its_window(
    chromium: Chromium, address: str, size: dict[str, int]
) -> None:
    admin = Visitor(chromium, address, "zh", size=size)
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
        if size is DESKTOP:
            admin.faultless(name)
    assert admin.complaints == []
