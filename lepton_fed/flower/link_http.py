"""The HTTP server of the coordinator's port: TLS 1.3, and a deadline on all that a caller may take its time with.

    connection --handshake, see the threshold--> --request's head in `head` s--> --body, see the gate--> answer
               <------------------------------------------------ idle ---------------------------------------

Uvicorn by itself waits for a request's head for ever.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.flower.link_gate import CONNECTION, Gate
from lepton_fed.flower.link_limits import Limits
from lepton_fed.flower.link_threshold import STOPPING, Doors, Threshold


class Timed(H11Protocol):
    """One connection. It closes itself if a request's head is late."""

    gate: Gate
    limits: Limits
    doors: Doors

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due: asyncio.TimerHandle | None = None
        self._address = self.client[0] if self.client else ""
        self._name = ""
        self._expect(self.limits.head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self.doors.leave(self._address, self._name)
        super().connection_lost(exc)

    def belongs_to(self, name: str) -> bool:
        """Whoever calls over it is known now; whether it may have this connection, beside those that it has."""
        before, self._name = self._name, name
        return not self.doors.belong(name, before)

    def data_received(self, data: bytes) -> None:
        before = self.scope
        if self._due is None and self.cycle is not None and self.cycle.response_complete:
            self._expect(self.limits.head)
        super().data_received(data)
        if self.scope is not before:
            self._expect(None)

    def handle_events(self) -> None:
        before = self.scope
        super().handle_events()
        if self.scope is not before:
            # The task that answers begins later.
            self.scope["state"][CONNECTION] = self

    def send_400_response(self, msg: str) -> None:
        self._note("it does not speak HTTP")
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._due is None and self.cycle.response_complete and self.conn.trailing_data[0]:
            # A part of the next request came before the end of this answer.
            self._expect(self.limits.head)

    def _expect(self, seconds: float | None) -> None:
        """Close the connection unless a request's head is complete in time; None: it is."""
        if self._due is not None:
            self._due.cancel()
        self._due = None if seconds is None else self.loop.call_later(seconds, self._close, "its request is late")

    def _close(self, reason: str) -> None:
        """Stop listening to it, record that, and then close."""
        self._due = None
        self.transport.pause_reading()
        self._note(reason).add_done_callback(lambda _: self.transport.abort())

    def _note(self, reason: str) -> asyncio.Task[None]:
        note = self.loop.create_task(self.gate.note(self._address, reason))
        # The server waits for its tasks when it stops, and a task that nobody holds may vanish.
        self.tasks.add(note)
        note.add_done_callback(self.tasks.discard)
        return note


class Server(uvicorn.Server):
    """Uvicorn behind a threshold of our own."""

    gate: Gate
    doors: Doors

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        create = loop.create_server
        self.doors.note = lambda address, reason: self.doors.hold(loop.create_task(self.gate.note(address, reason)))

        async def behind_the_threshold(
            inside: Callable[[], asyncio.Protocol], *, ssl: ssl.SSLContext, **other: Any
        ) -> asyncio.Server:
            assert ssl is self.doors.context
            return await create(lambda: Threshold(self.doors, inside), **other)

        # Uvicorn has no setting for it; the attribute hides the loop's own method while it starts.
        setattr(loop, "create_server", behind_the_threshold)  # noqa: B010
        try:
            await super().startup(sockets)
        finally:
            delattr(loop, "create_server")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn tells connections once that it stops; none may come after that, and it leaves the obstinate open."""
        self.doors.shut = True
        await super().shutdown(sockets)
        for connection in self.server_state.connections:
            connection.transport.abort()


def server(gate: Gate, limits: Limits, *, certificate: Path, key: Path) -> Server:
    """A server that is ready to run; ConfigError if certificate and key cannot be used."""
    kind = type("Connection", (Timed,), {"gate": gate, "limits": limits})
    config = uvicorn.Config(
        gate,
        http=kind,
        ws="none",
        loop="asyncio",
        lifespan="on",
        # What a proxy says about a caller's address would open the runtime to it.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        # Below an error Uvicorn writes what strangers make it write; the record of calls has that, and its bounds.
        log_level="error",
        timeout_keep_alive=int(limits.idle),
        timeout_graceful_shutdown=STOPPING,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{certificate} and {key} cannot be used for TLS ({reason}); start with the newest kit, or have the "
            "administrator renew it (lepton-fed renew)"
        ) from None
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    made = Server(config)
    made.gate = gate
    made.doors = kind.doors = Doors(config.ssl, limits, lambda address, reason: None)  # type: ignore[attr-defined]
    return made


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address; StorageError if that is taken or not this machine's. Port 0: any that is free."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ConfigError(f"{host} is no address to listen on ({error.strerror}); give one of this machine's") from None
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(socket.SOMAXCONN)
    except OSError as error:
        found.close()
        raise StorageError(f"cannot listen on {host}, port {port}: {error.strerror}; {_remedy(error)}") from None
    return found


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "stop what uses it, or choose another port with --port"
        case errno.EACCES:
            return "ports below 1024 are the system's; choose another with --port"
    return "give an address of this machine's with --host"


def address_of(found: socket.socket) -> tuple[str, int]:
    """Host and port, without what IPv6 adds."""
    name: tuple[Any, ...] = found.getsockname()
    return str(name[0]), int(name[1])
