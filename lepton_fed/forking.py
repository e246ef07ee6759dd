"""Processes of `lepton-fed`, forked from one that has everything imported: imports are most of what a start costs.

    import_ahead()                      beside this process, one begins to import; it never does anything else
    forked(["server", KIT], log)        one like `lepton-fed server KIT`, in a session of its own, on a tether

Six parties on two cores begin after one import and not after six. What is forked has computed nothing and has opened
nothing: no thread of Python's, no socket, no random state; libraries of linear algebra, which make threads when they
are imported, make their own anew after a fork. This is Python's own `forkserver`.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from lepton_fed.tethered import watch

IMPORTED = "lepton_fed.imported"

_context = multiprocessing.get_context("forkserver")


def import_ahead() -> None:
    """Begins to import what processes need. Returns at once; it ends with this process."""
    multiprocessing.forkserver.set_forkserver_preload([IMPORTED])
    multiprocessing.forkserver.ensure_running()


def forked(arguments: Sequence[str], log: Path) -> BaseProcess:
    """`lepton-fed ARGUMENTS`, started; what it says is appended to `log`. It ends when this process has, in any way."""
    process = _context.Process(target=become, args=(tuple(arguments), log))
    process.start()
    return process


def into(log: Path) -> None:
    """Makes this forked process one of its own: an interrupt in the terminal is not for it, and it speaks to `log`."""
    # Interrupting the one that started it must not interrupt this one: it is ended in order.
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    for text in (sys.stdout, sys.stderr):
        if hasattr(text, "reconfigure"):
            text.reconfigure(line_buffering=True)


def become(arguments: tuple[str, ...], log: Path) -> None:
    """What a forked process does: `lepton-fed ARGUMENTS`, until it ends or its parent has."""
    into(log)
    parent = multiprocessing.parent_process()
    assert parent is not None
    watch(parent.sentinel)
    from lepton_fed.cli import main

    main(list(arguments))
