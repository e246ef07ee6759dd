"""What the coordinator carries between two departments: it asks who wants what, and takes messages to and fro.

    run_errands(names):   Wish -> Wished      of every department
                          Read -> Sent        of each owner that is asked
                          Take -> Taken       of each reader
                          Meet -> Met         of two by turns, who find out what both know (`common_ground`)

It can read nothing of what it carries, and nothing is believed of it: whatever it changes, swaps or says twice is
refused at the department that it comes to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lepton_fed.common_ground import introduce
from lepton_fed.messages import Read, Refused, Sent, Take, Taken, Wish, Wished
from lepton_fed.reads import ReadRequest
from lepton_fed.transport import Flow


@dataclass(frozen=True)
class Errand:
    """One read: `reason` is empty where the table arrived, and else says who refused it and why."""

    reader: str
    owner: str
    what: str
    size: int = 0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.reader} has not read {self.what} of {self.owner}: {self.reason}"
        return f"{self.reader} has read {self.what} of {self.owner}"


@dataclass(frozen=True)
class Meeting:
    """Two departments that were to find out what both know; `reason` as for a read."""

    asker: str
    owner: str
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.asker} has not met {self.owner}: {self.reason}"
        return f"{self.asker} has met {self.owner}: both know now what they have in common"


@dataclass(frozen=True)
class Done:
    """All that departments wanted of each other."""

    reads: tuple[Errand, ...] = ()
    meetings: tuple[Meeting, ...] = ()

    @property
    def all(self) -> tuple[Errand | Meeting, ...]:
        return *self.reads, *self.meetings


def run_errands(names: Iterable[str], occasion: str = "") -> Flow[Done]:
    """Everything that departments want, one thing after the other, so that one table is in memory.

    `occasion`: names what is done anew; without, errands of a run are those that an earlier coordinator began.
    """
    asked = tuple(names)
    replies = dict((yield {name: Wish(occasion) for name in asked}))
    wishes = {name: wish for name in asked if isinstance(wish := replies.get(name), Wished)}
    done = Done()
    for request in [one for name, wish in wishes.items() for one in wish.requests if one.reader == name]:
        done = replace(done, reads=(*done.reads, (yield from _carried(request))))
    for asker, owner in [(name, other) for name, wish in wishes.items() for other in wish.meetings if other != name]:
        reason = yield from introduce(asker, owner)
        done = replace(done, meetings=(*done.meetings, Meeting(asker, owner, reason)))
    return done


def _carried(request: ReadRequest) -> Flow[Errand]:
    """One table from its owner to its reader."""
    reader, owner, what = request.reader, request.owner, request.what
    sent = dict((yield {owner: Read(request)})).get(owner)
    if not isinstance(sent, Sent):
        return Errand(reader, owner, what, reason=_why(owner, sent))
    taken = dict((yield {reader: Take(sent.parcel)})).get(reader)
    if not isinstance(taken, Taken):
        return Errand(reader, owner, what, reason=_why(reader, taken))
    return Errand(reader, owner, what, taken.size)


def _why(name: str, reply: object) -> str:
    if isinstance(reply, Refused):
        return f"{name}: {reply.reason}"
    return f"{name} did not answer"
