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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.app.message import remove_content_from_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    pull_and_inflate_object_from_tree,
    push_objects,
)

from lepton_fed.assembly import Own, build_department, read_own, terms
from lepton_fed.data import load_department_file
from lepton_fed.data.policy_files import PolicyFiles
from lepton_fed.department import Department
from lepton_fed.deploy.kit import COORDINATOR, DepartmentKit
from lepton_fed.errors import ConfigError, LeptonError, PeerError, StorageError
from lepton_fed.flower.answers import Answers, lasts
from lepton_fed.flower.fleet import FORBIDDEN, UNAUTHORISED, UNPREPARED, DeniedError, Link, UnreachableError, connected
from lepton_fed.flower.greetings import Here, Update, Updated, Who
from lepton_fed.flower.grid import JOIN, TYPES, UPDATE, WHO
from lepton_fed.flower.heap import give_large_blocks_back
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.flower.signed import DepartmentSide, Members, digest, unstamped
from lepton_fed.letters import letters_of
from lepton_fed.messages import Message, Refused
from lepton_fed.own_policies import guard_of
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.review import Terms
from lepton_fed.secrecy import require_safe
from lepton_fed.storage.ledger_file import LedgerFile

KINDS = {kind: type_ for type_, kind in TYPES.items()}
STEPS = {
    JOIN: "joining",
    UPDATE: "taking a newer membership",
    "query.declare": "declaring its hub",
    "query.advertise": "making keys",
    "query.consult": "asking its policies ahead",
    "query.evaluate": "measuring a model for another department",
    "train.work": "its work of the round",
    "train.sum": "an exchange of a secure sum",
    "query.attest": "countersigning the audit log",
    "query.wish": "saying what it wants of others",
    "query.read": "reading a table that it shares",
    "query.take": "taking a table that it asked for",
    "query.meet": "finding out what another department knows as well",
}
"""What a department was asked for, in words, by Flower's type."""

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


# ---------------------------------------------------------------- what is answered


class Home(Protocol):
    """Where a department follows its membership, and keeps what must outlive its process."""

    def considered(self, update: bytes) -> Members:
        """The members by this membership; PeerError unless the administrator signed it after the one in use."""

    def taken(self, update: bytes, department: Department) -> tuple[Department, Members, int]:
        """Goes by this membership: the department as it is then, the members, the serial."""

    def worked(self, department: Department, message: Message) -> None:
        """The department has answered this message, and the answer has not left yet."""


@dataclass(eq=False)
class Desk:
    """Turns each request into a signed reply: whatever comes in, and whatever happens here.

    `home`: without one, the department's membership is fixed and nothing outlives its process.
    """

    department: Department
    side: DepartmentSide
    home: Home | None = None
    answers: Answers = field(default_factory=Answers)

    def answer(self, message: FlowerMessage, node: int) -> FlowerMessage:
        """The signed reply to a message that reached this node."""
        return self.side.reply(self._said(message, node), message, node)

    @property
    def busy(self) -> bool:
        """Whether this department is in the middle of a secure sum."""
        member = self.department.member
        return member is not None and member.busy

    def refuse(self, message: FlowerMessage, node: int, reason: str) -> FlowerMessage:
        return self.side.reply(record_of(Refused(reason)), message, node)

    def _said(self, message: FlowerMessage, node: int) -> RecordDict:
        kind = message.metadata.message_type
        try:
            return self._handled(message, node, kind)
        except PeerError as error:
            _log.warning("refused a message: %s", error)
            return record_of(Refused(str(error)))
        except Exception as error:
            _log.exception("could not answer", extra={"step": STEPS.get(kind, "an answer")})
            if isinstance(error, LeptonError) and not isinstance(error, StorageError):
                return record_of(Refused(str(error)))
            # Its text may quote a row or name a place on this machine's disk, so it stays here.
            reason = f"{STEPS.get(kind, 'an answer')} failed at this department; its own log says why"
            return record_of(Refused(reason))

    def _handled(self, message: FlowerMessage, node: int, kind: str) -> RecordDict:
        if kind == UPDATE:
            return record_of(self._updated(message, node))
        content = self.side.opened(message, node)
        if kind == WHO:
            said_in(content, COORDINATOR, (Who,))
            return record_of(Here(self.department.name))
        if kind not in KINDS:
            raise PeerError(COORDINATOR, "its message is of a type that lepton-fed does not have")
        return self._answered(content, said_in(content, COORDINATOR, (KINDS[kind],)))

    def _answered(self, content: RecordDict, said: Message) -> RecordDict:
        """The department's answer; the one that it gave, where the same was asked in this round already."""
        question = digest(content, COORDINATOR)
        self.answers.begin(said)
        before = self.answers.given(question)
        if before is not None:
            return before
        reply = self.department.handle(said)
        if self.home is not None:
            self.home.worked(self.department, said)
        answer = record_of(reply)
        if lasts(said, reply):
            self.answers.keep(question, answer)
        return answer

    def _updated(self, message: FlowerMessage, node: int) -> Updated:
        """Goes by a newer membership, whatever federation file and coordinator's key it has."""
        if self.home is None:
            raise PeerError(COORDINATOR, "this department's membership does not change")
        content, _ = unstamped(message.content, COORDINATOR)
        said = said_in(content, COORDINATOR, (Update,))
        update = said.membership
        # The administrator's signature says who the coordinator is; only then its own can be looked at.
        members = self.home.considered(update)
        self.side.opened(message, node, members.coordinator)
        self.department, self.side.members, serial = self.home.taken(update, self.department)
        if self.department.log is not None:
            self.department.log.run = said.run
        return Updated(serial)


