"""Signs of life beside the work: Flower takes a node or a task for dead that has not been heard of for a minute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 10.0
"""Between two beats: several may be lost before anybody is taken for dead."""

_log = logging.getLogger("lepton_fed.flower")


@contextmanager
def beating(beat: Callable[[], object], seconds: float = SECONDS) -> Iterator[None]:
    """Calls `beat` now and then in a thread of its own; one that fails is only noted, the next may get through."""
    over = threading.Event()

    def beats() -> None:
        while not over.wait(seconds):
            try:
                beat()
            except Exception as error:
                _log.debug("a sign of life did not get through (%s)", type(error).__name__)

    thread = threading.Thread(target=beats, name="lepton-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
