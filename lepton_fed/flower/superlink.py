"""Flower's SuperLink in this process, with what it gets wrong closed: the one port of a deployed coordinator.

    kit -> Address.of -> Link.start: gate (who calls, how much) -> Flower's application -> own messages only
                         Link.allow(nodes)   a new roster, while it runs
                         Link.stop           answers end, the port is free, the message store is compacted

Everything of Flower that is used here and in `link_*.py` is an internal name: tests/flower/test_superlink.py lists
them with their signatures, and fails for a release that changes one.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from lepton_fed.errors import ConfigError, LeptonError, StorageError
from lepton_fed.flower.link_audit import AuditEvent, AuditFile, AuditSink
from lepton_fed.flower.link_limits import Limits
from lepton_fed.storage.atomic import unwritable

if TYPE_CHECKING:
    from fastapi import FastAPI
    from flwr.superlink.config_loader import SuperLinkLifespanConfig

    from lepton_fed.deploy.kit import CoordinatorKit
    from lepton_fed.flower.link_gate import Gate
    from lepton_fed.flower.link_http import Server
    from lepton_fed.flower.link_members import Members

STORE, AUDIT, HOME = "messages.sqlite", "audit.jsonl", "flower"
"""In the kit's state folder: the message store if it is a file, the record of calls, Flower's own folder."""

SHORTEST_SECRET = 16
"""Bytes of the runtime secret; Flower takes any."""

STARTING, WATCH = 120.0, 2.0
"""Seconds: until a link that does not start is given up; between looks at the kit for a newer roster."""


@dataclass(frozen=True, kw_only=True)
class LinkSettings:
    """What a link starts with. `nodes`: the public key (PEM) of each department's node; `state`: a folder of its own.

    `store`: whether messages lie in a file of mode 600, and survive the process, or in memory. Models that travel
    without secure aggregation would lie in that file in clear, so memory is the default.
    """

    host: str = "0.0.0.0"  # noqa: S104  Departments come from elsewhere; the gate is what decides.
    port: int = 8000
    certificate: Path
    key: Path
    permits: Callable[[str], bool] = field(repr=False)
    runtime: bytes = field(repr=False)
    nodes: Mapping[str, bytes] = field(repr=False)
    state: Path
    store: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if len(self.runtime) < SHORTEST_SECRET:
            raise ConfigError(f"the runtime secret has {len(self.runtime)} bytes and needs {SHORTEST_SECRET}")

    @classmethod
    def of(cls, kit: CoordinatorKit, *, host: str | None = None, port: int | None = None, **other: Any) -> LinkSettings:
        """From a coordinator's kit. `host`, `port`: where to listen; default: everywhere, on the kit's port."""
        return cls(
            host=cls.host if host is None else host,
            port=kit.address.port if port is None else port,
            certificate=kit.certificate,
            key=kit.key,
            permits=kit.permits,
            runtime=kit.runtime,
            nodes=nodes_of(kit),
            state=kit.state,
            **other,
        )


def nodes_of(kit: CoordinatorKit) -> dict[str, bytes]:
    """The node keys of the kit's membership, by department."""
    return {node.name: node.public for node in kit.membership.nodes}


@dataclass(frozen=True)
class Health:
    """`online`: departments that Flower has heard from. Counted since the start: calls answered, calls refused."""

    running: bool
    online: tuple[str, ...]
    answered: int
    refused: int


