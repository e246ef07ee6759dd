"""A form that came without a session, or with the token of another: nothing is saved, and what was sent goes back.

    no session ──► 401: sign in elsewhere, send again ──► no good token ──► 403: who you are now, send again ──► saved

What another site makes a browser send must not become a form that is filled in and waits for one press: it goes back
only to a page of the portal's own (`guard.from_here`), and only the fields that the form has. Passwords, files and
tokens do not go back, and nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.params import File
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.web.entry_form import EntryForm
from lepton_fed.portal.web.guard import LARGEST, from_here
from lepton_fed.portal.web.page import own_path, page
from lepton_fed.portal.web.typed import TEXTS
from lepton_fed.portal.web.visiting import NotSignedIn

SECRET = frozenset({"password", "current", "chosen"})
"""Fields for passwords."""


@dataclass(frozen=True)
class Sent:
    """What a form brought, of what may go back; `whole`: that is all of it, so that it can be sent again."""

    fields: tuple[tuple[str, str], ...] = ()
    whole: bool = False

    @property
    def texts(self) -> list[tuple[str, str, str]]:
        """Name, what it is called, and what was written."""
        return [(name, TEXTS[name], value) for name, value in self.fields if name in TEXTS and value]

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """The others: name and value."""
        return [(name, value) for name, value in self.fields if name not in TEXTS or not value]


def is_for(request: Request, error: PortalError) -> bool:
    """Whether a form's refusal is answered here: one that scripts sent has its page still."""
    if request.method != "POST" or request.headers.get("hx-request"):
        return False
    return isinstance(error, NotSignedIn) or from_here(request.headers)


async def answer(request: Request, error: PortalError) -> Response:
    """What was sent, to be sent again where that is possible; for whoever has no session, with the way to a new one."""
    sent = await _sent(request, error) if from_here(request.headers) else Sent()
    action = quote(request.scope["path"]) if sent.whole else ""
    of = {"sent": sent, "action": action, "back": _page_of(request)}
    return await run_in_threadpool(page, request, "unsent.html.j2", error.status, **of)


async def _sent(request: Request, error: PortalError) -> Sent:
    # Of a stranger nothing large is read, which only forms with an attachment are; who has a session was read before.
    if isinstance(error, NotSignedIn) and not _is_small(request):
        return Sent()
    try:
        async with request.form(max_files=1) as form:
            brought = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    except (HTTPException, ClientDisconnect, ValueError):  # The last: what parses a file's form says so.
        return Sent()
    known, whole = _known(request.scope["route"].dependant)
    return Sent(tuple((name, value) for name, value in brought if name in known), whole)


def _is_small(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= LARGEST


def _known(dependant: Dependant) -> tuple[set[str], bool]:
    """The fields of a form that may go back, and whether these are all that it has."""
    fields = {one.alias: isinstance(one.field_info, File) for one in _fields(dependant)}
    if not fields:  # One that the route reads by itself, an attachment being in it: an entry's.
        return set(signature(EntryForm).parameters), True
    kept = {name for name, is_file in fields.items() if not is_file and name not in SECRET}
    return kept - {"form_token"}, len(kept) == len(fields)


def _fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.body_params
    for inner in dependant.dependencies:
        yield from _fields(inner)


def _page_of(request: Request) -> str:
    """The page that had the form: as the browser says or, where that is no page of ours, one above the form's path."""
    try:
        where = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # A browser writes no such thing.
        where = urlsplit("")
    if where.netloc == request.headers.get("host") and _is_page(request, unquote(where.path)):
        return own_path(f"{where.path}?{where.query}" if where.query else where.path)
    above: str = request.scope["path"]
    while above and not _is_page(request, above):
        above = above.rpartition("/")[0]
    return own_path(quote(above))


def _is_page(request: Request, path: str) -> bool:
    asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(one.matches(asked)[0] is Match.FULL for one in request.app.routes)
