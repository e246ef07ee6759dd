"""The outermost check on the coordinator's port: who calls is known before a byte of the body is read.

    /v1/fleet/*         the key of a member, and its signature       departments; Flower answers
    /v1/control/*       the kit's token                              who starts and stops runs; we answer
    /health, /metrics   from this machine, or with the token
    anything else       404: Flower's pages, and its interfaces for runs, tasks and applications

Then sizes and seconds of the body (413, 408), calls a second (429), and one audit event before the answer.
A proxy on this machine would make every caller local, so a forwarded call is refused where that counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from lepton_fed.errors import LeptonError
from lepton_fed.flower.link_audit import AuditEvent, AuditSink, Outcome
from lepton_fed.flower.link_limits import REMEMBERED, Buckets, Limits
from lepton_fed.flower.link_members import EMPTY, NODE, REASON, RUN, Entry, Members
from lepton_fed.flower.link_metrics import LinkMetrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPERATOR = "operator"


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


FLEET = _names(
    "activate-node deactivate-node send-node-heartbeat pull-messages push-messages push-object pull-object "
    "confirm-message-received"
)
CONTROL = _names("submit stop status logs carry")
"""Calls that a run needs. Flower has others, for tasks, applications, accounts and for registering nodes: 404."""

OPEN = _names("/health /metrics")

BEATS = _names("send-node-heartbeat status logs health metrics")
"""Not recorded where they are accepted: they carry nothing, or are asked every second."""

PROXIES = frozenset({b"forwarded", b"via", b"x-real-ip"})
"""Headers of a call that somebody hands on, beside all that begin with X-Forwarded."""

CONNECTION = "lepton_connection"
"""Key of a request's state: the connection that it came by, which is told whose it is."""

EVERYBODY = "*"
"""Stands for all addresses together; none looks like it."""

LONGEST_PATH = 120
"""Characters of an unknown path that are recorded."""


class Refusal(Exception):
    """The call is answered with this status and goes no further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass
class Call:
    """One request as the gate sees it. `entry`: the member whose key it holds, once its signature was verified."""

    scope: Scope
    begun: float = 0.0
    """When it came, on the process's clock."""
    actor: str = ""
    key: bytes = b""
    entry: Entry | None = None
    headers: dict[bytes, list[bytes]] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {}
        for name, value in self.scope["headers"]:
            self.headers.setdefault(name.lower(), []).append(value)

    @property
    def address(self) -> str:
        return self.scope["client"][0] if self.scope.get("client") else ""

    @property
    def api(self) -> str:
        """`fleet`, `control`, `health`; empty for what the port does not have."""
        method, path = self.scope["method"], self.scope["path"]
        if path in OPEN and method in ("GET", "HEAD"):
            return "health"
        empty, version, api, name = (*path.split("/"), "", "", "", "")[:4]
        known = {"fleet": FLEET, "control": CONTROL}.get(api, frozenset())
        exact = path == f"/{version}/{api}/{name}" and version == "v1" and not empty
        return api if exact and method == "POST" and name in known else ""

    @property
    def name(self) -> str:
        return str(self.scope["path"]).rsplit("/", 1)[-1]

    @property
    def local(self) -> bool:
        """Whether it comes from this machine, and from nobody whom a proxy speaks for."""
        forwarded = any(name in PROXIES or name.startswith(b"x-forwarded") for name in self.headers)
        return not forwarded and is_loopback(self.address)

    def header(self, name: str) -> str:
        """The one value of a header; empty if there is none, or more than one."""
        values = self.headers.get(name.encode(), [])
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def event(self, outcome: Outcome, reason: str = "", run: int = 0) -> AuditEvent:
        """What is kept of it."""
        return AuditEvent(
            actor=self.actor,
            address=self.address,
            action=self.scope["path"][:LONGEST_PATH],
            run=str(run) if run else "",
            outcome=outcome,
            reason=reason,
        )


