"""Which nodes may speak on the coordinator's port, each for its own department and about its own messages.

    key of a membership --allow--> node number in Flower's registry;  a key that left is refused from then on

Flower checks that a caller holds the key of the node that it names. It does not compare that node with the sender
written in a message, nor with whom an object is for; `Members.refusal` does, and `learn` reads from Flower's answers
which objects and upload sessions are whose. That knowledge dies with the process: a department that was fetching
when the coordinator was killed is refused the rest, and gets the message again from the run that goes on.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lepton_fed.flower.doorbell import Doorbell

if TYPE_CHECKING:
    from flwr.server.superlink.linkstate import LinkState
    from starlette.types import ASGIApp, Receive, Scope, Send

FLEET = "/v1/fleet/"
OUTSTANDING = 256
"""Messages and uploads of one node that are remembered; a department has one or two at a time."""

EMPTY = "lepton_empty"
REASON = "lepton_reason"
NODE = "lepton_node"
RUN = "lepton_run"
"""Keys of a request's state, by which the outer and the inner check speak."""


@dataclass
class Mailbox:
    """What one node was given: the objects of each message, and its uploads, the newest last."""

    messages: OrderedDict[str, frozenset[str]] = field(default_factory=OrderedDict)
    uploads: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def may_pull(self, object_id: str) -> bool:
        return any(object_id in objects for objects in self.messages.values())


@dataclass(frozen=True)
class Entry:
    """One node of the membership: department, Flower's number."""

    name: str
    number: int
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)
    arrivals: Counter[str] = field(default_factory=Counter, repr=False)
    """How often it has connected: under the one key "times"."""


class Members:
    """The nodes that may speak, by their public keys (PEM)."""

    def __init__(self, state: LinkState, doorbell: Doorbell | None = None) -> None:
        self.state = state
        self._entries: Mapping[bytes, Entry] = {}
        self.doorbell = doorbell or Doorbell()

    def allow(self, nodes: Mapping[str, bytes]) -> None:
        """From now on exactly these nodes, by department; others are refused and count as offline at once."""
        before = self._entries
        after = {key: before.get(key) or Entry(name, self._number(name, key)) for name, key in nodes.items()}
        # One assignment: a call sees the old members or the new ones.
        self._entries = {key: replace(after[key], name=name) for name, key in nodes.items()}
        for key, entry in before.items():
            if key not in after:
                self.state.deactivate_node(entry.number)

    def entry(self, key: bytes) -> Entry | None:
        """The member with this public key."""
        return self._entries.get(key)

    @property
    def numbers(self) -> dict[str, int]:
        """Flower's number of each department's node."""
        return {entry.name: entry.number for entry in self._entries.values()}

    @property
    def arrivals(self) -> dict[str, int]:
        """How often each department has connected."""
        return {entry.name: entry.arrivals["times"] for entry in self._entries.values()}

    def arrive(self, entry: Entry, key: bytes) -> None:
        """A node connects. Whoever has its key is the node, so an earlier connection of it ends: its process is gone.

        Flower would refuse a department that was killed and started again until it counts the first one as lost.
        """
        if self.state.get_node_id_by_public_key(key) == entry.number:
            self.state.deactivate_node(entry.number)
            entry.arrivals["times"] += 1

    @property
    def online(self) -> tuple[str, ...]:
        """Departments whose nodes Flower has heard from."""
        numbers = {entry.number: entry.name for entry in self._entries.values()}
        found = self.state.get_node_info(node_ids=list(numbers), statuses=["online"])
        return tuple(sorted(numbers[node.node_id] for node in found))

    def _number(self, name: str, key: bytes) -> int:
        from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID

        found = self.state.get_node_id_by_public_key(key)
        if found is None:
            found = self.state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0, name=name)
        return found


def refusal(entry: Entry, path: str, request: Any) -> str | None:
    """Why this member may not make this call; None if it may. `request`: Flower's message, its caller authenticated."""
    match path.removeprefix(FLEET):
        case "push-messages":
            return _foreign(entry, request)
        case "push-object" if request.session_id not in entry.mailbox.uploads:
            return "the upload is not its own"
        case "pull-object" if not entry.mailbox.may_pull(request.object_id):
            return "the object is of no message to it"
        case "confirm-message-received" if request.message_object_id not in entry.mailbox.messages:
            return "the message is not to it"
    return None


def learn(entry: Entry, path: str, request: Any, answer: Any) -> None:
    """Remember what Flower's answer makes this member's own."""
    mailbox = entry.mailbox
    match path.removeprefix(FLEET):
        case "pull-messages":
            for tree in answer.message_object_trees:
                _remember(mailbox.messages, tree.object_id, frozenset(_objects(tree)))
        case "push-messages":
            _remember(mailbox.uploads, answer.session_id, None)
        case "confirm-message-received":
            mailbox.messages.pop(request.message_object_id, None)


def carries_nothing(answer: Any) -> bool:
    """Whether an answer says that there is nothing: of such polls there are many."""
    fields = answer.DESCRIPTOR.fields_by_name
    if "messages_list" in fields and "results" not in fields:
        return not answer.messages_list
    return "task" in fields and not answer.HasField("task")


def run_of(said: Any) -> int:
    """Flower's number of the run that a request or an answer is about; 0 for none."""
    messages = getattr(said, "messages_list", ())
    return int(messages[0].metadata.run_id if messages else getattr(said, "run_id", 0))


class OwnOnly:
    """The innermost check, where the caller is authenticated and the request is read: 403 for what is another's."""

    def __init__(self, app: ASGIApp, members: Members) -> None:
        self._app = app
        self._members = members

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state", {})
        request, entry = state.get("protobuf_request"), state.get(NODE)
        if request is not None and entry is not None and (reason := refusal(entry, scope["path"], request)):
            from starlette.responses import JSONResponse

            state[REASON], state[RUN] = reason, run_of(request)
            await JSONResponse({"detail": reason}, 403)(scope, receive, send)
            return
        if request is not None and entry is not None and scope["path"] == FLEET + "activate-node":
            self._members.arrive(entry, request.public_key)
        await self._app(scope, receive, send)
        answer = state.get("protobuf_response")
        if request is not None and hasattr(answer, "DESCRIPTOR"):
            state[EMPTY] = carries_nothing(answer)
            state[RUN] = run_of(request) or run_of(answer)
            if entry is not None:
                learn(entry, scope["path"], request, answer)
                self._tell(entry, scope["path"], state[EMPTY])

    def _tell(self, entry: Entry, path: str, empty: bool) -> None:
        """Whoever waits for messages, or for replies, learns that there are some."""
        match path.removeprefix(FLEET):
            case "pull-messages":
                self._members.doorbell.taken(entry.number, not empty)
            case "push-messages" | "push-object":
                self._members.doorbell.uploads.set()


def _foreign(entry: Entry, request: Any) -> str | None:
    """Flower reads the first message and the first tree only, and stores them under the sender written there."""
    if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
        return "a reply is one message with one tree of objects"
    metadata = request.messages_list[0].metadata
    if metadata.src_node_id != entry.number:
        return f"it answers as node {metadata.src_node_id} and is node {entry.number}"
    if request.message_object_trees[0].object_id != metadata.message_id:
        return "the tree of objects is of another message"
    return None


def _objects(tree: Any) -> Iterator[str]:
    yield tree.object_id
    for child in tree.children:
        yield from _objects(child)


def _remember(known: OrderedDict[str, Any], key: str, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > OUTSTANDING:
        known.popitem(last=False)
