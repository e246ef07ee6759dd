"""How much one caller may ask of the coordinator's port: sizes, seconds, and calls a second as token buckets.

Bucket: level = min(burst, level + rate * seconds since); a call takes 1, or is refused where less is left
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

REMEMBERED = 10_000
"""Callers whose buckets are kept; who has not called for longest is forgotten, and begins with a full one."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on every caller; the defaults leave a department of a quick run far from them.

    `body`: bytes of one request. `head`: seconds to send a request's head, and for the TLS handshake. `stall`: seconds
    that a body may lag behind `pace` bytes a second. `idle`: seconds that a connection is kept without a request.
    """

    body: int = 64 * 2**20
    head: float = 10.0
    stall: float = 10.0
    pace: int = 64 * 2**10
    idle: float = 30.0
    connections: int = 1024
    connections_each: int = 256
    """Of one address: all departments may be behind one, or on one machine."""
    connections_named: int = 64
    """Of one department, or of who holds the token; a department needs half a dozen."""
    calls: tuple[float, float] = (200.0, 1000.0)
    """Calls a second, and at once, of a department or of who holds the token."""
    refusals: tuple[float, float] = (1.0, 60.0)
    """Calls a second, and at once, that an address may be refused with a reason."""
    closed: tuple[float, float] = (10.0, 600.0)
    """Connections a second, and at once, of all addresses together, that are recorded although nothing was asked."""


@dataclass
class Buckets:
    """A bucket for each caller. Used from one thread."""

    rate: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[Hashable, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def take(self, who: Hashable) -> bool:
        """Whether `who` may do one more."""
        now = self.clock()
        level, then = self._levels.pop(who, (self.burst, now))
        level = min(self.burst, level + self.rate * (now - then))
        taken = level >= 1
        self._levels[who] = (level - taken, now)
        while len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return taken
