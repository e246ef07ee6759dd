"""What two departments both know, found through `Department.handle` without showing anybody anything else.

    introduce(asker, owner):   Meet(owner)            -> Met(question)     of the asker
                               Meet(asker, question)  -> Met(answer)       of the owner
                               Meet(owner, answer)    -> Met(found)        of the asker
                               Meet(asker, found)     -> Met()             of the owner, who has proposed matches

The coordinator carries signed and sealed bytes and learns their sizes. What is in them: `knowledge.meeting`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Protocol

from lepton_fed.messages import Meet, Message, Met, Refused, Reply


class CommonGround(Protocol):
    """A department's side. `asks`: whom it asks of its own accord; None: whomever it is told to."""

    @property
    def asks(self) -> tuple[str, ...] | None: ...

    def meet(self, other: str, body: bytes) -> bytes:
        """What `other` said, answered; without a body, the beginning. PolicyError, PeerError or Malformed: a no."""
        ...


def introduce(asker: str, owner: str) -> Generator[dict[str, Message], Iterable[tuple[str, Reply]], str]:
    """The coordinator's side: empty where it went through, or the sentence of who refused."""
    body = b""
    for name, other in ((asker, owner), (owner, asker)) * 2:
        reply = dict((yield {name: Meet(other, body)})).get(name)
        if isinstance(reply, Refused):
            return f"{name}: {reply.reason}"
        if not isinstance(reply, Met):
            return f"{name} did not answer"
        body = reply.body
    return ""
