"""The department's process: it dials the coordinator, keeps its rows loaded, and answers until it is told to end.

lepton-fed client KIT --data FILE -> reside(kit, FILE): claim the kit, load rows, connect, answer; SIGTERM ends it
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lepton_fed.department import Department
from lepton_fed.deploy.claim import claimed
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.flower.resident import run_department
from lepton_fed.logs import configure
from lepton_fed.signals import stopped_by_signals

from .home import DepartmentHome


def reside(
    kit: DepartmentKit,
    own_file: Path | None,
    *,
    disclose: bool = False,
    ready: Callable[[Department], None] = lambda department: None,
) -> None:
    """Run a department until SIGTERM or SIGINT. `ready`: called once its rows are loaded. Main thread only.

    ConfigError, DataError or StorageError, one sentence, where kit, file or rows cannot be used; PeerError where the
    coordinator does not let it in.
    """
    own = (kit.keys.rounding, kit.keys.identity.seed)
    with (
        claimed(kit.state),
        configure("department", kit.name, folder=kit.state, secrets=own),
        stopped_by_signals() as stop,
    ):
        home = DepartmentHome.opened(kit, own_file, disclose=disclose)
        department = home.department()
        ready(department)
        run_department(kit, department, stop, home)
