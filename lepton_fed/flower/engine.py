"""Flower's own simulation engine, which runs on Ray: departments are its nodes, this process coordinates.

    run_on_flower(federation) -> Simulated

It answers to 1e-6 what departments of one process answer, after half a minute of starting Ray.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from lepton_fed.coordinator import News, State
from lepton_fed.couplings.participant import Kept
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError, LeptonError, RoundError
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.roster import Roster
from lepton_fed.transport import OnReply

if TYPE_CHECKING:
    from lepton_fed.config import Federation
    from lepton_fed.flower.apps import Place

BuildDepartment = Callable[[str], Department]
OnRound = Callable[[int, News], None]

TIMEOUT = 24 * 3600.0
"""Seconds for one exchange: nobody is away in a simulation, so this only ends what hangs."""

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_LOG_LEVEL": "ERROR",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray warns that it will soon leave CUDA_VISIBLE_DEVICES alone; so it does already.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment of a simulation, for the processes of Ray too: nothing is reported, no chatter."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """The end of a run: the coordinator's state, and every department's `state()` by name."""

    state: State
    kept: Mapping[str, Kept]


def run_on_flower(
    federation: Federation,
    *,
    build: BuildDepartment | None = None,
    parties: Mapping[str, Party] | None = None,
    state: State | None = None,
    on_round: OnRound | None = None,
    on_reply: OnReply | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
) -> Simulated:
    """Plays the rounds left after `state` (default: all) and the last report on Flower's simulation engine.

    `build(name)` gives one department (default: from its own file, measurements disclosed). It is called in
    Ray's processes, so it has to be a function of a module or a partial of one. `parties`: keys by department, for
    secure sums. `on_round(number, news)` is told, after each round and at the end, what was measured about round
    `number`; it and `on_reply` are called in another thread. `cpus`, `gpus`: of each of Ray's processes.

    ConfigError without the extra `ray`, and whatever LeptonError the rounds come to.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("the engine flower needs Ray, which is not installed; pip install 'lepton-fed[ray]'")
    roster = next((party.roster for party in (parties or {}).values()), None)
    coordinator = _Coordinator(federation, state, roster, on_round, on_reply)
    resources = {"client_resources": {"num_cpus": cpus, "num_gpus": gpus}}
    with _quiet(), _interruptible(coordinator.stop):
        _simulate(coordinator, build if build is not None else _from_files(federation, parties or {}), resources)
    if coordinator.result is None:
        raise RoundError("Flower's simulation engine ended before the last round; its messages above say why")
    return coordinator.result


@dataclass(eq=False)
class _Coordinator:
    """The ServerApp's part, which Flower runs in a thread of this process."""

    federation: Federation
    state: State | None
    roster: Roster | None
    on_round: OnRound | None
    on_reply: OnReply | None
    stop: threading.Event = field(default_factory=threading.Event)
    result: Simulated | None = None

    def main(self, grid: Any, context: Any) -> None:
        from lepton_fed.flower.apps import coordinate
        from lepton_fed.flower.grid import GridTransport, find_departments

        settings = self.federation.settings
        nodes = find_departments(grid, settings.names, TIMEOUT, self.wait)
        transport = GridTransport(grid, nodes, TIMEOUT, self.wait)
        state = coordinate(
            settings,
            self.federation.fingerprint,
            transport,
            state=self.state,
            roster=self.roster,
            on_round=self.on_round,
            on_reply=self.on_reply,
        )
        self.result = Simulated(state, ask_kept(grid, nodes, self.wait))

    def wait(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise _Interrupted


class _Interrupted(Exception):
    """Somebody pressed Ctrl-C while the coordinator waited."""


def ask_kept(grid: Any, nodes: Mapping[str, int], wait: Callable[[float], None] = time.sleep) -> dict[str, Kept]:
    """Every department's `state()`, from apps made with `simulation`; RoundError if one does not answer."""
    from lepton_fed.flower.apps import KEPT, kept_in
    from lepton_fed.flower.greetings import Who
    from lepton_fed.flower.grid import collect, post

    posted = post(grid, {name: (node, KEPT, Who()) for name, node in nodes.items()}, TIMEOUT)
    kept = kept_in({posted[number]: answer for number, answer in collect(grid, posted, TIMEOUT, wait)})
    absent = [name for name in nodes if name not in kept]
    if absent:
        raise RoundError(f"{absent[0]} did not hand over its model after the last round; run again")
    return {name: kept[name] for name in nodes}


def _simulate(coordinator: _Coordinator, build: BuildDepartment, resources: dict[str, Any]) -> None:
    from flwr.simulation import run_simulation

    from lepton_fed.flower.apps import client_app, server_app

    names = coordinator.federation.settings.names
    client = client_app(partial(_place, uuid.uuid4().hex, names), partial(_build, build), simulation=True)
    try:
        run_simulation(server_app(coordinator.main), client, len(names), backend_config=resources)
    except _Interrupted:
        raise KeyboardInterrupt from None
    except LeptonError:
        raise
    except RuntimeError as error:
        raise RoundError(f"Flower's simulation engine failed: {error}") from error


def _from_files(federation: Federation, parties: Mapping[str, Party]) -> BuildDepartment:
    return partial(_built, federation, dict(parties))


def _built(federation: Federation, parties: Mapping[str, Party], name: str) -> Department:
    from lepton_fed.assembly import build_department

    return build_department(federation, name, disclose=True, party=parties.get(name))


def _place(run: str, names: tuple[str, ...], context: Any) -> Place:
    """A department's place in this run; another run of the same process builds anew."""
    from lepton_fed.flower.apps import Place

    return Place(run, names[int(context.node_config["partition-id"])])


def _build(build: BuildDepartment, place: Place) -> Department:
    return build(place.department)


@contextmanager
def _quiet() -> Iterator[None]:
    """No reports to anybody, warnings only, and this process's environment as it was afterwards."""
    from flwr.supercore import telemetry

    logger, environment = logging.getLogger("flwr"), dict(os.environ)
    level = logger.level
    os.environ.update(QUIET)
    # Flower read the environment when it was imported, which may have been before lepton_fed.flower was. It also
    # writes an identity of this machine into the home folder, unless it has one; and it does both in threads that
    # outlive the run, so neither is put back.
    telemetry.FLWR_TELEMETRY_ENABLED = "0"
    telemetry.state["source"] = "unavailable"
    logger.setLevel(logging.WARNING)
    logger.addFilter(_not_deprecated)
    try:
        yield
    finally:
        logger.removeFilter(_not_deprecated)
        logger.setLevel(level)
        os.environ.clear()
        os.environ.update(environment)


def _not_deprecated(record: logging.LogRecord) -> bool:
    """Drops the one warning that advises `flwr run`, a command that leaves a server running."""
    return "`run_simulation` function is deprecated" not in record.getMessage()


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C stops the coordinator and so Flower, which would hold back an exception until the last round."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
