"""What is ready before a server listens."""

from __future__ import annotations

import pytest

from lepton_fed.portal.web import page
from lepton_fed.portal.web.app import application
from lepton_fed.portal.web.preparing import prepare
from tests.portal.browser import Browser
from tests.portal.world import World


def test_a_prepared_portal_answers_and_looks_for_no_template_any_more(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page._environment.cache_clear()
    assert prepare(application(there.portal)) == 200

    def looked(*_: object) -> None:
        pytest.fail("a template was read while somebody waited")

    loader = page._environment().loader
    assert loader is not None
    monkeypatch.setattr(loader, "get_source", looked)
    reader = Browser.before(there.portal).sign_in("reader")
    for path in ("/", "/search", "/work", "/courses", "/rewards", "/account"):
        assert reader.get(path).status_code == 200