class Gate:
    """Wraps Flower's application, and `control`, ours. `permits` compares a token in constant time."""

    def __init__(
        self,
        app: ASGIApp,
        control: ASGIApp,
        *,
        members: Members,
        permits: Callable[[str], bool],
        sink: AuditSink,
        limits: Limits,
        metrics: LinkMetrics | None = None,
    ) -> None:
        self._app = app
        self._control = control
        self._members = members
        self._permits = permits
        self._sink = sink
        self._limits = limits
        self._metrics = metrics or LinkMetrics()
        self._calls = Buckets(*limits.calls)
        self._refusals = Buckets(*limits.refusals)
        self._closed = Buckets(*limits.closed)
        self._hushed: OrderedDict[str, None] = OrderedDict()
        self.answered = self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(scope, begun=time.monotonic())
        try:
            self._admit(call)
            body = await self._body(call, receive)
            if call.entry is not None and call.name == "pull-messages":
                await self._hold(call, call.entry, receive)
            scope.setdefault("state", {})[NODE] = call.entry
            app = self._app if call.api == "fleet" else self._control
            await app(scope, _again(body, receive), self._recording(call, send))
        except Refusal as refusal:
            await self._refuse(call, refusal, send)
        finally:
            # The connection keeps its last request, in which Flower has put what it read and what it answered.
            scope.get("state", {}).clear()

    async def note(self, address: str, reason: str) -> None:
        """Record a connection that was closed before it asked for anything."""
        event = AuditEvent(actor="", address=address, action="connect", outcome="refused", reason=reason)
        self._metrics.connection_closed()
        with suppress(Refusal):
            await self._keep_refusal(event, (self._refusals, address), (self._closed, EVERYBODY))

    def _admit(self, call: Call) -> None:
        match call.api:
            case "fleet":
                self._admit_node(call)
            case "control":
                self._require_token(call)
            case "health" if call.local:
                return
            case "health":
                self._require_token(call)
            case _:
                raise Refusal(404, "there is no such page")
        if not self._calls.take(call.actor):
            raise Refusal(429, "too many calls; wait a second")
        connection = call.scope.get("state", {}).get(CONNECTION)
        if connection is not None and not connection.belongs_to(call.actor):
            raise Refusal(429, "it has too many connections; close some")

    def _require_token(self, call: Call) -> None:
        scheme, _, token = call.header("authorization").partition(" ")
        if scheme.lower() != "bearer" or not self._permits(token):
            raise Refusal(401, "the token is not that of this federation" if token else "a token is needed")
        call.actor = OPERATOR

    def _admit_node(self, call: Call) -> None:
        from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER

        key = decoded(call.header(FLEET_HTTP_PUBLIC_KEY_HEADER))
        if not key:
            raise Refusal(401, "a node's key and signature are needed")
        entry = self._member(key)
        if not signed(call, key):
            raise Refusal(401, f"the signature is not by the key of {entry.name}")
        if not fresh(call):
            raise Refusal(401, "the signature's time is not now: an old call, or a clock that is minutes off")
        call.key, call.entry, call.actor = key, entry, entry.name

    def _member(self, key: bytes) -> Entry:
        entry = self._members.entry(key)
        if entry is None:
            raise Refusal(403, "the node's key is not in the roster")
        return entry

    async def _hold(self, call: Call, entry: Entry, receive: Receive) -> None:
        """Waits with a look for messages until there is one, or for a while."""
        if not entry.arrivals.total():
            return  # Connected to an earlier coordinator: it must hear at once that it is not to this one.
        if entry.mailbox.lost():
            entry.arrivals["times"] += 1
        if not await self._members.doorbell.wait(entry.number, receive):
            raise Refusal(400, "the caller left while it waited for a message")
        # The roster may be another one by now.
        self._member(call.key)

    async def _body(self, call: Call, receive: Receive) -> bytes:
        """The whole body, refused once it is larger or slower than the limits allow."""
        length = call.header("content-length")
        if length.isdecimal() and int(length) > self._limits.body:
            raise Refusal(413, self._large)
        begun, parts, size = time.monotonic(), [], 0
        while True:
            late = begun + self._limits.stall + size / self._limits.pace - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), late)
            except TimeoutError:
                raise Refusal(408, "the body comes too slowly") from None
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the caller left before its request was complete")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.body:
                raise Refusal(413, self._large)
            if not message.get("more_body", False):
                self._metrics.bytes_received(size)
                return b"".join(parts)

    @property
    def _large(self) -> str:
        return f"a request has at most {self._limits.body} bytes"

    def _recording(self, call: Call, send: Send) -> Send:
        """`send`, with the event written before the answer begins; an answer without its event is a 503."""
        replaced = False

        async def answer(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "http.response.start":
                try:
                    await self._record(call, message["status"])
                except Refusal as refusal:
                    replaced = True
                    await respond(send, refusal.status, refusal.reason)
                    return
                self._metrics.call_answered(call.api, message["status"], time.monotonic() - call.begun)
            self._metrics.bytes_sent(len(message.get("body", b"")))
            await send(message)

        return answer

    async def _record(self, call: Call, status: int) -> None:
        """The event of a call that Flower answered."""
        state: dict[str, Any] = call.scope["state"]
        outcome: Outcome = "done" if status < 400 else "failed" if status >= 500 else "refused"
        reason = "" if outcome == "done" else state.get(REASON) or f"the answer was {status}"
        run = state.get(RUN, 0)
        if outcome == "refused":
            await self._keep_refusal(call.event("refused", reason, run), self._bound(call))
            return
        self.answered += 1
        if outcome == "failed" or not (call.name in BEATS or state.get(EMPTY, False)):
            await self._keep(call.event(outcome, reason, run))

    async def _refuse(self, call: Call, refusal: Refusal, send: Send) -> None:
        status, reason = refusal.status, refusal.reason
        try:
            if not await self._keep_refusal(call.event("refused", reason), self._bound(call)):
                status, reason = 429, "too many refused calls; wait a minute"
        except Refusal as worse:
            status, reason = worse.status, worse.reason
        self._metrics.call_answered(call.api, status, time.monotonic() - call.begun)
        await respond(send, status, reason)

    def _bound(self, call: Call) -> tuple[Buckets, str]:
        """Whose refusals a call's counts among."""
        return self._refusals, call.actor or call.address

    async def _keep_refusal(self, event: AuditEvent, *bounds: tuple[Buckets, str]) -> bool:
        """Whether nobody in `bounds` has been refused too often; if so it is recorded, and so is the first beyond."""
        self.refused += 1
        spent = next((who for buckets, who in bounds if not buckets.take(who)), None)
        if spent is None:
            for _, who in bounds:
                self._hushed.pop(who, None)
            await self._keep(event)
            return True
        if spent not in self._hushed:
            self._hushed[spent] = None
            while len(self._hushed) > REMEMBERED:
                self._hushed.popitem(last=False)
            await self._keep(replace(event, reason=f"{event.reason}; more are refused without a line each"))
        return False

    async def _keep(self, event: AuditEvent) -> None:
        """Record in another thread; Refusal where that fails, so that nothing unrecorded is answered."""
        try:
            await asyncio.to_thread(self._sink.record, event)
        except LeptonError as error:
            logging.getLogger(__name__).error("%s", error)
            raise Refusal(503, "the coordinator cannot keep its record of calls") from None


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own, also as IPv6 spells an IPv4 address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def decoded(text: str) -> bytes:
    """Base64's bytes; none for what is no base64."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def signed(call: Call, key: bytes) -> bool:
    """Whether the call's time is signed by this key."""
    from flwr.common.constant import TIMESTAMP_HEADER
    from flwr.supercore.constant import FLEET_HTTP_SIGNATURE_HEADER
    from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

    written, signature = call.header(TIMESTAMP_HEADER), decoded(call.header(FLEET_HTTP_SIGNATURE_HEADER))
    return bool(written) and verify_signature(bytes_to_public_key(key), written.encode("latin-1"), signature)


def fresh(call: Call) -> bool:
    """Whether the call's time is now, as Flower counts it; it looks later, when a call may have waited for long."""
    from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE

    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(call.header(TIMESTAMP_HEADER))).total_seconds()
    except (ValueError, TypeError):  # No time, or one without a zone.
        return False
    return -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE


async def respond(send: Send, status: int, reason: str) -> None:
    """A short answer that ends the connection: what is left of the request is not read."""
    content = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
    headers += [(b"connection", b"close")] + ([(b"retry-after", b"1")] if status == 429 else [])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body which was read, then what comes after it."""
    rest = [body]

    async def next_message() -> Message:
        if not rest:
            return await receive()
        return {"type": "http.request", "body": rest.pop(), "more_body": False}

    return next_message
