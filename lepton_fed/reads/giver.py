"""The owner's side of a read: yes or no by its own rules, then the table as it may leave, to this reader alone.

    answer(request)   verify -> never answered before -> flow and rules -> read, mask -> seal, sign -> note -> Parcel

A request that is refused has cost nothing and is not noted. What is noted has left, or was about to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lepton_fed.consent import Consent
from lepton_fed.policies.request import Kind
from lepton_fed.policy import names
from lepton_fed.reads.log import Delivered, Noted, ReadLog
from lepton_fed.reads.parcel import Parcel
from lepton_fed.reads.request import ReadRequest
from lepton_fed.secagg.errors import Malformed, Refused
from lepton_fed.secagg.field import RandomBytes
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Flow

AGAIN = "this request was answered before; a reader asks anew with a new key"


@dataclass(frozen=True)
class Table:
    """A table as it may leave: Parquet, masked. `kind`: what rules call it, whole rows or a statistic of groups."""

    content: bytes = field(repr=False)
    kind: Kind = "DataSet"


class Shelf(Protocol):
    """The tables that a department shares, by name."""

    def kind(self, what: str) -> Kind | None:
        """What rules call it; None where the department shares nothing of this name."""

    def take(self, what: str) -> Table:
        """Reads it and masks it. LeptonError, for this department's own eyes, where that cannot be done."""


@dataclass(eq=False)
class Giver:
    """One department that may be asked for its tables. `logged` is told of each, before it leaves."""

    identity: Identity
    roster: Roster
    consent: Consent
    flows: tuple[Flow, ...]
    shelf: Shelf
    log: ReadLog
    random: RandomBytes
    logged: Callable[[Delivered], None] = lambda _: None

    def answer(self, request: ReadRequest) -> Parcel:
        """The sealed table; Malformed or secagg's Refused, with the reason."""
        request.verify(self.roster)
        if request.owner != self.identity.name:
            raise Malformed(f"the request is for {request.owner!r}")
        if self.log.holds(request.digest):
            raise Refused(self.identity.name, AGAIN)
        self._permit(request)
        table = self.shelf.take(request.what)
        parcel = Parcel.seal(self.identity, request, table.content, self.random)
        delivered = Delivered(
            request.owner,
            request.reader,
            request.what,
            request.purpose,
            request.digest,
            parcel.digest,
            len(table.content),
        )
        try:
            self.log.note(delivered)
        except Noted:
            raise Refused(self.identity.name, AGAIN) from None
        self.logged(delivered)
        return parcel

    def _permit(self, request: ReadRequest) -> None:
        """Secagg's Refused unless a flow of the file and the owner's rules let it be read."""
        name, what = self.identity.name, request.what
        kind = self.shelf.kind(what)
        flows = any(f.what == what and names(f.from_, name) and names(f.to, request.reader) for f in self.flows)
        if kind is None or not flows:
            # One sentence for both, so that asking does not tell what there is.
            raise Refused(name, f"it shares nothing called {what!r} with {request.reader}")
        decision = self.consent.ask(who=request.reader, verb="read", what=what, purpose=request.purpose, kind=kind)
        if not decision.permitted:
            raise Refused(name, decision.reasons[0])
