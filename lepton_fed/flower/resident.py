"""A department as one long-lived process that is itself the SuperNode: its data stay loaded, its code is its own.

    reside(connect, Desk(department, side))
       connect --> receive --> open the signature --> Department.handle --> sign --> send --> receive ...
          ^-- back-off --- unreachable                    the bundle that comes with a run is never fetched

What leaves is a signed reply of lepton-fed or a signed refusal. Of a failure only a sentence leaves that names the
step; the failure itself stays in this process's log. Keys, models and the state of secure sums stay in memory, the
ledger is a file: a department that was killed comes back with its ledger, refuses whatever belonged to before, and
takes part again from the next round on.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from flwr.app import Message as FlowerMessage
from flwr.app.message import remove_content_from_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    pull_and_inflate_object_from_tree,
    push_objects,
)

from lepton_fed.department import Department
from lepton_fed.deploy.kit import COORDINATOR, DepartmentKit
from lepton_fed.errors import PeerError
from lepton_fed.flower.department_side import DepartmentSide
from lepton_fed.flower.desk import Desk, Home
from lepton_fed.flower.fleet import FORBIDDEN, UNAUTHORISED, UNPREPARED, DeniedError, Link, UnreachableError, connected
from lepton_fed.flower.heap import give_large_blocks_back
from lepton_fed.flower.signed import Members

SHORTEST, LONGEST, PATIENCE = 0.01, 1.0, 16
"""Seconds between two looks for messages: a sixteenth of the time since the last one. The SuperLink answers a look
when there is a message, so the pauses are for one that answers at once."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between attempts to reach a coordinator that is away."""

LINGER = 30.0
"""Seconds that a department which is to end stays for a secure sum under way."""

REFUSED_FOR = 75.0
"""Seconds for which the SuperLink may say no: it takes a killed node for connected for a while."""

AT_ONCE = 4
"""Objects of a reply that are written and sent together, two at a time."""

_log = logging.getLogger("lepton_fed.flower.resident")

Connect = Callable[[], AbstractContextManager[Link]]
Done = TypeVar("Done")


