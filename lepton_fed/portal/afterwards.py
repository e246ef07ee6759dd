"""Small changes that nobody waits for: one thread makes them, in their order, as many as there are in one transaction.

    do(change) ──► queue ──► one thread ──► one transaction

A kill loses what is still queued. So what goes here is that somebody read an entry or is still there, and never what
somebody was told is saved.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lepton_fed.errors import StorageError
from lepton_fed.storage.database import Database

Change = Callable[[Connection], object]
GATHERING = 0.2
"""Seconds after the first change until it is made: what comes meanwhile shares its way to the disk."""

MOST_AT_ONCE = 500
LONGEST_WAIT = 30.0

_log = logging.getLogger(__name__)


class Afterwards:
    """Threads may share one. Close it before its database."""

    def __init__(self, database: Database, gathering: float = GATHERING) -> None:
        self._database, self._gathering = database, gathering
        self._queue: SimpleQueue[Change | threading.Event] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()

    def do(self, change: Change) -> None:
        """Make a change soon."""
        self._queue.put(change)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="portal-afterwards", daemon=True)
                    self._thread.start()

    def done(self) -> None:
        """Wait until what was asked for before is made."""
        if self._thread is None:
            return
        reached = threading.Event()
        self._queue.put(reached)
        self._hurry.set()
        reached.wait(LONGEST_WAIT)

    def close(self) -> None:
        """Make what is left."""
        self.done()

    def _work(self) -> None:
        while True:
            some = [self._queue.get()]
            if not isinstance(some[0], threading.Event):
                self._hurry.wait(self._gathering)
            self._hurry.clear()
            while len(some) < MOST_AT_ONCE:
                try:
                    some.append(self._queue.get_nowait())
                except Empty:
                    break
            self._make([one for one in some if not isinstance(one, threading.Event)])
            for one in some:
                if isinstance(one, threading.Event):
                    one.set()

    def _make(self, changes: list[Change]) -> None:
        """All of them, but for those that fail."""
        try:
            if changes:
                with self._database.writing() as connection:
                    for change in changes:
                        _made(connection, change)
        except StorageError as error:
            _log.warning("%d readings were not written down: %s", len(changes), error)


def _made(connection: Connection, change: Change) -> None:
    try:
        with connection.begin_nested():
            change(connection)
    except SQLAlchemyError as error:
        _log.warning("a reading was not written down (%s)", type(error).__name__)
