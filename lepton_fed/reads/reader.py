"""The reader's side of a read: asks with a fresh key, takes the one answer to it, and lets nobody else's through.

ask(wanted) -> ReadRequest      the secret stays here until the answer comes, and serves once
take(parcel) -> bytes           verified, opened, noted, handed to `keep`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lepton_fed.reads.log import Delivered, Noted, ReadLog
from lepton_fed.reads.parcel import Parcel
from lepton_fed.reads.request import NONCE, ReadRequest
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity, KeyPair
from lepton_fed.secagg.roster import Roster

WAITING = 64
"""Requests whose answers are waited for; the oldest is given up."""


@dataclass(frozen=True)
class Wanted:
    """A table that this department wants to read."""

    owner: str
    what: str
    purpose: str


@dataclass(eq=False)
class Reader:
    """One department that reads others' tables. `keep` gets each table that arrives, before it is noted."""

    identity: Identity
    roster: Roster
    log: ReadLog
    random: RandomBytes
    wanted: tuple[Wanted, ...]
    keep: Callable[[Wanted, bytes], None]
    logged: Callable[[Delivered], None] = lambda _: None
    _waiting: dict[bytes, tuple[ReadRequest, KeyPair]] = field(default_factory=dict, repr=False)

    def ask(self) -> tuple[ReadRequest, ...]:
        """A fresh request for each table that is wanted of somebody in the roster."""
        return tuple(self._asked(one) for one in self.wanted if one.owner in self.roster.names)

    def take(self, parcel: Parcel) -> int:
        """Opens and keeps a table; its size in bytes. Malformed unless it is the answer to a waiting request."""
        found = self._waiting.get(parcel.request)
        if found is None:
            raise Malformed("no request of this department waits for this parcel")
        request, pair = found
        table = parcel.open(pair.secret, request, self.roster)
        self._waiting.pop(parcel.request, None)
        self.keep(Wanted(request.owner, request.what, request.purpose), table)
        delivered = Delivered(
            request.owner, request.reader, request.what, request.purpose, request.digest, parcel.digest, len(table)
        )
        try:
            self.log.note(delivered)
        except Noted:
            raise Malformed("this parcel was taken before") from None
        self.logged(delivered)
        return len(table)

    def _asked(self, one: Wanted) -> ReadRequest:
        pair = KeyPair.generate(self.random)
        request = ReadRequest.sign(
            self.identity,
            self.roster,
            owner=one.owner,
            what=one.what,
            purpose=one.purpose,
            public=pair.public,
            nonce=self.random(NONCE),
        )
        self._waiting[request.digest] = request, pair
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]
        return request
