"""Who is on the way to the identity provider and back: what was said to each browser, once, for ten minutes.

A browser that comes back brings a cookie; the state that it was given fits that cookie and no other, so that nobody can
be signed in with what somebody else was told.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

SECONDS = 600.0
MOST = 10_000
LONGEST = 2000
"""Characters of where to go on to; from a longer one to the first page."""


@dataclass(frozen=True)
class Attempt:
    """`back`: where to go on to; `place`: where from."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    back: str
    place: str
    begun: float


class Pending:
    """Kept in this process alone: whoever is on the way when it ends begins again. Threads may share one."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[bytes, Attempt] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, back: str, now: float, place: str = "") -> tuple[str, Attempt]:
        """What the cookie holds, and the attempt that goes with it."""
        cookie = secrets.token_urlsafe(32)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        made = Attempt(state, nonce, verifier, back=back if len(back) <= LONGEST else "/", place=place, begun=now)
        with self._lock:
            self._make_room(made)
            self._attempts[_digest(cookie)] = made
        return cookie, made

    def finish(self, cookie: str, state: str, now: float) -> Attempt | None:
        """The attempt, for the only time; None where there is none, it is over, or the state is another's."""
        with self._lock:
            found = self._attempts.pop(_digest(cookie), None)
        if found is None or now - found.begun > SECONDS:
            return None
        return found if hmac.compare_digest(found.state.encode(), state.encode()) else None

    def _make_room(self, for_: Attempt) -> None:
        """What is over goes; then, where there are too many, the oldest from the same place, or the oldest of all."""
        while self._attempts and for_.begun - next(iter(self._attempts.values())).begun > SECONDS:
            self._attempts.popitem(last=False)
        if len(self._attempts) >= MOST:
            same = (key for key, one in self._attempts.items() if one.place == for_.place)
            del self._attempts[next(same, next(iter(self._attempts)))]


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
