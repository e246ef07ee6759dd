"""What the server refuses by itself is a page in the reader's language for browsers, and JSON for calls."""

from __future__ import annotations

import pytest

from lepton_fed.errors import StorageError
from lepton_fed.portal.web.guard import LARGEST
from lepton_fed.portal.wording import wording
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.test_courses import begun
from tests.portal.test_every_field import pages
from tests.portal.test_security import filled
from tests.portal.world import World

__all__ = ["call"]

BACK = '<a href="/">'
OUT = 'action="/sign-out"'
"""What a page has for whoever is signed in."""


def test_the_address_of_a_form_leads_to_the_page_of_what_it_is_about(there: World) -> None:
    course, entry = begun(there), there.publish("轴承")
    author = Browser.before(there.portal).sign_in("author")
    for path, page in {
        f"/courses/{course}/sessions": f"/courses/{course}",
        f"/courses/{course}/sessions/1/seat?again=1": f"/courses/{course}",
        f"/entries/{entry}/comments/1/take-back": f"/entries/{entry}",
        "/account/password": "/account",
    }.items():
        opened = author.get(path)
        assert (opened.status_code, str(opened.url).partition("example")[2]) == (200, page), path


def test_no_address_of_a_form_answers_a_browser_with_less_than_a_page(there: World) -> None:
    author = Browser.before(there.portal, "zh").sign_in("author")
    routes = pages(there)
    shown = {route.path for route in routes if "GET" in route.methods}
    alone = set()
    for route in routes:
        if route.path in shown:
            continue
        opened = author.get(filled(route.path, 1))
        assert OUT in opened.text, route.path
        if opened.status_code == 405:
            assert (wording("zh")("error.no_page") in opened.text, BACK in opened.text) == (True, True)
            assert opened.headers["Allow"] == "POST"
            alone.add(route.path)
    assert alone == {"/sign-out", "/language"}


def test_calls_are_answered_in_json_as_before(there: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = call("author", "DELETE", "/courses")
    assert (refused.status_code, refused.json()) == (405, {"error": "request", "sentence": "Method Not Allowed"})
    monkeypatch.setattr(there.portal, "database", Gone())
    refused = call("author", "GET", "/courses")
    assert (refused.status_code, refused.json()["error"]) == (503, "database")


def test_a_page_says_that_the_database_is_gone(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    author = Browser.before(there.portal, "zh").sign_in("author")
    monkeypatch.setattr(there.portal, "database", Gone())
    refused = author.get("/work")
    assert (refused.status_code, wording("zh")("error.database") in refused.text) == (503, True)
    assert (BACK in refused.text, OUT in refused.text) == (True, False)
    for method, path, status in (("PUT", "/entries/1", 405), ("GET", "/sign-out", 405), ("GET", "/nowhere", 404)):
        refused = author.request(method, path)
        assert (refused.status_code, BACK in refused.text) == (status, True), path


def test_a_page_says_that_a_form_is_too_large_or_a_strangers(there: World) -> None:
    author = Browser.before(there.portal, "zh").sign_in("author")
    large = author.fill("/entries/new", body="多" * LARGEST)
    assert (large.status_code, wording("zh")("error.too_large") in large.text, BACK in large.text) == (413, True, True)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    endless = author.post("/entries/new", content=iter([b"x" * LARGEST] * 6), headers=form)
    assert (endless.status_code, wording("zh")("error.too_large") in endless.text) == (413, True)
    strange = author.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert (strange.status_code, wording("zh")("error.stranger") in strange.text) == (403, True)
    assert strange.headers["X-Frame-Options"] == "DENY"
    broken = author.post("/entries/new", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert (broken.status_code, wording("zh")("error.request") in broken.text, OUT in broken.text) == (400, True, True)


class Gone:
    """A database that cannot be reached."""

    def reading(self) -> object:
        raise StorageError("it is gone")