# ---------------------------------------------------------------- how messages come and go


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


# ---------------------------------------------------------------- from a kit


def department_of(
    kit: DepartmentKit,
    own_file: Path | None = None,
    *,
    disclose: bool = False,
    own: Own | None = None,
) -> Department:
    """The kit's department with its rows, keys and ledger; ConfigError, DataError or StorageError, one sentence.

    `own_file`: the department's own file; default: where the federation file says, beside the kit's copy.
    `disclose`: whether its measurements may leave. `own`: what its file says, if that was read already.
    """
    federation, name = kit.federation, kit.name
    own = own if own is not None else own_of(kit, own_file)
    asked = terms(federation.settings, own.file)
    if disclose and own.file.privacy is not None:
        raise ConfigError(
            f"{name}: its own file keeps a privacy budget, and measurements that leave carry no noise; start it "
            "without --disclose, or take [privacy] out"
        )
    party = None
    if federation.settings.aggregation.secure:
        require_safe(federation.settings, {name: asked})
        party = party_of(kit, asked)
    guard = guard_of(federation, name, own.policies, code=own.file.code)
    letters = letters_of(
        federation,
        own.file,
        kit.keys.identity,
        kit.membership.roster,
        guard,
        base=own.base,
        state=own.state or kit.state,
    )
    return build_department(federation, name, disclose=disclose, own=own, party=party, guard=guard, letters=letters)


def party_of(kit: DepartmentKit, asked: Terms) -> Party:
    """The department in secure sums: the kit's keys and roster, its own terms, its ledger's file."""
    roster = kit.membership.roster
    return Party(kit.keys.identity, roster, asked, LedgerFile(kit.ledger, roster.federation), kit.keys.rounding)


def own_of(kit: DepartmentKit, path: Path | None = None) -> Own:
    """What the department's own file says, with its rows; the paths in a file outside the kit are relative to it.

    Its policies are those that the file names and those in the kit's folder for them. What lasts and has no place in
    that file is kept in the kit's state folder.
    """
    if path is None:
        federation, there = kit.federation, kit.federation.department_file(kit.name)
        if federation.settings.department(kit.name).is_source and not there.exists():
            raise ConfigError(
                f"{kit.name} gives rows, and nothing says where they are; name its own file with --data, or put it "
                f"where it is looked for: {there}"
            )
        own = read_own(federation, kit.name)
    else:
        own = read_own(kit.federation, kit.name, load_department_file(path, kit.name), base=path.resolve().parent)
    return replace(own, policies=PolicyFiles(own.policies.named, kit.policies), state=kit.state)


def run_department(kit: DepartmentKit, department: Department, stop: threading.Event, home: Home | None = None) -> None:
    """The department's process, until `stop` is set. PeerError if the coordinator does not let it in."""
    # It would log a line for every look for messages.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    give_large_blocks_back()
    side = DepartmentSide(kit.keys.identity, Members.of(kit.membership))
    connect = partial(connected, str(kit.address), kit.authority, kit.keys.node_key)
    Resident(Desk(department, side, home), connect, stop, stop.wait).reside()
