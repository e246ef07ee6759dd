"""The coordinator's side of reads: it asks who wants what, and carries requests and sealed tables to and fro.

    run_errands(names):   Wish -> Wished      of every department
                          Read -> Sent        of each owner that is asked
                          Take -> Taken       of each reader

It can read nothing of what it carries, and nothing is believed of it: whatever it changes, swaps or says twice is
refused at the department that it comes to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


def run_errands(names: Iterable[str]) -> Flow[tuple[Errand, ...]]:
    """Every read that departments want, one table at a time, so that one table is in memory."""
    asked = tuple(names)
    wishes = dict((yield {name: Wish() for name in asked}))
    requests = [
        request
        for name in asked
        if isinstance(wish := wishes.get(name), Wished)
        for request in wish.requests
        if request.reader == name
    ]
    done: tuple[Errand, ...] = ()
    for request in requests:
        done += ((yield from _carried(request)),)
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
