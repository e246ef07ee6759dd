"""The TLS handshake of each connection to the coordinator's port, and what is told of one that fails.

    accepted --too many of its address--> closed, and noted
             --handshake in `head` s----> what `inside` makes: the connection as HTTP
             --anything else------------> closed, and noted

Asyncio's own server says nothing of a handshake that fails, so connections are accepted without TLS here, and
`start_tls` is called for each. A connection counts from the moment at which it is accepted: whoever opens many and
says nothing over them is refused like anybody who has too many.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lepton_fed.flower.link_limits import Limits

STOPPING = 5
"""Seconds that answers under way, and ends of TLS, are given when the server stops."""

Note = Callable[[str, str], object]
"""Told of a caller's address, and of why its connection was closed before it asked for anything."""

REASONS = {
    "HTTP_REQUEST": "it speaks HTTP without TLS",
    "UNSUPPORTED_PROTOCOL": "it speaks an older TLS than 1.3",
    "WRONG_VERSION_NUMBER": "what it says is not TLS",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know this federation's authority, as a kit of another federation does not",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it takes the certificate for expired, or for not valid yet",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not take the certificate for the name that it dialled",
}
"""What a handshake failed by, from OpenSSL's name for it."""


@dataclass(eq=False)
class Doors:
    """Who has connections: by address from the first moment, and by name once it is known who calls."""

    context: ssl.SSLContext
    limits: Limits
    note: Note
    shut: bool = False
    """The server stops: whose handshake ends now is not let in."""
    _by_address: Counter[str] = field(default_factory=Counter)
    _by_name: Counter[str] = field(default_factory=Counter)
    _all: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def enter(self, address: str) -> str:
        """Counts a connection; why it may not stay, or nothing."""
        self._all += 1
        self._by_address[address] += 1
        if self._by_address[address] > self.limits.connections_each:
            return "it has too many connections"
        return "all together have too many connections" if self._all > self.limits.connections else ""

    def leave(self, address: str, name: str = "") -> None:
        """A connection has ended. `name`: whose it was, if that was known."""
        self._all -= 1
        _less(self._by_address, address)
        self.belong("", name)

    def belong(self, name: str, before: str = "") -> bool:
        """A connection is `name`'s from now on, where it was `before`'s; whether that is one too many for it."""
        if name and name != before:
            self._by_name[name] += 1
        if before and name != before:
            _less(self._by_name, before)
        return self._by_name[name] > self.limits.connections_named

    def hold(self, task: asyncio.Task[None]) -> None:
        """Until it is over: a task that nobody holds may vanish."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Threshold(asyncio.Protocol):
    """One connection until it speaks TLS."""

    def __init__(self, doors: Doors, inside: Callable[[], asyncio.Protocol]) -> None:
        self._doors, self._inside = doors, inside
        self._early = bytearray()
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        if reason := self._doors.enter(self._address):
            self._close(transport, reason)
        else:
            self._doors.hold(asyncio.get_running_loop().create_task(self._shake_hands(transport)))

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        limits = self._doors.limits
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self._doors.context,
                server_side=True,
                ssl_handshake_timeout=limits.head,
                ssl_shutdown_timeout=STOPPING,
            )
        except OSError as error:
            self._close(transport, f"no TLS: {failure(error)}")
        except asyncio.CancelledError:  # The server stops.
            transport.abort()
            raise
        else:
            if secured is None or self._gone or self._doors.shut:
                # It left at once, as who only looks whether we are here, or we do.
                self._doors.leave(self._address)
                transport.abort()
            else:
                self._hand_on(secured)

    def _hand_on(self, secured: asyncio.Transport) -> None:
        inside = self._inside()
        secured.set_protocol(inside)
        inside.connection_made(secured)
        if self._early:
            inside.data_received(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        """What comes between the end of the handshake and being handed on."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True

    def _close(self, transport: asyncio.Transport, reason: str) -> None:
        self._doors.note(self._address, reason)
        self._doors.leave(self._address)
        transport.abort()


def failure(error: OSError) -> str:
    """Why a handshake failed. Nothing of what the caller sent is in it."""
    if isinstance(error, ssl.SSLError):
        name = error.reason or "UNKNOWN"
        return REASONS.get(name, name.replace("_", " ").lower())
    if isinstance(error, ConnectionAbortedError):
        return "its handshake is late"
    return "it left before the end of the handshake"


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
