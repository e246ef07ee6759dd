"""A department's side of finding entities in common: it asks, answers and proposes, as far as its policies let it.

    asker                                   owner
    question  Asked, signed          ──►    for the asker's eyes: entities of which its policies let the asker know
    found     Shared, signed, sealed ◄──    answer  Replied: Answered and a fresh key, signed
              what is common, of that    ──►    proposed as matches, for a person to decide
              what the owner may know of

Whoever carries this sees points of a curve and sealed bytes, and how many there are up to a power of two. Each side's
policies are asked by its guard (`publish` on each type of an entity), so that every decision that is new is noted for
the audit. Of every other department there is one session at a time, and each is used once.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from lepton_fed.consent import Consent
from lepton_fed.errors import PeerError, PolicyError, StorageError
from lepton_fed.knowledge.access import Consented
from lepton_fed.knowledge.graph import KnowledgeGraph
from lepton_fed.knowledge.intersection import PROTOCOL, Answered, Asked, Asking, Found
from lepton_fed.secagg.canonical import Wire, digest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, KeyPair, agree, derive, verify
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.sealing import seal, unseal

_log = logging.getLogger(__name__)

LEAST = 4096
"""Bytes of the smallest list of common names, filled up: larger ones are filled up to the next power of two."""

NOTHING = "it has no entity of which its policies let {} know"
"""One sentence for no entities and for no permission, so that asking does not tell which it is."""


@dataclass(frozen=True)
class Replied(Wire):
    """The owner's answer. `public`: the X25519 key of this session, to which the names are sealed."""

    KIND = "meeting-replied/1"
    answered: Answered
    public: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.public) != 32:
            raise Malformed("a key has 32 bytes")


@dataclass(frozen=True)
class Shared(Wire):
    """What is common, sealed to the owner."""

    KIND = "meeting-shared/1"
    session: bytes
    public: bytes
    sealed: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.session) != 32 or len(self.public) != 32:
            raise Malformed("a session and a key have 32 bytes each")


@dataclass(frozen=True)
class Said(Wire):
    """A message under its sender's signature, which also covers the roster and whom it is for."""

    KIND = "meeting-said/1"
    message: Asked | Replied | Shared
    signature: bytes


@dataclass(frozen=True)
class Session:
    """What the owner keeps until the names come. Used once."""

    session: bytes
    pair: KeyPair = field(repr=False)
    replied: bytes
    """Digest of the answer."""
    permission: Consented
    """What the asker may know: of nothing else is anything proposed, nor told."""


