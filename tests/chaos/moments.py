"""Moments at which a party's process kills itself with -9, and a department that sends every request twice.

    die_at("lepton_fed.storage.checkpoint:Checkpoint.save before 3")     before its third call
    die_at("lepton_fed.storage.checkpoint:Checkpoint.save after 3")      when its third call has returned

A moment that lies between two writes is too short to be hit by chance.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from typing import Any

COORDINATOR_MOMENTS = {
    "before the run's folder is recorded": "lepton_fed.storage.run_folder:RunFolder.write_record before 1",
    "after the run's folder is recorded": "lepton_fed.storage.run_folder:RunFolder.write_record after 1",
    "before the run is in the database": "lepton_fed.storage.store:RunStore.start_run before 1",
    "with the first questions out": "lepton_fed.flower.link_grid:LinkGrid.push_messages after 1",
    "with the membership handed on": "lepton_fed.flower.link_grid:LinkGrid.push_messages after 2",
    "while keys come in": "lepton_fed.flower.link_grid:LinkGrid.push_messages after 3",
    "while departments upload": "lepton_fed.flower.link_grid:LinkGrid._whole after 24",
    "before an exchange is in the journal": "lepton_fed.storage.exchange_journal:ExchangeJournal.over before 7",
    "after an exchange is in the journal": "lepton_fed.storage.exchange_journal:ExchangeJournal.over after 7",
    "before the last exchange of a round is in the journal": "lepton_fed.storage.exchange_journal:ExchangeJournal.over "
    "before 9",
    "before the database has the round": "lepton_fed.record:Recorder.keep_round before 2",
    "between the database and the checkpoint": "lepton_fed.record:Recorder.keep_round after 2",
    "after the checkpoint": "lepton_fed.storage.checkpoint:Checkpoint.save after 2",
    "after the last report": "lepton_fed.record:Recorder.keep_round after 5",
    "before the run is finished": "lepton_fed.record:Recorder.finish before 1",
    "between the run's record and the database": "lepton_fed.storage.store:RunStore.finish_run before 1",
}
"""Where a coordinator of four rounds dies: the same departments answer in every round, so the models are the same."""

DEPARTMENT_MOMENTS = {
    "after its ledger, before its shares": "lepton_fed.storage.ledger_file:LedgerFile.replace after 2",
    "after its ledger, before its masked numbers": "lepton_fed.storage.ledger_file:LedgerFile.replace after 3",
    "after its ledger, before its signature": "lepton_fed.storage.ledger_file:LedgerFile.replace after 4",
    "before what it learnt is kept": "lepton_fed.clients.home:DepartmentHome.worked before 3",
    "after what it learnt is kept": "lepton_fed.clients.home:DepartmentHome.worked after 3",
    "after its masked numbers are announced": "lepton_fed.flower.fleet:FleetLink.send after 5",
    "after its reply was sent": "lepton_fed.flower.resident:send after 6",
    "with a message fetched and not confirmed": "lepton_fed.flower.fleet:FleetLink.confirm before 6",
}


def die_at(moment: str) -> None:
    """This process ends itself, as `kill -9` would, at the moment."""
    target, when, count = moment.rsplit(" ", 2)
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *names, last = path.split(".")
    for name in names:
        holder = getattr(holder, name)
    original, calls = getattr(holder, last), iter(range(1, 1 << 30))

    def watched(*arguments: Any, **options: Any) -> Any:
        due = next(calls) == int(count)
        if due and when == "before":
            _die()
        value = original(*arguments, **options)
        if due:
            _die()
        return value

    setattr(holder, last, watched)


def ask_twice() -> None:
    """Every request over HTTP is sent twice, with the same bytes: as if the first answer had been lost on its way.

    Looks for messages are not: the second would wait at the coordinator's door. Of an object that comes twice the
    SuperLink takes the first and says so once; whoever sends it again begins with the announcement.
    """
    import httpx

    original = httpx.Client.send

    def doubled(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        first = original(self, request, **options)
        if request.url.path.endswith("pull-messages"):
            return first
        second = original(self, request, **options)
        return first if request.url.path.endswith("push-object") else second

    httpx.Client.send = doubled  # type: ignore[method-assign]


def lose_answers(seed: int, spared: int) -> None:
    """Now and then the answer to a request is lost: what was asked has been done, and who asked does not know.

    That is what a connection is like that is cut at its worst moments. After a lost answer `spared` others arrive, and
    up to as many again: whatever is tried again succeeds, whichever are drawn.
    """
    import random

    import httpx

    original, draw = httpx.Client.send, random.Random(seed)
    left, one_at_a_time = draw.randrange(spared), threading.Lock()

    def is_lost() -> bool:
        nonlocal left
        with one_at_a_time:
            left -= 1
            if left >= 0:
                return False
            left = spared + draw.randrange(spared + 1)
            return True

    def lossy(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = original(self, request, **options)
        if is_lost():
            raise httpx.ReadError("the connection was cut before the answer came", request=request)
        return answer

    httpx.Client.send = lossy  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