class Link:
    """A SuperLink that runs in a thread of this process. Start it in a `with`, or `stop` it."""

    def __init__(
        self, settings: LinkSettings, server: Server, gate: Gate, members: Members, bound: socket.socket
    ) -> None:
        from lepton_fed.flower.link_http import address_of

        self._settings, self._server, self._gate, self._members = settings, server, gate, members
        self.host, self.port = address_of(bound)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(bound,), name="superlink", daemon=True)

    @classmethod
    def start(cls, settings: LinkSettings, sink: AuditSink) -> Self:
        """Listen, start Flower, register the nodes; returns once calls are answered.

        StorageError: the port is taken, or the state folder cannot be written. ConfigError: certificate and key
        cannot be used, or this release of Flower is another than the one that this was written for.
        """
        from lepton_fed.flower.link_http import listening

        bound = listening(settings.host, settings.port)
        try:
            made = cls._made(settings, sink, bound)
            made._begin()
        except BaseException:
            bound.close()
            raise
        return made

    @classmethod
    def _made(cls, settings: LinkSettings, sink: AuditSink, bound: socket.socket) -> Self:
        quieten(settings.state / HOME)
        from lepton_fed.flower.link_gate import Gate
        from lepton_fed.flower.link_http import server
        from lepton_fed.flower.link_members import Members, OwnOnly

        app = flower_app(settings)
        members = Members(app.state.linkstate_factory.state())
        members.allow(settings.nodes)
        innermost(app, OwnOnly, members)
        gate = Gate(app, members=members, permits=settings.permits, sink=sink, limits=settings.limits)
        made = server(gate, settings.limits, certificate=settings.certificate, key=settings.key)
        return cls(settings, made, gate, members, bound)

    def _begin(self) -> None:
        self._thread.start()
        end = time.monotonic() + STARTING
        while not self._server.started:
            self.check()
            if time.monotonic() > end:
                self._server.should_exit = True
                raise StorageError(f"Flower's SuperLink did not start in {STARTING:.0f} s; look for its errors above")
            time.sleep(0.01)

    def _run(self, bound: socket.socket) -> None:
        try:
            self._server.run([bound])
        except BaseException as error:  # Uvicorn ends with SystemExit; `check` tells who waits.
            self._failure = error

    def check(self) -> None:
        """StorageError if it has ended by itself."""
        if not self._thread.is_alive():
            said = f" ({type(self._failure).__name__}: {self._failure})" if self._failure else ""
            raise StorageError(f"Flower's SuperLink ended{said}; start the server again")

    @property
    def address(self) -> str:
        """host:port; the port that was found where 0 was asked for."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def health(self) -> Health:
        running = self._thread.is_alive() and self._server.started
        return Health(running, self._members.online if running else (), self._gate.answered, self._gate.refused)

    def allow(self, nodes: Mapping[str, bytes]) -> None:
        """From now on exactly these node keys (PEM, by department); a call by any other is refused."""
        self._members.allow(nodes)

    def stop(self) -> None:
        """End what is being answered, give the port back, compact the message store."""
        self._server.should_exit = True
        self._thread.join()
        if self._settings.store:
            compact(self._settings.state / STORE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    kit: CoordinatorKit,
    *,
    host: str | None = None,
    port: int | None = None,
    store: bool = False,
    limits: Limits | None = None,
    sink: AuditSink | None = None,
    ready: Callable[[Link], None] = lambda link: None,
) -> None:
    """Run a coordinator's SuperLink until SIGTERM or SIGINT; a newer roster in the kit's state folder is taken.

    `sink`: default: a file in the state folder. `ready`: called once, when calls are answered. Main thread only.
    """
    settings = LinkSettings.of(kit, host=host, port=port, store=store, limits=limits or Limits())
    stopped = threading.Event()
    with (
        AuditFile(kit.state / AUDIT) if sink is None else nullcontext(sink) as kept,
        _until_asked(stopped),
        Link.start(settings, kept) as link,
    ):
        kept.record(AuditEvent(actor="", address=link.address, action="start", outcome="done"))
        ready(link)
        watch(kit, link, stopped, kept)
        kept.record(AuditEvent(actor="", address=link.address, action="stop", outcome="done"))


def watch(kit: CoordinatorKit, link: Link, stopped: threading.Event, sink: AuditSink) -> None:
    """Give the link each newer roster of the kit, until `stopped`. A roster that cannot be used is recorded once."""
    complaint = ""
    while not stopped.wait(WATCH):
        link.check()
        try:
            newer = kit.current()
            if newer is not kit:
                link.allow(nodes_of(newer))
                kit, complaint = newer, ""
                sink.record(_roster("done", f"serial {kit.membership.serial}"))
        except LeptonError as error:
            if str(error) != complaint:
                complaint = str(error)
                logging.getLogger(__name__).warning("%s", complaint)
                sink.record(_roster("refused", complaint))


def _roster(outcome: Any, reason: str) -> AuditEvent:
    return AuditEvent(actor="", address="", action="roster", outcome=outcome, reason=reason)


@contextmanager
def _until_asked(stopped: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event while the block runs."""

    def ask(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------- Flower


def quieten(home: Path) -> None:
    """Set this process's environment so that Flower tells nobody, opens no other port and writes below `home` only.

    Some of it is read when Flower is imported, so this comes first.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
    except OSError as error:
        raise unwritable(error, home) from error
    os.environ.update(FLWR_HOME=str(home), FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1")
    for name in (
        "FLWR_INTERNAL_GRPC_CONTROL_API",
        "FLWR_INTERNAL_GRPC_FLEET_API",
        "FLWR_OIDC_ENABLED",
        "FLWR_ENABLE_EVENT_LOG",
        "FLWR_DATABASE",
    ):
        os.environ.pop(name, None)


class NoServers:
    """What Flower starts beside its application: here nothing, neither gRPC servers nor executors of received code."""

    def __init__(self, config: object, state_factory: object) -> None:
        pass

    def startup(self) -> None:
        pass

    def shutdown(self) -> None:
        pass


def flower_app(settings: LinkSettings) -> FastAPI:
    """Flower's application on an empty or an earlier message store."""
    from flwr.superlink.main import create_app

    logger = logging.getLogger("flwr")
    # On DEBUG Flower writes whole requests.
    logger.setLevel(max(logger.level, logging.INFO))
    try:
        app = create_app(flower_config(settings), NoServers)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(
            f"this release of Flower is not the one that lepton-fed needs ({error}); install that"
        ) from None
    # The gate has no way to them; this is the second lock.
    app.docs_url = app.openapi_url = None
    return app


def flower_config(settings: LinkSettings) -> SuperLinkLifespanConfig:
    """Flower's own settings: nodes authenticate, nothing is started beside it, nothing is installed."""
    from flwr.common.constant import ISOLATION_MODE_PROCESS, TRANSPORT_TYPE_GRPC_RERE
    from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
    from flwr.superlink.config_loader import SuperLinkLifespanConfig

    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host=settings.host,
        port=settings.port,
        insecure=False,
        certificates=None,
        superexec_auth_secret=settings.runtime,
        # The gate has compared the token before; Flower then knows one account only.
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE,
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=None,
        ssl_certfile=None,
        ssl_keyfile=None,
        database=_database(settings),
        isolation=ISOLATION_MODE_PROCESS,
        runtime_dependency_install=False,
    )


def _database(settings: LinkSettings) -> str:
    from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME

    if not settings.store:
        return FLWR_IN_MEMORY_DB_NAME
    path = settings.state / STORE
    try:
        # SQLite gives its write-ahead log the mode of the database.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise unwritable(error, path) from error
    return str(path)


def innermost(app: FastAPI, check: Callable[..., Any], *arguments: Any) -> None:
    """Put a check behind all of Flower's own: behind its authentication of nodes, before its handlers."""
    from starlette.middleware import Middleware

    if app.middleware_stack is not None:
        raise ConfigError("Flower's application has been started already; this release is not the one that is needed")
    app.user_middleware.append(Middleware(check, *arguments))


def compact(path: Path) -> None:
    """Overwrite what was deleted from an SQLite file, which SQLite by itself leaves in it."""
    try:
        connection = sqlite3.connect(path, timeout=5)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageError(f"cannot compact {path} ({error}); remove it, it holds messages only") from None
