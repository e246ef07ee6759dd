"""A coordinator's port for the tests: a provisioned federation, its link on 127.0.0.1, and callers of every kind."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.flower.link_limits import Limits
from lepton_fed.flower.superlink import Link, LinkSettings, quieten
from tests.federations import FOUR, SECURE, quick, write

PROTOBUF = {"content-type": "application/protobuf"}
ONE, OTHER = FOUR[:2]

PATIENT = Limits(body=2**20, head=1.0, stall=0.3, calls=(1e6, 1e6), refusals=(1e6, 1e6))
"""Small bodies, short deadlines, any number of calls."""

BUNDLE: Mapping[str, bytes] = {
    "pyproject.toml": b"""
[project]
name = "nothing"
version = "1.0.0"
[tool.flwr.app]
publisher = "lepton"
fab-include = ["nothing.py"]
[tool.flwr.app.components]
serverapp = "nothing:app"
clientapp = "nothing:app"
""",
    "nothing.py": b"app = None\n",
}


@dataclass
class Kept:
    """A sink that keeps events in a list; `full`: it fails as a full disk does."""

    events: list[AuditEvent] = field(default_factory=list)
    full: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, event: AuditEvent) -> None:
        if self.full is not None:
            raise self.full
        with self.lock:
            self.events.append(event)


@dataclass
class Place:
    """A link that runs, its kits, what it recorded. `at`: host:port, as the certificate has it."""

    link: Link
    kit: CoordinatorKit
    made: Provisioned
    sink: Kept

    @property
    def at(self) -> str:
        return f"localhost:{self.link.port}"

    @property
    def authority(self) -> bytes:
        return self.kit.authority

    def key(self, department: str) -> EllipticCurvePrivateKey:
        return DepartmentKit.load(self.made.departments[department]).keys.node_key

    def tls(self) -> ssl.SSLContext:
        """What an outsider has who was given the authority's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.decode())
        return context

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(verify=self.tls(), base_url=f"https://{self.at}", trust_env=False) as client:
            return client.request(method, path, **options)

    def last(self) -> AuditEvent:
        return self.sink.events[-1]


def provisioned(folder: Path) -> Provisioned:
    """Four lines and R&D."""
    folder.mkdir(parents=True, exist_ok=True)
    return provision(Federation.load(write(folder, quick(SECURE, 1))), folder / "kits", address="localhost:8000")


@contextmanager
def started(made: Provisioned, limits: Limits = PATIENT, **other: Any) -> Iterator[Place]:
    kit, sink = CoordinatorKit.load(made.coordinator), Kept()
    with Link.start(LinkSettings.of(kit, host="127.0.0.1", port=0, limits=limits, **other), sink) as link:
        yield Place(link, kit, made, sink)


@contextmanager
def node(place: Any, key: EllipticCurvePrivateKey) -> Iterator[Any]:
    """Flower's own client of a department that holds this key. `place`: anything with its `at`, `authority`, `kit`."""
    quieten(place.kit.state / "flower")
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    signing = NodeAuthHttpInterceptor(key, key.public_key())
    with FleetHttpClient.from_server_address(place.at, False, place.authority, [signing]) as client:
        yield client


@contextmanager
def operator(place: Place, token: str | None = None) -> Iterator[Any]:
    """Flower's own client of who starts runs, with the kit's token or another."""
    from flwr.supercore.control import ControlHttpClient
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

    interceptors: list[Any] = [
        RuntimeVersionHttpInterceptor(component_name="flwr CLI"),
        Bearer(token or place.kit.token),
    ]
    with ControlHttpClient.from_server_address(place.at, False, place.authority, interceptors) as client:
        yield client


@contextmanager
def executor(place: Place, secret: bytes) -> Iterator[Any]:
    """Flower's own client of who takes a run's task, with this runtime secret."""
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
    from flwr.supercore.runtime import RuntimeHttpClient

    protected = frozenset({"/flwr.proto.Runtime/AcquireTask"})
    interceptors: list[Any] = [
        RuntimeVersionHttpInterceptor(component_name="SuperExec"),
        SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=protected),
    ]
    with RuntimeHttpClient.from_server_address(place.at, False, place.authority, interceptors) as client:
        yield client


@dataclass
class Bearer:
    """Puts a token on every request, as Flower's command line does."""

    token: str

    def intercept(self, context: Any, call_next: Any) -> Any:
        from flwr.supercore.interceptors.http.utils import add_headers

        add_headers(context.request, {"authorization": f"Bearer {self.token}"})
        return call_next(context)


@contextmanager
def run(place: Place) -> Iterator[Any]:
    """A run that has begun, as Flower's Grid that its coordinator would hold."""
    from flwr.cli.build import build_fab_from_files
    from flwr.common.serde import fab_to_proto, run_from_proto
    from flwr.proto.control_pb2 import StartRunRequest, StopRunRequest
    from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest
    from flwr.supercore.fab import Fab
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.superlink.grid import HttpGrid

    content, _ = build_fab_from_files(BUNDLE)
    with operator(place) as control, executor(place, place.kit.runtime) as tasks:
        number = control.StartRun(StartRunRequest(fab=fab_to_proto(Fab(sha256(content), content, {})))).run_id
        taken = tasks.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
        grid = HttpGrid(
            runtime_api_address=place.at, insecure=False, root_certificates=place.authority, token=taken.token
        )
        began = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
        grid.set_run(run_from_proto(began.run))
        # Of the whole process; the fixture around every test of this folder puts it back.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = number, began.context.node_id, began.task_id
        try:
            yield grid
        finally:
            control.StopRun(StopRunRequest(run_id=number))
            grid.close()


def sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()