@dataclass(eq=False)
class MeetingPlace:
    """One department that may ask, and be asked. `proposed` is told with whom, how many are common, how many new.

    `asks`: whom it asks of its own accord; None: whomever it is told to. `found`: told what it has in common with
    whom it asked.
    """

    identity: Identity
    roster: Roster
    graph: KnowledgeGraph
    consent: Consent
    proposed: Callable[[str, int, int], None] = lambda other, common, new: None
    asks: tuple[str, ...] | None = None
    found: Callable[[str, tuple[str, ...]], None] | None = None
    _asking: dict[str, Asking] = field(default_factory=dict, init=False, repr=False)
    _answered: dict[str, Session] = field(default_factory=dict, init=False, repr=False)

    def meet(self, other: str, body: bytes) -> bytes:
        """See `common_ground.CommonGround`."""
        if other == self.identity.name or other not in self.roster.names:
            raise PeerError(other[:60], "it is no other department of this federation")
        if not body:
            return self._ask(other)
        match self._opened(other, body):
            case Asked() as asked:
                return self._answer(other, asked)
            case Replied() as replied:
                return self._find(other, replied)
            case Shared() as shared:
                return self._propose(other, shared)

    # ------------------------------------------------------------ the asker

    def _ask(self, other: str) -> bytes:
        if self.asks is not None and other not in self.asks:
            raise PolicyError(self.identity.name, f"its own file does not say that it asks {other}")
        asking, asked = self.graph.ask_privately(self.identity.name, other)
        self._asking[other] = asking
        return self._signed(other, asked)

    def _find(self, other: str, replied: Replied) -> bytes:
        """Of what is common, what the owner may know this department to have."""
        asking = self._asking.pop(other, None)
        if asking is None:
            raise PeerError(other, "it answers what it was not asked")
        self._keep(other, self.graph.find_privately(asking, replied.answered).names)
        found = self.graph.find_privately(asking, replied.answered, Consented(self.consent, other))
        pair = KeyPair.generate(secrets.token_bytes)
        key = self._key(agree(pair.secret, replied.public), self.identity.name, other, digest(PROTOCOL, replied))
        about = (PROTOCOL, "shared", found.session, pair.public)
        sealed = seal(key, _filled(found.to_bytes()), about, secrets.token_bytes)
        return self._signed(other, Shared(found.session, pair.public, sealed))

    def _keep(self, other: str, names: tuple[str, ...]) -> None:
        """For this department's own people; the owner is told all the same where that cannot be written."""
        try:
            if self.found is not None:
                self.found(other, names)
        except StorageError as error:
            _log.warning("what was found with %s is not kept: %s", other, error)

    # ------------------------------------------------------------ the owner

    def _answer(self, other: str, asked: Asked) -> bytes:
        if (asked.asker, asked.answerer) != (other, self.identity.name):
            raise PeerError(other, "it asks in another's name, or another one")
        name, permission = self.identity.name, Consented(self.consent, other)
        if not self.graph.may_know_of_any(name, permission):
            raise PolicyError(name, NOTHING.format(other))
        pair = KeyPair.generate(secrets.token_bytes)
        replied = Replied(self.graph.answer_privately(asked, name, permission), pair.public)
        self._answered[other] = Session(asked.session, pair, digest(PROTOCOL, replied), permission)
        return self._signed(other, replied)

    def _propose(self, other: str, shared: Shared) -> bytes:
        session = self._answered.pop(other, None)
        if session is None or session.session != shared.session:
            raise PeerError(other, "it tells of a session that there is not, or that is over")
        key = self._key(agree(session.pair.secret, shared.public), other, self.identity.name, session.replied)
        plain = unseal(key, shared.sealed, (PROTOCOL, "shared", shared.session, shared.public))
        found = Found.from_bytes(_emptied(plain))
        new = self.graph.propose_found(found, self.identity.name, session.permission)
        self.proposed(other, len(found.names), new)
        return b""

    # ------------------------------------------------------------

    def _signed(self, other: str, message: Asked | Replied | Shared) -> bytes:
        bound = (self.roster.federation, self.roster.hash, other, message)
        return Said(message, self.identity.sign(message.KIND, *bound, protocol=PROTOCOL)).to_bytes()

    def _opened(self, other: str, body: bytes) -> Asked | Replied | Shared:
        said = Said.from_bytes(body)
        bound = (self.roster.federation, self.roster.hash, self.identity.name, said.message)
        try:
            verify(self.roster.public(other), said.signature, said.message.KIND, *bound, protocol=PROTOCOL)
        except Malformed:
            raise PeerError(other, "what comes in its name, it did not sign for this department") from None
        return said.message

    def _key(self, secret: bytes, asker: str, owner: str, replied: bytes) -> bytes:
        return derive(secret, "meeting shared", self.roster.federation, self.roster.hash, asker, owner, replied)


def _filled(plain: bytes) -> bytes:
    """Its length, itself, and zeros up to a power of two."""
    size = max(LEAST, 1 << (len(plain) + 7).bit_length())
    return len(plain).to_bytes(8, "big") + plain + bytes(size - 8 - len(plain))


def _emptied(filled: bytes) -> bytes:
    size = int.from_bytes(filled[:8], "big")
    if len(filled) < 8 or size > len(filled) - 8:
        raise Malformed("a list of names is shorter than it says")
    return filled[8 : 8 + size]
