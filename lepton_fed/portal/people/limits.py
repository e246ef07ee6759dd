"""How often something may happen from one place: so many times within so many seconds, counted in this process."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from lepton_fed.portal.errors import TooMany

MOST_PLACES = 10_000
"""So many are remembered; the one that was quiet for longest is forgotten first."""


class Limit:
    """`most` times within `seconds`, for each key. Threads may share one."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self, key: str) -> None:
        """Count this one anew: it was no guess."""
        with self._lock:
            self._times.pop(key, None)

    def count(self, key: str, now: float) -> None:
        """Once more, at `now` (seconds of any clock that goes forward); TooMany, and not counted, where it is."""
        with self._lock:
            times = self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if len(times) >= self._most:
                raise TooMany(max(1, round(times[0] + self._seconds - now)))
            times.append(now)
            while len(self._times) > MOST_PLACES:
                self._times.popitem(last=False)
