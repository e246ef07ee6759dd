"""Whose turn it is to ask: one question at a time, one of each person, and few who wait, none of them long.

Whoever waits has one of the threads that answer requests; the pages that ask nothing need those.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lepton_fed.portal.errors import TooMany

MOST = 8
"""People whose questions are under way, with those that wait."""

PATIENCE = 5.0
"""Seconds for which a question waits."""

AGAIN = 5
"""Seconds after which to come back."""


class Turns:
    """Threads share one."""

    def __init__(self) -> None:
        self._asking: set[object] = set()
        self._few = threading.Lock()
        self._one = threading.Lock()

    @contextmanager
    def of(self, asker: object) -> Iterator[None]:
        """The block is alone; TooMany for whoever asks already, where too many do, and after some seconds."""
        with self._few:
            if asker in self._asking or len(self._asking) >= MOST:
                raise TooMany(AGAIN)
            self._asking.add(asker)
        try:
            if not self._one.acquire(timeout=PATIENCE):
                raise TooMany(AGAIN)
            try:
                yield
            finally:
                self._one.release()
        finally:
            with self._few:
                self._asking.discard(asker)
