"""Exchanges of a deployed run: who is late, away or silent is left out, and nobody waits without a reason.

all have answered                                  the exchange is over
as many as the plan needs have answered after T    the others get as long again, and `grace` seconds at least
a node's signs of life have ended                  it is away at once
the plan's deadline                                the exchange is over
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flwr.app import Message as FlowerMessage

from lepton_fed.errors import PeerError
from lepton_fed.flower.grid import AWAY, TYPES, UPDATE, fitting_reply, post
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.records import Said, Update, Updated, said_in
from lepton_fed.flower.signed import SignedGrid
from lepton_fed.messages import Message, Refused, Reply, Sum
from lepton_fed.secagg.messages import Call, Delivery, GroupCall, Quorum, Survivors
from lepton_fed.secagg.plan import Plan
from lepton_fed.transport import OnReply

LONGEST_LOOK = 0.5
"""Seconds between two looks for replies where nothing rings: for who goes away in silence, and for `look`."""

Key = TypeVar("Key", bound=str)


@dataclass(eq=False)
class LinkTransport:
    """One exchange with many departments over the SuperLink in this process.

    `deadline`, `grace`: seconds. `nodes`: Flower's number of each department. `look`: called with each look for
    replies; what it raises ends the exchange.
    """

    grid: LinkGrid
    signed: SignedGrid
    nodes: Mapping[str, int]
    deadline: float
    grace: float
    look: Callable[[], None]
    _plan: Plan | None = field(default=None, init=False)

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        """The replies that came in time, as they come."""
        letters = {n: (self.nodes[n], TYPES[type(m)], m) for n, m in messages.items() if n in self.nodes}
        for name, answer in self._answers(letters, self._enough(messages)):
            reply = fitting_reply(answer, name, self.nodes[name], messages[name])
            if reply is not None:
                if on_reply is not None:
                    on_reply(name, reply)
                yield name, reply
            del answer, reply  # The next update is made while this loop waits; hold no other meanwhile.

    def update(self, membership: bytes, names: set[str]) -> dict[str, Updated | Refused]:
        """Hands the newest membership on, which also tells which process each department is now."""
        letters: dict[str, tuple[int, str, Said]] = {
            name: (self.nodes[name], UPDATE, Update(membership)) for name in sorted(names & self.nodes.keys())
        }
        found: dict[str, Updated | Refused] = {}
        for name, answer in self._answers(letters, len(letters)):
            if answer.has_error():
                continue
            try:
                found[name] = said_in(answer.content, name, KINDS_OF_UPDATED)
            except PeerError as error:
                found[name] = Refused(str(error))
        return found

    def _answers(
        self, letters: Mapping[str, tuple[int, str, Said]], enough: int
    ) -> Iterator[tuple[str, FlowerMessage]]:
        """(department, answer), as they come; what is still missing at the end is forgotten."""
        posted = post(self.signed, letters, self.deadline)
        waiting, bell, start = set(posted), self.grid.doorbell.uploads, time.monotonic()
        until, answered = self.deadline, 0
        try:
            while waiting:
                bell.clear()
                for answer in self.signed.pull_messages(sorted(waiting)):
                    number = answer.metadata.reply_to_message_id
                    if number in waiting:
                        waiting.remove(number)
                        answered += not (answer.has_error() and answer.error.code in AWAY)
                        yield posted[number], answer
                waited = time.monotonic() - start
                if answered >= enough and until == self.deadline:
                    until = min(self.deadline, waited + max(waited, self.grace))
                if not waiting or waited >= until:
                    return
                self.look()
                bell.wait(min(LONGEST_LOOK, until - waited))
        finally:
            self.grid.forget(self.signed.forget(waiting))

    def _enough(self, messages: Mapping[str, Message]) -> int:
        """How many answers an exchange needs: what the plan says, or half of them where sums are plain."""
        requests = [m.request for m in messages.values() if isinstance(m, Sum)]
        for request in requests:
            if isinstance(request, (Call, GroupCall)):
                self._plan = request.plan
        plan, kinds = self._plan, {type(request) for request in requests}
        if plan is not None and kinds & {Call, Delivery}:
            # Who only measures at home is asked in the same exchange, and must not be taken for one of the members.
            return plan.survivors + len(messages) - len(requests)
        if plan is not None and kinds & {Survivors, Quorum}:
            return plan.threshold
        return len(messages) if requests else (len(messages) + 1) // 2


KINDS_OF_UPDATED: tuple[type[Updated | Refused], ...] = (Updated, Refused)
