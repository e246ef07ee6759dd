"""A file on its way in and out: received into the portal's folder, answered so that nothing in it can act.

The answer says what the file is and that a browser is not to guess; its policy lets it load and run nothing. One range
is answered at a time, which is what players ask for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.attachments.kinds import LARGEST, MIB
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.portal import Portal

POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "sandbox allow-same-origin"
)
"""Styles are those that a browser gives to a picture or a recording that is opened by itself.

A player asks for the file once more, which it gets as the portal's own origin alone. It runs no script either way.
"""


class _Ranged(FileResponse):
    """Many ranges in one request cost much and are asked for by nobody: they are answered with the whole.

    So is one that ends before it begins.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope).get("range", "")
        if "," in asked or _is_backwards(asked):
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
        await super().__call__(scope, receive, send)


def _is_backwards(asked: str) -> bool:
    start, _, end = asked.partition("=")[2].partition("-")
    try:
        return int(start) > int(end)
    except ValueError:
        return False


def answer(portal: Portal, found: Attachment) -> FileResponse:
    """The file of an attachment that somebody may see."""
    path = portal.files.path(found.digest)
    try:
        there = path.stat()
    except FileNotFoundError:
        raise NotThere from None
    return _Ranged(
        path,
        stat_result=there,
        media_type=found.kind,
        filename=found.name,
        content_disposition_type="attachment" if found.of_kind.shown == "file" else "inline",
        headers={"Content-Security-Policy": POLICY, "ETag": f'"{found.digest}"'},
    )


@contextmanager
def received_form(portal: Portal, file: UploadFile) -> Iterator[Path]:
    """A form's file, in the portal's folder."""
    with portal.files.part() as path:
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target, MIB)
        yield path


async def received(request: Request, path: Path) -> None:
    """Write the request's body to a file as it comes; Unacceptable where that is more than any kind may have."""
    size = 0
    with path.open("wb") as target:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST:
                raise Unacceptable("attachment_size", most=LARGEST // MIB)
            await run_in_threadpool(target.write, chunk)
