"""Ends a connection whose request does not come: uvicorn by itself waits for the end of its head as long as it takes.

connected, or the first byte of a further request  --head complete-->  answered, however long that takes
                   └──────────── not in time ────►  ended
"""

from __future__ import annotations

import asyncio
from typing import Any


def impatient(http: Any, within: float) -> type[asyncio.Protocol]:
    """A class of uvicorn's for HTTP that waits so many seconds for the head of a request, however many bytes come."""

    class Impatient(http):  # type: ignore[misc]
        _ending: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._wait(begun=True)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait(begun=self.cycle is None or self.cycle.response_complete)

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait(begun=False)
            super().connection_lost(exc)

        def _wait(self, *, begun: bool) -> None:
            """`begun`: a request, of which the head is not complete."""
            if begun and self._ending is None:
                # Not closed: whoever holds connections open does not say good-bye either.
                self._ending = self.loop.call_later(within, self.transport.abort)
            elif not begun and self._ending is not None:
                self._ending.cancel()
                self._ending = None

    return Impatient
