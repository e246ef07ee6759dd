"""A browser as far as a portal can tell: keeps cookies, says where a form was sent from, follows to the next page."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from httpx import Response
from starlette.datastructures import State

with warnings.catch_warnings():
    # Starlette would rather have a fork of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.app import application
from lepton_fed.portal.web.visiting import COOKIE, Limits
from tests.portal.world import PASSWORD

_served: dict[Portal, FastAPI] = {}
"""By whom a portal is served in this test."""

_idle: list[FastAPI] = []
"""FastAPI prepares its routes at the first request: half a second, so the next test's portal gets one that has."""

HERE = "https://portal.example"


class Unlimited(Limits):
    """For whoever asks more often than people do."""

    def count(self, person: object, *, changes: bool) -> None:
        """Never too often."""


def _serving(portal: Portal) -> FastAPI:
    new = application(portal)
    if not _idle:
        return new
    used = _idle.pop()
    used.state = new.state  # All that an application knows of its portal and remembers of requests.
    return used


def forget_portals() -> None:
    """At the end of a test: what served its portals serves those of the next."""
    for app in _served.values():
        app.state = State()
        _idle.append(app)
    _served.clear()


@contextmanager
def one_event_loop() -> Iterator[None]:
    """Browsers made meanwhile ask in one event loop, as a server answers, instead of in one for each request."""
    with start_blocking_portal() as loop:
        Browser.portal = loop
        yield
        Browser.portal = None


class Browser(TestClient):
    """`post` brings what a form of the last signed-in page would."""

    form = ""

    @classmethod
    def before(cls, portal: Portal, language: str = "en") -> Self:
        if portal not in _served:
            _served[portal] = _serving(portal)
        return cls(
            _served[portal],
            base_url=HERE,
            headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": language},
            raise_server_exceptions=True,
        )

    def sign_in(self, name: str, password: str = PASSWORD) -> Self:
        answer = self.post("/sign-in", data={"name": name, "password": password})
        assert COOKIE in self.cookies, answer.text
        found = re.search(r'name="form_token" value="(\w+)"', answer.text)
        assert found is not None, answer.text
        self.form = found[1]
        return self

    def fill(self, path: str, **fields: Any) -> Response:
        """A form, with the token of this session."""
        return self.post(path, data={"form_token": self.form, **fields})
