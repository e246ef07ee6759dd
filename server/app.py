"""The coordinator as a Flower ServerApp: `flwr run .`, or a run submitted to a deployed federation.

    flwr run . --run-config 'federation="/srv/lepton/federation.toml" out="/srv/lepton/run-1"'

`federation`: the federation file, by a path that holds wherever Flower starts this. `out`: a new folder for
the record of the run and the hubs' models; without it, only what is printed remains. Departments keep their own
models.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid

from lepton_fed import saved_state
from lepton_fed.config import Federation
from lepton_fed.coordinator import News, State
from lepton_fed.flower.apps import coordinate, require_plain, server_app
from lepton_fed.flower.grid import GridTransport, find_departments
from lepton_fed.history import FEDERATION as TOTAL
from lepton_fed.progress import Plain, Progress
from lepton_fed.record import Recorder

FEDERATION, OUT = "federation", "out"

BYTES_NEEDED = 10_000_000
"""For the history; hubs' models come on top and are not known before they are built."""


def run(grid: Grid, context: Context) -> None:
    """One run, from the first question to the last report; LeptonError where it cannot go on."""
    federation = Federation.load(Path(str(context.run_config.get(FEDERATION, "federation.toml"))))
    require_plain(federation.settings)
    out = str(context.run_config.get(OUT, ""))
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder.create(Path(out), federation, None, BYTES_NEEDED)) if out else None
        progress = stack.enter_context(Plain(federation.settings.report.metrics[0]))
        state = _play(grid, federation, recorder, progress)
        if recorder is not None:
            recorder.checkpoint.save(state.round, saved_state.meta(state), saved_state.groups(state, {}, ()))
            recorder.finish()


def _play(grid: Grid, federation: Federation, recorder: Recorder | None, progress: Progress) -> State:
    settings = federation.settings
    progress.begin(0, settings.rounds.count)
    progress.phase(f"waiting for {len(settings.names)} departments")
    nodes = find_departments(grid, settings.names)
    started = time.monotonic()

    def on_round(number: int, news: News) -> None:
        nonlocal started
        now = time.monotonic()
        if recorder is not None:
            recorder.keep_round(number, now - started, news.measurements)
        started = now
        progress.measured(number, tuple(m for m in news.measurements if m.department == TOTAL))
        for name, reason in news.refusals.items():
            progress.phase(f"{name} took no part: {reason}")

    return coordinate(settings, federation.fingerprint, GridTransport(grid, nodes), on_round=on_round)


app = server_app(run)
