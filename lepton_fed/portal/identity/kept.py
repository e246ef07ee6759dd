"""What a provider said and is kept for a while: one asks anew, and nobody else waits for it longer than a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lepton_fed.portal.identity.refusals import Away

PATIENCE = 2.0
"""Seconds for which somebody waits for what another one asks: each who waits has a thread of the portal's."""

Kept_ = TypeVar("Kept_")


class Kept(Generic[Kept_]):
    """Threads may share one."""

    def __init__(self, ask: Callable[[], Kept_], clock: Callable[[], float]) -> None:
        self._ask, self._clock = ask, clock
        self._found: tuple[float, Kept_] | None = None
        self._lock = threading.Lock()

    def get(self, seconds: float) -> Kept_:
        """What was said at most so many seconds ago, asked for where that is over; Away."""
        found = self._fresh(seconds)
        if found is not None:
            return found[1]
        if not self._lock.acquire(timeout=PATIENCE):
            raise Away("the identity provider is being asked and has not answered yet")
        try:
            found = self._fresh(seconds)  # Somebody else may have asked meanwhile.
            if found is None:
                self._found = found = (self._clock(), self._ask())
            return found[1]
        finally:
            self._lock.release()

    def _fresh(self, seconds: float) -> tuple[float, Kept_] | None:
        found = self._found
        return found if found is not None and self._clock() - found[0] <= seconds else None
