"""Which nodes may speak on the coordinator's port, each for its own department and about its own messages.

    key of a membership --allow--> node number in Flower's registry;  a key that left is refused from then on

Flower checks that a caller holds the key of the node that it names. It does not compare that node with the sender
written in a message, nor with whom an object is for, and takes an answer to nothing without a word; `refusal` does
not, and `learn` reads from Flower's answers which messages, objects and uploads are whose. That knowledge dies with
the process: a department that was fetching when the coordinator was killed is refused the rest, and gets the message
again from the run that goes on.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lepton_fed.flower.doorbell import Doorbell

if TYPE_CHECKING:
    from flwr.server.superlink.linkstate import LinkState
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FLEET = "/v1/fleet/"
OUTSTANDING = 256
"""Messages and uploads of one node that are remembered; a department has one or two at a time."""

MOST = 10_000
"""Objects that one answer may have: parts of a few MiB each, and a handful around them."""

EMPTY = "lepton_empty"
REASON = "lepton_reason"
NODE = "lepton_node"
RUN = "lepton_run"
"""Keys of a request's state, by which the outer and the inner check speak."""


@dataclass
class Answer:
    """What a node has announced as its answer to a message. `missing`: what of it was not uploaded yet."""

    number: str
    objects: frozenset[str]
    missing: set[str]


@dataclass
class Mailbox:
    """What one node was given: the objects of each message, what it may answer, and its uploads, the newest last."""

    messages: OrderedDict[str, frozenset[str]] = field(default_factory=OrderedDict)
    unanswered: OrderedDict[str, Answer | None] = field(default_factory=OrderedDict)
    uploads: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Of each upload the message that it answers."""

    def may_pull(self, object_id: str) -> bool:
        return any(object_id in objects for objects in self.messages.values())

    def lost(self) -> bool:
        """Whether a message that was handed out has been neither confirmed nor answered; it is given up by that.

        A department has one at a time, so one that looks for the next has never seen it: the answer was cut off.
        """
        lost = self.messages.keys() & self.unanswered.keys()
        for message in lost:
            del self.messages[message]
        return bool(lost)

    def uploaded(self, question: str, object_id: str) -> None:
        """This object of an answer has arrived; after the last one the question is answered."""
        answer = self.unanswered.get(question)
        if answer is not None:
            answer.missing.discard(object_id)
            if not answer.missing:
                del self.unanswered[question]


@dataclass(frozen=True)
class Entry:
    """One node of the membership: department, Flower's number."""

    name: str
    number: int
    mailbox: Mailbox = field(default_factory=Mailbox, repr=False)
    arrivals: Counter[str] = field(default_factory=Counter, repr=False)
    """How often it has connected, or missed a message: under the one key "times"; it is then asked again."""


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
                self.doorbell.let_go(entry.number)

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
            return _foreign(entry, request) or _unasked(entry.mailbox, request)
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
                _remember(mailbox.unanswered, tree.object_id, None)
        case "push-messages":
            question = request.messages_list[0].metadata.reply_to_message_id
            _remember(mailbox.uploads, answer.session_id, question)
            _announced(mailbox, question, set(answer.objects_to_push))
        case "push-object" if answer.stored:
            mailbox.uploaded(mailbox.uploads.get(request.session_id, ""), request.object_id)
        case "confirm-message-received":
            mailbox.messages.pop(request.message_object_id, None)


def carries_nothing(answer: Any) -> bool:
    """Whether an answer says that there is nothing: of such polls there are many."""
    return "messages_list" in answer.DESCRIPTOR.fields_by_name and not answer.messages_list


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
        await self._app(scope, receive, self._unless_full(state, request, send) if entry is not None else send)
        answer = state.get("protobuf_response")
        if request is not None and hasattr(answer, "DESCRIPTOR"):
            state[EMPTY] = carries_nothing(answer)
            state[RUN] = run_of(request) or run_of(answer)
            if entry is not None:
                learn(entry, scope["path"], request, answer)
                self._tell(entry, scope["path"], state[EMPTY])

    def _unless_full(self, state: dict[str, Any], request: Any, send: Send) -> Send:
        """`send`, with a 503 for Flower's answer where the disk had no room for an object, so it comes again."""
        unkept: set[str] = getattr(self._members.state.object_store, "unkept", set())
        replaced = False

        async def answer(message: Message) -> None:
            nonlocal replaced
            number = getattr(request, "object_id", "")
            if message["type"] == "http.response.start" and number in unkept:
                from starlette.responses import JSONResponse

                replaced = True
                unkept.discard(number)
                state[REASON] = "the coordinator's disk is full"
                await JSONResponse({"detail": state[REASON]}, 503)({"type": "http"}, _nothing, send)
            elif not replaced:
                await send(message)

        return answer

    def _tell(self, entry: Entry, path: str, empty: bool) -> None:
        """Whoever waits for messages, or for replies, learns that there are some."""
        match path.removeprefix(FLEET):
            case "pull-messages":
                self._members.doorbell.taken(entry.number, not empty)
            case "push-messages" | "push-object":
                self._members.doorbell.uploads.set()


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


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


def _unasked(mailbox: Mailbox, request: Any) -> str | None:
    """A message is answered once. The same answer may be announced again until all of it has arrived."""
    metadata, tree = request.messages_list[0].metadata, request.message_object_trees[0]
    question = metadata.reply_to_message_id
    if question not in mailbox.unanswered:
        return "it answers no message that waits for its answer"
    objects, before = frozenset(_objects(tree)), mailbox.unanswered[question]
    if before is not None and (before.number, before.objects) != (metadata.message_id, objects):
        return "it has announced another answer to this message"
    if len(objects) > MOST:
        return f"its answer has {len(objects)} objects, and {MOST} are the most"
    mailbox.unanswered[question] = Answer(metadata.message_id, objects, set(objects))
    return None


def _announced(mailbox: Mailbox, question: str, missing: set[str]) -> None:
    """Flower has taken an announcement, and wants so much of it; of what it did not take it wants nothing."""
    answer = mailbox.unanswered.get(question)
    if answer is not None:
        answer.missing = missing
        mailbox.uploaded(question, "")


def _objects(tree: Any) -> Iterator[str]:
    yield tree.object_id
    for child in tree.children:
        yield from _objects(child)


def _remember(known: OrderedDict[str, Any], key: str, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > OUTSTANDING:
        known.popitem(last=False)
