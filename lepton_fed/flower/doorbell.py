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

HOLD = 10.0
"""Seconds that a look waits; a third of what Flower's client waits for an answer."""


class Doorbell:
    """Who waits for messages, by node. `ring`, `answered` and `close` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._left: Counter[int] = Counter()
        self._closed = False
        self.uploads = threading.Event()
        """Set when departments have sent something: for whoever waits for replies."""

    def ring(self, node: int) -> None:
        """A message was left for this node."""
        with self._lock:
            self._left[node] += 1
            self._wake(node)

    def taken(self, node: int, found: bool) -> None:
        """The node has looked, and found a message or none."""
        with self._lock:
            self._left[node] = max(0, self._left[node] - 1) if found else 0

    def close(self) -> None:
        """Everybody who waits is let go, and nobody waits any more."""
        with self._lock:
            self._closed = True
            for node in self._waiting:
                self._wake(node)
        self.uploads.set()

    async def wait(self, node: int, receive: Callable[[], Awaitable[Any]], seconds: float = HOLD) -> bool:
        """Until a message is there for the node or the time is over; False if the caller has left meanwhile."""
        event = asyncio.Event()
        with self._lock:
            if self._left[node] or self._closed:
                return True
            self._waiting[node] = asyncio.get_running_loop(), event
        left = asyncio.ensure_future(receive())
        rung = asyncio.ensure_future(event.wait())
        try:
            done, _ = await asyncio.wait((left, rung), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            rung.cancel()
            with self._lock:
                if node in self._waiting and self._waiting[node][1] is event:
                    del self._waiting[node]
        return left not in done

    def _wake(self, node: int) -> None:
        if node in self._waiting:
            loop, event = self._waiting[node]
            loop.call_soon_threadsafe(event.set)