@dataclass(eq=False)
class Resident:
    """A department at its place: connected as long as possible, until `stop` is set.

    `wait(seconds)`: until `stop`, or so long. `_reply`: what is not yet delivered; it outlives a connection.
    """

    desk: Desk
    connect: Connect
    stop: threading.Event
    wait: Callable[[float], object]
    _reply: tuple[FlowerMessage, float] | None = field(default=None, init=False)
    _denied_since: float | None = field(default=None, init=False)
    _asked_to_stop: float | None = field(default=None, init=False)

    def reside(self) -> None:
        """Returns when `stop` is set; PeerError if the SuperLink goes on saying no."""
        while not self.stop.is_set():
            try:
                self._patiently(self._stay)
            except DeniedError as error:
                self._bear(error)

    def _stay(self) -> None:
        with self.connect() as link:
            _log.info("connected as node %d", link.node)
            self._attend(link)

    def _attend(self, link: Link) -> None:
        """Answers messages while the connection lasts. A short break does not end it: the node stays active."""
        last = time.monotonic()
        while self._staying():
            self._patiently(lambda: self._deliver(link))
            if self._patiently(lambda: self._take(link)):
                last = time.monotonic()
            elif not self.stop.is_set():
                self.wait(min(max((time.monotonic() - last) / PATIENCE, SHORTEST), LONGEST))

    def _staying(self) -> bool:
        """Until `stop` is set; and where a secure sum is under way then, until it is over, or for a while.

        Its secrets go with this process, and nobody's numbers can be given a second time.
        """
        if not self.stop.is_set():
            return True
        self._asked_to_stop = self._asked_to_stop or time.monotonic()
        return self.desk.busy and time.monotonic() - self._asked_to_stop < LINGER

    def _take(self, link: Link) -> bool:
        """Receives and answers one message, if there is one."""
        received = link.receive()
        self._denied_since = None
        if received is None:
            return False
        head, tree = received
        message = self._whole(link, head, tree)
        if message is not None:
            started = time.perf_counter()
            reply = self._answered(message, link.node)
            self._reply = reply, time.perf_counter() - started
        return True

    def _answered(self, message: FlowerMessage, node: int) -> FlowerMessage:
        if message.has_content():
            return self.desk.answer(message, node)
        return self.desk.refuse(message, node, f"{COORDINATOR}: its message could not be read")

    def _whole(self, link: Link, head: FlowerMessage, tree: ObjectTree) -> FlowerMessage | None:
        """The message with its content, without where it cannot be read; None if it is no longer there."""
        run = head.metadata.run_id
        fetch = partial(
            pull_and_inflate_object_from_tree,
            tree,
            partial(link.pull_object, run),
            partial(_confirm, link, run),
            return_type=FlowerMessage,
            initial_backoff=SHORTEST,
        )
        try:
            message = self._patiently(fetch)
        except (DeniedError, ObjectPullError) as error:
            _log.warning("a message could not be fetched (%s); its sender will miss an answer", error)
            return None
        except Exception as error:
            _log.warning("a message could not be read (%s)", type(error).__name__)
            message = _without_content(head)
        if message is not None:
            message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def _deliver(self, link: Link) -> None:
        """Sends the reply that waits, if one does; what the SuperLink does not want any more is dropped."""
        if self._reply is None:
            return
        reply, seconds = self._reply
        try:
            send(link, reply, seconds)
        except (DeniedError, ObjectPushError) as error:
            _log.warning("a reply is not wanted any more (%s)", error)
        self._reply = None

    def _patiently(self, act: Callable[[], Done]) -> Done | None:
        """Does it, as soon as the coordinator can be reached; None if `stop` comes first."""
        pause = FIRST_PAUSE
        while self._staying():
            try:
                return act()
            except UnreachableError as error:
                if self.stop.is_set():
                    # There is nobody to end the secure sum with.
                    self._asked_to_stop = time.monotonic() - LINGER
                    break
                if pause == FIRST_PAUSE:
                    _log.warning("the coordinator cannot be reached (%s); trying again", str(error))
                # Departments that lost one coordinator together do not come back in step.
                self.wait(pause * (0.75 + secrets.randbelow(500) / 1000))
                pause = min(2 * pause, LONGEST_PAUSE)
        return None

    def _bear(self, error: DeniedError) -> None:
        """Waits where the SuperLink says no, and complains when it has said so for too long."""
        now = time.monotonic()
        if self._denied_since is None:
            self._denied_since = now
            _log.warning("the coordinator does not let this node in (%s); trying again", str(error))
        if now - self._denied_since >= REFUSED_FOR:
            raise PeerError(COORDINATOR, _REASONS.get(error.status, f"it refuses this node ({error})")) from None
        self.wait(min(FIRST_PAUSE + (now - self._denied_since) / 4, 5.0))


_REASONS = {
    UNPREPARED: "it takes this department for connected already; stop the other process that has its key",
    UNAUTHORISED: "the time in this department's calls is not the coordinator's: its clock is minutes behind or some "
    "seconds ahead; set it",
    FORBIDDEN: "this department's key is not in the roster: it was taken out, or its keys were replaced; ask the "
    "administrator, and start from the newest kit",
}


def send(link: Link, reply: FlowerMessage, seconds: float) -> None:
    """Announces a reply and uploads what the SuperLink does not have of it."""
    run = reply.metadata.run_id
    reply.metadata.__dict__["_message_id"] = ""
    reply.metadata.__dict__["_message_id"] = reply.object_id
    with no_object_id_recompute():
        missing, upload = link.send(remove_content_from_message(reply), get_object_tree(reply), seconds)
        objects = {number: one for number, one in get_all_nested_objects(reply).items() if number in missing}
        # Flower writes all that it is given before it sends the first of it.
        waiting = list(objects)
        while waiting:
            now, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            push_objects({number: objects[number] for number in now}, partial(link.push_object, run, upload))


def _confirm(link: Link, run: int, number: str) -> None:
    """Says that a message is here. Its answer will say so, too: where this is not heard, the message is not lost."""
    with suppress(DeniedError, UnreachableError):
        link.confirm(run, number)


def _without_content(head: FlowerMessage) -> FlowerMessage:
    head.__dict__["_content"] = None
    return head


def run_department(kit: DepartmentKit, department: Department, stop: threading.Event, home: Home | None = None) -> None:
    """The department's process, until `stop` is set. PeerError if the coordinator does not let it in."""
    # It would log a line for every look for messages.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    give_large_blocks_back()
    side = DepartmentSide(kit.keys.identity, Members.of(kit.membership))
    connect = partial(connected, str(kit.address), kit.authority, kit.keys.node_key)
    Resident(Desk(department, side, home), connect, stop, stop.wait).reside()
