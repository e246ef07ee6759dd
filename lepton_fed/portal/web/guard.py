"""Around every request: where it may come from, how large it may be, and what a browser is told about the answer.

    Guard ──► the application        refuses strangers' forms (403) and large bodies (413) before anything reads them

A browser says with `Sec-Fetch-Site`, an older one with `Origin`, which site a form was sent from. The REST interface
looks at no cookie, so that no other site can make a browser use it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lepton_fed.errors import StorageError
from lepton_fed.portal.attachments.kinds import LARGEST as LARGEST_FILE
from lepton_fed.portal.entries.content import LONGEST_BODY
from lepton_fed.portal.errors import PortalError, TooLarge
from lepton_fed.portal.web.bare import Stranger
from lepton_fed.portal.web.page import refused
from lepton_fed.portal.web.visiting import visit_of

LARGEST = 1024 * 1024
"""Bytes of a request's body; where it brings a text of an entry or of a course, besides that."""

LARGEST_TEXT = 12 * LONGEST_BODY
"""Bytes of a text as it is sent: a Chinese character has nine in a form, and none has more than twelve, nor in JSON."""

_WRITING = re.compile(
    r"/(?:entries|courses)/(?:new|preview|[0-9]{1,19}/(?:edit|attachments/[0-9]{1,19}/remove))"
    r"|/api/(?:entries(?:/[0-9]{1,19}/revisions)?|courses(?:/[0-9]{1,19})?)"
)
"""The paths that such texts are sent to."""

_ATTACHING = re.compile(r"(?:/api)?/entries/[0-9]{1,19}/attachments")
"""The paths that files are sent to, together with the form that they are chosen on."""

API = "/api/"
SAFE = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Overlong(Exception):
    """A body has grown beyond what is read."""


class Guard:
    """ASGI middleware. `strict_transport`: tell browsers never to come without TLS again.

    That is for a certificate that browsers trust by themselves: of one that they do not, they would let nobody past.
    """

    def __init__(self, app: ASGIApp, *, strict_transport: bool = False) -> None:
        self._app = app
        strict = {"Strict-Transport-Security": "max-age=31536000"} if strict_transport else {}
        self._headers = HEADERS | strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._with_headers(scope, send)
        if not _own(scope, headers):
            await (await _refused(scope, Stranger()))(scope, receive, answer)
        elif length(headers) > _largest(scope):
            await (await _refused(scope, TooLarge()))(scope, receive, answer)
        else:
            try:
                await self._app(scope, _counted(receive, _largest(scope)), answer)
            except Overlong:
                await (await _refused(scope, TooLarge()))(scope, receive, answer)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    # A file of somebody's is told less than a page: its route says so itself.
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return answer


def _own(scope: Scope, headers: Headers) -> bool:
    """Whether it changes nothing, brings no cookie into play, or was sent from a page of ours."""
    if scope["method"] in SAFE or scope["path"].startswith(API):
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


def from_here(headers: Headers) -> bool:
    """Whether a page of the portal's own sent this, as far as the browser says: nobody else, and no typed address."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return headers.get("origin") == f"https://{headers.get('host')}"


async def _refused(scope: Scope, error: PortalError) -> Response:
    if scope["path"].startswith(API):
        return JSONResponse({"error": error.key, "sentence": str(error)}, error.status)
    request = Request(scope)
    if isinstance(error, TooLarge):  # What comes from elsewhere is answered as to nobody.
        with suppress(StorageError):  # Then nobody is known, and the page is one for whoever comes.
            request.state.visit = await run_in_threadpool(visit_of, request)
    return await run_in_threadpool(refused, request, error)


def length(headers: Headers, *, unsaid: int = 0) -> int:
    """What the request says of its body; more than the largest where it says nonsense."""
    said = headers.get("content-length", str(unsaid))
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else LARGEST_FILE + LARGEST + 1


def _largest(scope: Scope) -> int:
    if scope["method"] == "POST" and _ATTACHING.fullmatch(scope["path"]):
        return LARGEST + LARGEST_FILE
    return LARGEST + LARGEST_TEXT if _WRITING.fullmatch(scope["path"]) else LARGEST


def _counted(receive: Receive, largest: int) -> Receive:
    """Stops reading the body of a request that did not say how large it is, where it grows too large."""
    total = 0

    async def counting() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > largest:
            raise Overlong
        return message

    return counting
