"""Exchanges of a deployed run: who is late, away or silent is left out, and nobody waits without a reason.

all have answered                                  the exchange is over
as many as the plan needs have answered after T    the others get as long again, and `grace` seconds at least
a node's signs of life have ended                  it is away at once
a node has connected anew                          it is asked again: its earlier process took the question with it
the plan's deadline                                the exchange is over
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flwr.app import Message as FlowerMessage

from lepton_fed.errors import PeerError
from lepton_fed.flower.greetings import Update, Updated
from lepton_fed.flower.grid import AWAY, TYPES, UPDATE, fitting_reply, post
from lepton_fed.flower.link_grid import LinkGrid
from lepton_fed.flower.parts import LARGEST
from lepton_fed.flower.records import Said, said_in
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.messages import Message, Refused, Reply, Sum, Work
from lepton_fed.secagg.messages import Call, Delivery, GroupCall, Quorum, Survivors
from lepton_fed.secagg.plan import Plan, channels
from lepton_fed.transport import OnReply

LONGEST_LOOK = 0.5
"""Seconds between two looks for replies where nothing rings: for who goes away in silence, and for `look`."""

UPDATING = 30.0
"""Seconds that departments may take for a newer membership: they only build a department from rows in memory."""

SLACK = 1 << 24
"""Bytes of long values that an answer may always have."""

Key = TypeVar("Key", bound=str)


@dataclass(eq=False)
class LinkTransport:
    """One exchange with many departments over the SuperLink in this process.

    `deadline`, `grace`: seconds. `nodes`: Flower's number of each department. `look`: called with each look for
    replies; what it raises ends the exchange. `arrivals`: how often each department has connected.
    """

    grid: LinkGrid
    signed: SignedGrid
    nodes: Mapping[str, int]
    deadline: float
    grace: float
    look: Callable[[], None]
    arrivals: Callable[[], Mapping[str, int]] = dict
    _plan: Plan | None = field(default=None, init=False)

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        """The replies that came in time, as they come."""
        letters = {n: (self.nodes[n], TYPES[type(m)], m) for n, m in messages.items() if n in self.nodes}
        for name, answer in self._answers(letters, self._enough(messages)):
            reply = fitting_reply(answer, name, self.nodes[name], messages[name], self._most(messages[name]))
            if reply is not None:
                if on_reply is not None:
                    on_reply(name, reply)
                yield name, reply
            del answer, reply  # The next update is made while this loop waits; hold no other meanwhile.

    def update(self, membership: bytes, names: set[str], run: str = "") -> dict[str, Updated | Refused]:
        """Hands the newest membership on, and the run's id, which also tells which process each department is now.

        Who stays silent is missing, after a short while: it must not hold every round up, and can be told again.
        """
        letters: dict[str, tuple[int, str, Said]] = {
            name: (self.nodes[name], UPDATE, Update(membership, run)) for name in sorted(names & self.nodes.keys())
        }
        found: dict[str, Updated | Refused] = {}
        for name, answer in self._answers(letters, len(letters), min(self.deadline, max(UPDATING, self.grace))):
            if answer.has_error():
                continue
            try:
                found[name] = said_in(answer.content, name, KINDS_OF_UPDATED)
            except PeerError as error:
                found[name] = Refused(str(error))
        return found

    def _answers(
        self, letters: Mapping[str, tuple[int, str, Said]], enough: int, deadline: float | None = None
    ) -> Iterator[tuple[str, FlowerMessage]]:
        """(department, answer), as they come; what is still missing at the end is forgotten."""
        deadline = self.deadline if deadline is None else deadline
        there, posted = self.arrivals(), post(self.signed, letters, deadline)
        waiting, bell, start = set(posted), self.grid.doorbell.uploads, time.monotonic()
        until, answered = deadline, 0
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
                if answered >= enough and until == deadline:
                    until = min(deadline, waited + max(waited, self.grace))
                if not waiting or waited >= until:
                    return
                self.look()
                before, there = there, self.arrivals()
                anew = {n for n in waiting if there.get(posted[n]) != before.get(posted[n])}
                again = self._posted_again(anew, {posted[n]: letters[posted[n]] for n in anew}, deadline - waited)
                posted, waiting = posted | again, (waiting - anew) | again.keys()
                bell.wait(min(LONGEST_LOOK, until - waited))
        finally:
            self.grid.forget(self.signed.forget(waiting))

    def _posted_again(
        self, numbers: set[str], letters: Mapping[str, tuple[int, str, Said]], seconds: float
    ) -> dict[str, str]:
        """Asks whoever has connected anew, and forgets the questions that an earlier process took with it.

        The same process that lost its connection says again what it said; another one answers at once that it cannot.
        """
        self.grid.forget(self.signed.forget(numbers))
        return post(self.signed, letters, seconds)

    def _most(self, message: Message) -> int:
        """Bytes that the vectors of an answer may have, if that is known: equal ones cost their sender little."""
        if isinstance(message, Work) and all(hub.model.size for hub in message.hubs.values()):
            # Twice for scaffold's control variates, which stand behind the update.
            return SLACK + sum(2 * message.hubs[hub].model.nbytes for hub in message.write if hub in message.hubs)
        if isinstance(message, Sum) and self._plan is not None and not self._plan.sealed:
            return SLACK + sum(4 * channel.group.words for channel in channels(self._plan))
        return LARGEST

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
