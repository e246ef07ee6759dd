"""A deployed federation on this machine: Flower's own SuperLink with TLS, and departments as processes.

with deployed(folder, federation) as there:     kits made, SuperLink up, nodes registered, departments started
    there.submit()
    with taken_run(...) as grid: ...
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flwr.cli.build import build_fab_from_files
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from lepton_fed.config import Federation
from lepton_fed.deploy.kit import RUNTIME, CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import Provisioned, provision

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds until a process must be up, on a machine that has much else to do."""

APP = {
    "pyproject.toml": b"""
[project]
name = "lepton-fed"
version = "0.0.1"
[tool.flwr.app]
publisher = "lepton"
fab-include = ["app.py"]
[tool.flwr.app.components]
serverapp = "app:app"
clientapp = "app:app"
""",
    # Whoever ran this would leave a file behind.
    "app.py": b"import pathlib\npathlib.Path('the bundle was run').touch()\napp = None\n",
}

LINK = """
import sys
import uvicorn
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan, _parse_superlink_lifespan_config
from flwr.superlink.main import create_app
config = _parse_superlink_lifespan_config()
app = create_app(config, SuperLinkLifespan)
uvicorn.run(app, host=config.host, port=config.port, log_level="warning", workers=1,
            ssl_keyfile=config.ssl_keyfile, ssl_certfile=config.ssl_certfile)
"""

DEPARTMENT = """
import logging, sys
from pathlib import Path
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.flower.resident import department_of, run_department
from lepton_fed.signals import stopped_by_signals
logging.basicConfig(level=logging.INFO)
kit = DepartmentKit.load(Path(sys.argv[1]))
with stopped_by_signals() as stop:
    run_department(kit, department_of(kit, Path(sys.argv[2])), stop)
"""


@dataclass
class Deployment:
    """What runs, and where its kits are."""

    folder: Path
    federation: Federation
    made: Provisioned
    kit: CoordinatorKit
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, code: str, *arguments: object) -> subprocess.Popen[bytes]:
        """A Python process with a folder and a log of its own."""
        here = self.folder / name
        here.mkdir(exist_ok=True)
        quiet = {"FLWR_HOME": str(here), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        with (here / "log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
                cwd=here,
                env={**os.environ, **quiet, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )
        return self.processes[name]

    def start_department(self, name: str) -> subprocess.Popen[bytes]:
        return self.start(name, DEPARTMENT, self.made.departments[name], self.federation.department_file(name))

    def kill(self, name: str) -> None:
        """As kill -9 does."""
        self.processes[name].kill()
        self.processes[name].wait()

    def log(self, name: str) -> str:
        return (self.folder / name / "log").read_text(encoding="utf-8")

    def submit(self) -> int:
        with warnings.catch_warnings():
            # Flower names patterns in a way that pathspec has begun to retire.
            warnings.simplefilter("ignore", DeprecationWarning)
            bundle, _ = build_fab_from_files(APP)
        request = StartRunRequest(fab=fab_to_proto(Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})), federation="")
        with self.control() as control:
            return int(control.StartRun(request).run_id)

    def register(self) -> None:
        with self.control() as control:
            for name in self.made.departments:
                request = RegisterNodeRequest(public_key=self.kit.membership.node(name), name=name)
                assert control.RegisterNode(request).node_id

    def control(self) -> ControlHttpClient:
        return ControlHttpClient.from_server_address(
            str(self.kit.address), False, self.kit.authority, [RuntimeVersionHttpInterceptor(component_name="flwr CLI")]
        )

    def start_link(self) -> None:
        kit, here = self.kit, self.kit.folder
        options = {
            "host": "127.0.0.1",
            "port": kit.address.port,
            "ssl-ca-certfile": here / "ca.crt",
            "ssl-certfile": kit.certificate,
            "ssl-keyfile": kit.key,
            "database": self.folder / "link.sqlite",
            "isolation": "process",
            "superexec-auth-secret-file": here / RUNTIME,
        }
        spelt = [f"--{key}={value}" for key, value in options.items()]
        process = self.start(
            "link", LINK, "--enable-supernode-auth", "--disable-runtime-dependency-installation", *spelt
        )
        until(lambda: _listens(kit.address.port) or process.poll() is not None)
        assert process.poll() is None, self.log("link")

    def department_kit(self, name: str) -> DepartmentKit:
        return DepartmentKit.load(self.made.departments[name])


@contextmanager
def deployed(folder: Path, federation: Federation) -> Iterator[Deployment]:
    """Ends every process that it started."""
    made = provision(federation, folder / "kits", address=f"localhost:{_free_port()}")
    there = Deployment(folder, federation, made, CoordinatorKit.load(made.coordinator))
    with ExitStack() as stack:
        stack.callback(lambda: [end(process) for process in reversed(there.processes.values())])
        there.start_link()
        there.register()
        for name in made.departments:
            there.start_department(name)
        yield there


def end(process: subprocess.Popen[bytes]) -> int:
    """Asks a process to stop, and makes it if it does not."""
    process.terminate()
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def until(condition: Callable[[], object]) -> None:
    patient_until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patient_until
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
