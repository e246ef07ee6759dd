"""A process that has everything imported and forks a party's process for whoever asks: 200 starts in minutes.

    {"arguments": ["client", KIT], "log": PATH, "cwd": PATH, "moment": "", ...}  ->  {"pid": 4711}

A line of JSON each way, over standard input and output. A fork runs the same `main` as `lepton-fed` does, in a session
of its own; it ends with this process at the latest, and nobody has to wait for it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def main() -> None:
    """Until standard input ends."""
    home = Path(sys.argv[1])
    _import_everything(home)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        print(json.dumps({"pid": _forked(json.loads(line))}), flush=True)


def _import_everything(home: Path) -> None:
    from lepton_fed.flower.superlink import quieten

    quieten(home)
    import flwr.superlink.main
    import matplotlib.figure
    import uvicorn

    import lepton_fed.cli
    import lepton_fed.clients.process
    import lepton_fed.outcome
    import lepton_fed.server.process

    del flwr, matplotlib, uvicorn, lepton_fed


def _forked(asked: dict[str, Any]) -> int:
    mother = os.getpid()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        _become(asked, mother)
        code = _ran(asked)
    finally:
        os._exit(code)


def _become(asked: dict[str, Any], mother: int) -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != mother:
        os._exit(1)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(asked["cwd"])
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)


def _ran(asked: dict[str, Any]) -> int:
    from lepton_fed.cli import main as lepton_fed
    from tests.chaos.confession import confess
    from tests.chaos.moments import ask_twice, die_at, lose_answers

    if asked["moment"]:
        die_at(asked["moment"])
    if asked["twice"]:
        ask_twice()
    if asked["lossy"]:
        lose_answers(*asked["lossy"])
    if asked["told"]:
        confess(Path(asked["told"]))
    try:
        lepton_fed(list(asked["arguments"]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
