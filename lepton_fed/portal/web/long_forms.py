"""Routes whose forms bring a text of an entry or a course: a field may be longer there than what others may bring."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lepton_fed.portal.web.guard import LARGEST, LARGEST_TEXT, Overlong, length
from lepton_fed.portal.web.visiting import NotSignedIn, visit_of

MOST_FIELDS = 10_000
"""Of a form in which people are ticked: a session has a thousand seats, and more come without one."""


class LongForms(APIRoute):
    """A route whose form is read here, before the framework would with a limit of its own: 1 MiB of a field.

    A long form takes long to read, and is read only for somebody who is signed in. A route that declares no form reads
    it when it is ready to, as for whoever may attach a file.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answered = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.body_field is not None:
                await _read(request)
            return await answered(request)

        return handle


async def _read(request: Request) -> None:
    """The form, which the request then has."""
    if length(request.headers, unsaid=LARGEST + 1) > LARGEST and await run_in_threadpool(visit_of, request) is None:
        raise NotSignedIn
    try:
        # A field with its name; what is too large altogether is refused before, or while it is read.
        await request.form(max_part_size=LARGEST + LARGEST_TEXT, max_fields=MOST_FIELDS)
    except (HTTPException, Overlong):
        raise
    except Exception as error:  # As the framework does: whatever was sent, it is no fault of the portal's.
        raise HTTPException(400, "the form cannot be read") from error
