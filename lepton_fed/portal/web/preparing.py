"""What is made once, for the first who come: made before a server listens, so that they do not wait for it together.

Templates and sentences are read, and one small request is answered: FastAPI makes its table of routes at the first.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.types import Message

from lepton_fed.portal.web.page import load

SMALL = "/static/icon.svg"


def prepare(app: FastAPI) -> int:
    """Have all of it; returns the status of the small request. Not from within an event loop."""
    load()
    return asyncio.run(_status(app))


async def _status(app: FastAPI) -> int:
    found: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": SMALL,
        "raw_path": SMALL.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    return found[0]
