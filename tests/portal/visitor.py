"""People before real pages: Chromium, and a portal that is served over TLS.

Set LEPTON_TEST_SCREENSHOTS to a folder to keep pictures of the pages, as a phone and as a desktop shows them.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lepton_fed.portal.wording import wording
from tests.portal.world import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Locator, Page, Route

PATIENCE = 60_000
"""Milliseconds for a page, on a machine that has much else to do."""

DOUBLE, NEAR = 700, 20
"""Milliseconds and pixels between two clicks that pages take for one double click; of the latter they take fewer."""

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


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


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """The address of this portal, in a process of its own that `lepton-fed portal serve` begins."""
    command = [sys.executable, "-m", "lepton_fed", "portal", "serve", str(folder), "--port", "0", *options]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        found = re.search(r"https://localhost:\d+", running.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        running.kill()  # The browsers' connections are open yet; a server that is asked to end waits for them.
        running.communicate()


def taken(page: Page, held: list[Route]) -> Route:
    """The next request of a page whose requests are held back."""
    for _ in range(PATIENCE // 20):
        if held:
            return held.pop()
        page.wait_for_timeout(20)
    pytest.fail("the page asks for nothing")


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
        self._pressed = (-NEAR, -NEAR), 0.0
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def sign_in(self, name: str) -> Visitor:
        self.page.goto("/")
        self.page.get_by_label(self.t("sign_in.name")).fill(name)
        self.page.get_by_label(self.t("sign_in.password"), exact=True).fill(PASSWORD)
        self.send("sign_in.go")
        return self

    def press(self, key: str) -> None:
        """Press a button that changes something in this page; so late that it is no double click."""
        button = self.page.get_by_role("button", name=self.t(key), exact=True).first
        button.scroll_into_view_if_needed()
        box = button.bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
        where = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if math.dist(where, self._pressed[0]) < NEAR:
            self.page.wait_for_timeout(max(0, DOUBLE - 1000 * (time.monotonic() - self._pressed[1])))
        button.click()
        self._pressed = where, time.monotonic()

    def send(self, key: str) -> None:
        """Press a button that sends a form, whose answer is another page."""
        with self.leaving():
            self.press(key)

    def follow(self, link: Locator) -> None:
        with self.leaving():
            link.click()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What is done in here leads to another page: the next step is taken in that one, once it has been loaded.

        A click is over before the browser leaves the page, so what follows it would see the old page, or none. A page
        that only changes its own address has not been left.
        """
        with self.page.expect_event("load"):
            yield

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
