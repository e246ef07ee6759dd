"""Two departments of a simulated federation find their common entities, each with its own facts, policies and keys.

    introduced(asker, graph, owner, graph, federation, policies, dockets) -> Introduced

Keys are thrown away afterwards. What is said goes through the same door as in a department: `errand_replies.met`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lepton_fed.code_digest import code_digest
from lepton_fed.common_ground import introduce
from lepton_fed.config import Federation
from lepton_fed.enforcement import Guard
from lepton_fed.errand_replies import met
from lepton_fed.errors import PolicyError
from lepton_fed.knowledge.graph import KnowledgeGraph
from lepton_fed.knowledge.meeting import MeetingPlace
from lepton_fed.messages import Meet, Message, Reply
from lepton_fed.own_policies import hour_here
from lepton_fed.policies import Decision, Policies
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.transport import OnReply, drive

Carried = Callable[[str, Message | Reply], None]
"""Told of each message with the department that it goes to or comes from: what a coordinator sees."""


@dataclass(frozen=True)
class Introduced:
    """What came of it at the owner's: names that both have, of which each lets the other know; matches that are new."""

    common: int
    proposed: int


def introduced(
    asker: tuple[str, KnowledgeGraph],
    owner: tuple[str, KnowledgeGraph],
    federation: Federation,
    policies: Policies,
    heard: Callable[[Decision], None],
    carried: Carried = lambda name, said: None,
) -> Introduced:
    """Both in this process. PolicyError with the sentence of who refused."""
    identities = {name: Identity.generate(name, os.urandom) for name in federation.settings.names}
    roster = Roster.of(federation.settings.federation.name, {n: one.public for n, one in identities.items()})
    came: list[Introduced] = []
    places = {
        name: MeetingPlace(
            identities[name],
            roster,
            graph,
            _guard(federation, name, policies, heard),
            lambda other, common, new: came.append(Introduced(common, new)),
        )
        for name, graph in (asker, owner)
    }
    refusal = drive(introduce(asker[0], owner[0]), _Carrier(places, carried))
    if refusal:
        name, _, reason = refusal.partition(": ")
        raise PolicyError(name, reason)
    return came[-1]


def _guard(federation: Federation, name: str, policies: Policies, heard: Callable[[Decision], None]) -> Guard:
    return Guard(
        name,
        federation.settings,
        policies,
        fingerprint=f"sha256:{federation.fingerprint}",
        code=code_digest(()),
        hour=hour_here,
        heard=heard,
    )


@dataclass(frozen=True)
class _Carrier:
    """A transport to departments that have facts and, possibly, no rows."""

    places: Mapping[str, MeetingPlace]
    carried: Carried

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            assert isinstance(message, Meet)
            self.carried(name, message)
            reply = met(self.places[name], message)
            self.carried(name, reply)
            yield name, reply
