"""A process that ends with the one which started it.

It watches a pipe that nobody writes to. When the process at the other end is gone, even by `kill -9`, the pipe ends,
and this process is asked to end as by SIGTERM; one that does not is killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time

PATIENCE = 60.0
"""Seconds that it is given to say goodbye: a round under way may take thirty to its end."""


def watch(descriptor: int, patience: float = PATIENCE) -> None:
    """Ends this process once there is nothing more to come from `descriptor`. Returns at once."""
    threading.Thread(target=_end, args=(descriptor, patience), name="tether", daemon=True).start()


def _end(descriptor: int, patience: float) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(patience)
    os.kill(os.getpid(), signal.SIGKILL)
