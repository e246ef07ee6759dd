"""A look for messages waits at the door until there is one: found at once, without asking again and again.

coordinator's thread   ring(node)       a message was left, or something was uploaded
server's event loop    await wait(...)  until then, or for `HOLD` seconds
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

HOLD = 5.0
"""Seconds that a look waits: how long a department that is to end may take to notice, and far from Flower's timeout."""


class Doorbell:
    """Who waits for messages, by node, for `hold` seconds at most. All but `wait` may be called from any thread."""

    def __init__(self, hold: float = HOLD) -> None:
        self.hold = hold
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._left: Counter[int] = Counter()
        self._seen: Counter[int] = Counter()
        """How many messages were there for a node when its last look was let through."""
        self._closed = False
        self.uploads = threading.Event()
        """Set when departments have sent something: for whoever waits for replies."""

    def ring(self, node: int) -> None:
        """A message was left for this node."""
        with self._lock:
            self._left[node] += 1
            self._wake(node)

    def taken(self, node: int, found: bool) -> None:
        """The node has looked, and found a message or none; what was left for it since then still counts."""
        with self._lock:
            self._left[node] = max(0, self._left[node] - (1 if found else self._seen[node]))

    def let_go(self, node: int) -> None:
        """Who waits as this node waits no longer."""
        with self._lock:
            self._wake(node)

    def close(self) -> None:
        """Everybody who waits is let go, and nobody waits any more."""
        with self._lock:
            self._closed = True
            for node in self._waiting:
                self._wake(node)
        self.uploads.set()

    async def wait(self, node: int, receive: Callable[[], Awaitable[Any]]) -> bool:
        """Until a message is there for the node or the time is over; False if the caller has left meanwhile.

        Of two looks of one node the earlier is let go, so that a node holds one connection here and not hundreds.
        """
        event = asyncio.Event()
        with self._lock:
            self._seen[node] = self._left[node]
            if self._left[node] or self._closed:
                return True
            self._wake(node)
            self._waiting[node] = asyncio.get_running_loop(), event
        left = asyncio.ensure_future(receive())
        rung = asyncio.ensure_future(event.wait())
        try:
            done, _ = await asyncio.wait((left, rung), timeout=self.hold, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            rung.cancel()
            with self._lock:
                self._seen[node] = self._left[node]
                if node in self._waiting and self._waiting[node][1] is event:
                    del self._waiting[node]
        return left not in done

    def _wake(self, node: int) -> None:
        if node in self._waiting:
            loop, event = self._waiting[node]
            loop.call_soon_threadsafe(event.set)
