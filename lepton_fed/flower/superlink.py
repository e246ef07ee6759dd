"""Flower's SuperLink in this process, with what it gets wrong closed: the one port of a deployed coordinator.

    kit -> LinkSettings.of -> Link.start: gate (who calls, how much) -> Flower's application -> own messages only
                              Link.run()          messages of a run, from and to this process
                              Link.allow(nodes)   a new roster, while it runs
                              Link.stop           answers end, the port is free

Messages lie in memory only and are gone with the process: what must survive is at the departments and in the run's
checkpoint. Flower's interfaces for tasks and applications are not there, so nobody can have code run by anybody.

Everything of Flower that is used here and in `link_*.py` is an internal name: tests/flower/test_superlink.py lists
them with their signatures, and fails for a release that changes one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.flower.link_audit import AuditSink
from lepton_fed.flower.link_limits import Limits
from lepton_fed.flower.link_metrics import LinkMetrics
from lepton_fed.storage.atomic import unwritable

if TYPE_CHECKING:
    from fastapi import FastAPI
    from flwr.superlink.config_loader import SuperLinkLifespanConfig
    from starlette.types import ASGIApp, Receive, Scope, Send

    from lepton_fed.deploy.kit import CoordinatorKit
    from lepton_fed.flower.link_gate import Gate
    from lepton_fed.flower.link_grid import LinkGrid
    from lepton_fed.flower.link_http import Server
    from lepton_fed.flower.link_members import Members

HOME = "flower"
"""In the kit's state folder: Flower's own."""

SPOOL = "spool"
"""In Flower's folder: messages, while they are on their way."""

STARTING = 120.0
"""Seconds until a link that does not start is given up."""


@dataclass(frozen=True, kw_only=True)
class LinkSettings:
    """What a link starts with. `nodes`: public key (PEM) of each department's node; `state`: a folder of its own."""

    host: str = "0.0.0.0"  # noqa: S104  Departments come from elsewhere; the gate is what decides.
    port: int = 8000
    certificate: Path
    key: Path
    permits: Callable[[str], bool] = field(repr=False)
    nodes: Mapping[str, bytes] = field(repr=False)
    state: Path
    limits: Limits = field(default_factory=Limits)
    metrics: LinkMetrics = field(default_factory=LinkMetrics, repr=False)

    @classmethod
    def of(cls, kit: CoordinatorKit, *, host: str | None = None, port: int | None = None, **other: Any) -> LinkSettings:
        """From a coordinator's kit. `host`, `port`: where to listen; default: everywhere, on the kit's port."""
        return cls(
            host=cls.host if host is None else host,
            port=kit.address.port if port is None else port,
            certificate=kit.certificate,
            key=kit.key,
            permits=kit.permits,
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
    def start(cls, settings: LinkSettings, sink: AuditSink, control: ASGIApp | None = None) -> Self:
        """Listen, start Flower, register the nodes; returns once calls are answered. `control`: answers the operator.

        StorageError: the port is taken, or the state folder cannot be written. ConfigError: certificate and key
        cannot be used, or this release of Flower is another than the one that this was written for.
        """
        from lepton_fed.flower.link_http import listening

        bound = listening(settings.host, settings.port)
        try:
            made = cls._made(settings, sink, bound, control or nothing_there)
            made._begin()
        except BaseException:
            bound.close()
            raise
        return made

    @classmethod
    def _made(cls, settings: LinkSettings, sink: AuditSink, bound: socket.socket, control: ASGIApp) -> Self:
        quieten(settings.state / HOME)
        from lepton_fed.flower.link_gate import Gate
        from lepton_fed.flower.link_http import server
        from lepton_fed.flower.link_members import Members, OwnOnly

        app = flower_app(settings)
        members = Members(app.state.linkstate_factory.state())
        members.allow(settings.nodes)
        innermost(app, OwnOnly, members)
        gate = Gate(
            app,
            control,
            members=members,
            permits=settings.permits,
            sink=sink,
            limits=settings.limits,
            metrics=settings.metrics,
        )
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

    @contextmanager
    def run(self) -> Iterator[LinkGrid]:
        """Messages of one run, from and to this process."""
        from lepton_fed.flower.link_grid import LinkGrid

        with LinkGrid.begun(self._members.state, self._members.doorbell) as grid:
            yield grid

    @property
    def members(self) -> Members:
        """Which node is which department, and who is there."""
        return self._members

    def allow(self, nodes: Mapping[str, bytes]) -> None:
        """From now on exactly these node keys (PEM, by department); a call by any other is refused."""
        self._members.allow(nodes)

    def stop(self) -> None:
        """End what is being answered, give the port back."""
        self._server.should_exit = True
        self._members.doorbell.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
    os.environ["FLWR_HOME"] = str(home)
    silence()


def silence() -> None:
    """Set this process's environment so that Flower tells nobody and opens no other port. Comes before its import."""
    os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1")
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
    """Flower's application on an empty message store, whose large objects lie in a file that only we can read."""
    from flwr.superlink.main import create_app

    from lepton_fed.flower.spool import Spool, SpoolFile

    logger = logging.getLogger("flwr")
    # On DEBUG Flower writes whole requests.
    logger.setLevel(max(logger.level, logging.INFO))
    try:
        app = create_app(flower_config(settings), NoServers)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(
            f"this release of Flower is not the one that lepton-fed needs ({error}); install that"
        ) from None
    state = app.state.linkstate_factory.state()
    state._object_store = Spool(SpoolFile(settings.state / HOME / SPOOL))
    # The gate has no way to them; this is the second lock.
    app.docs_url = app.openapi_url = None
    return app


def flower_config(settings: LinkSettings) -> SuperLinkLifespanConfig:
    """Flower's own settings: nodes authenticate, nothing is started beside it, nothing is installed."""
    from flwr.common.constant import ISOLATION_MODE_PROCESS, TRANSPORT_TYPE_GRPC_RERE
    from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
    from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
    from flwr.superlink.config_loader import SuperLinkLifespanConfig

    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host=settings.host,
        port=settings.port,
        insecure=False,
        certificates=None,
        superexec_auth_secret=None,
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
        database=FLWR_IN_MEMORY_DB_NAME,
        isolation=ISOLATION_MODE_PROCESS,
        runtime_dependency_install=False,
    )


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the operator where there is nothing to control; the gate has a page of its own for /health."""
    from lepton_fed.flower.link_gate import respond

    await respond(send, 200 if scope["path"] == "/health" else 404, "")


def innermost(app: FastAPI, check: Callable[..., Any], *arguments: Any) -> None:
    """Put a check behind all of Flower's own: behind its authentication of nodes, before its handlers."""
    from starlette.middleware import Middleware

    if app.middleware_stack is not None:
        raise ConfigError("Flower's application has been started already; this release is not the one that is needed")
    app.user_middleware.append(Middleware(check, *arguments))
