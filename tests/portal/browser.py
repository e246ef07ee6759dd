"""A browser as far as a portal can tell: keeps cookies, says where a form was sent from, follows to the next page."""

from __future__ import annotations

import re
import warnings
from typing import Any, Self
from weakref import WeakKeyDictionary

from fastapi import FastAPI
from httpx import Response

with warnings.catch_warnings():
    # Starlette would rather have a fork of httpx, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.app import application
from lepton_fed.portal.web.visiting import COOKIE, Limits
from tests.portal.world import PASSWORD

_served: WeakKeyDictionary[Portal, FastAPI] = WeakKeyDictionary()
"""Making an application takes longer than most requests."""

HERE = "https://portal.example"


class Unlimited(Limits):
    """For whoever asks more often than people do."""

    def count(self, person: object, *, changes: bool) -> None:
        """Never too often."""


class Browser(TestClient):
    """`post` brings what a form of the last signed-in page would."""

    form = ""

    @classmethod
    def before(cls, portal: Portal, language: str = "en") -> Self:
        if portal not in _served:
            _served[portal] = application(portal)
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
