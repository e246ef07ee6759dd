"""A department's side of the audit log: it notes what it decides, spends and makes, and watches the coordinator's log.

    heard(decision) ─► Decided   ┐
    booked(...)     ─► Spent     ├─► docket ─► Attested ─► the coordinator's log
    delivered(...)  ─► Delivered │
    made(...)       ─► ModelMade ┘
    answer(Attest) ─► Witness: does the head continue the one kept here? ─► countersignature

Reasons, circumstances and persons are committed to; the texts themselves stay in the docket.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lepton_fed.audit.commitments import FORMAT, Openings
from lepton_fed.audit.entries import Decided, Delivered, Entry, ModelMade, Spent, moment, shortened
from lepton_fed.audit.errors import Inconsistent
from lepton_fed.audit.heads import SignedHead
from lepton_fed.audit.witness import Witness
from lepton_fed.department import Department
from lepton_fed.docket import Docket, Noted
from lepton_fed.enforcement import Guard
from lepton_fed.errors import StorageError
from lepton_fed.messages import Attest, Attested, Refused
from lepton_fed.policies import Decision, Policies
from lepton_fed.policies.request import MICRO
from lepton_fed.privacy import Booked
from lepton_fed.reads import Delivered as Kept
from lepton_fed.secagg.canonical import encode
from lepton_fed.secagg.errors import Malformed

_log = logging.getLogger("lepton_fed.audit")

Clock = Callable[[], datetime]


def policy_digest(policies: Policies, owner: str) -> bytes:
    """32 bytes that stand for all that decides about what `owner` owns."""
    return bytes.fromhex(policies.digest(owner).removeprefix("sha256:"))


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


@dataclass(eq=False)
class DepartmentLog:
    """What one department notes. `policy`: digest of the text that it decides by; `run`: the run under way, if any."""

    witness: Witness
    docket: Docket
    policy: bytes = bytes(32)
    run: str = ""
    clock: Clock = field(default=now, repr=False)

    @property
    def name(self) -> str:
        return self.witness.identity.name

    def listen(self, department: Department) -> None:
        """Note what this department decides, spends, gives and gets from now on; what cannot be noted is not done."""
        assert department.guard is not None
        self._listen(department.guard)
        if department.purse is not None:
            department.purse.booked = self._booked
        for end in (department.giver, department.reader):
            if end is not None:
                end.logged = self.delivered

    def _listen(self, guard: Guard) -> None:
        """Decisions go by the policies that are in force then. The guard takes an error for a no."""
        known: tuple[Policies | None, bytes] = (None, self.policy)

        def heard(decision: Decision) -> None:
            nonlocal known
            if known[0] is not guard.policies:
                known = guard.policies, policy_digest(guard.policies, self.name)
            self.policy = known[1]
            self.heard(decision)

        guard.heard = heard

    def heard(self, decision: Decision, person: str = "") -> None:
        """Note a decision, whatever was asked by whomever. `person`: on whose behalf."""
        request, openings = decision.request, Openings()
        entry = Decided(
            time=moment(self.clock()),
            run=self.run,
            department=self.name,
            principal=shortened(str(request.who)),
            action=shortened(str(request.action)),
            resource=shortened(str(request.what)),
            purpose=shortened(str(request.context.purpose or "")),
            allowed=decision.permitted,
            rules=tuple(map(shortened, decision.rules)),
            policy=self.policy,
            context=openings.commit(_circumstances(decision)),
            reason=openings.commit("; ".join(decision.reasons)),
            person=openings.commit(person) if person else None,
        )
        self._note(entry, openings)

    def booked(
        self, data_set: str, epsilon: float, total: float, delta: float, *, round: int = 0, mechanism: bytes = bytes(32)
    ) -> None:
        """Note what a privacy ledger booked: ε of one release, and what the data set's total came to at δ."""
        spent, total_spent = _micro(epsilon), _micro(total)
        entry = Spent(
            time=moment(self.clock()),
            run=self.run,
            round=round,
            department=self.name,
            data_set=data_set,
            micro_epsilon=spent,
            total_micro_epsilon=max(spent, total_spent),
            delta=float(delta),
            mechanism=mechanism,
        )
        self._note(entry)

    def _booked(self, booked: Booked) -> None:
        booking = booked.booking
        spent = max(0.0, booked.after - booked.before)
        self.booked(booked.data_set, spent, booked.after, booked.delta, round=booking.round, mechanism=booking.question)

    def delivered(self, delivered: Kept) -> None:
        """Note a shared table that this department gave, or got."""
        openings = Openings()
        entry = Delivered(
            time=moment(self.clock()),
            run=self.run,
            department=self.name,
            owner=delivered.owner,
            reader=delivered.reader,
            what=shortened(delivered.what),
            request=delivered.request,
            parcel=delivered.parcel,
            size=delivered.size,
            purpose=openings.commit(delivered.purpose),
        )
        self._note(entry, openings)

    def made(self, round: int, model: bytes, parameters: bytes) -> None:
        """Note the model that this department ends with: digests (32 bytes) of its file and of its numbers."""
        self._note(ModelMade(moment(self.clock()), self.run, round, self.name, model, parameters))

    def answer(self, message: Attest) -> Attested | Refused:
        """The countersignature on a head that continues the one kept here, and what is not in the log yet."""
        try:
            return self._answered(message)
        except Inconsistent as error:
            _log.error("did not countersign the audit log: %s", error)
            return Refused(str(error))
        except Malformed as error:
            return Refused(f"what it was shown is no head of a log: {error}")
        except StorageError as error:
            # Its text may name a place on this machine's disk, so it stays here.
            _log.error("cannot answer for the audit: %s", error)
            return Refused("what it keeps for the audit cannot be used; its own log says why")

    def _answered(self, message: Attest) -> Attested:
        signed, seen = SignedHead.read(message.head), self.witness.size
        if message.since != seen:
            return Attested(seen)
        entries = tuple(self.docket.after(message.told))
        signature = self.witness.shown(signed, message.proof).signature
        return Attested(signed.head.size, signature, entries)

    def _note(self, entry: Entry, openings: Openings | None = None) -> None:
        texts = openings.made.values() if openings is not None else ()
        self.docket.note(Noted(entry.body, tuple(encode((FORMAT, one)) for one in texts)))


def _circumstances(decision: Decision) -> str:
    """What else was known, as JSON."""
    context = decision.request.context
    said = {name: getattr(context, name) for name in context.__dataclass_fields__}
    return json.dumps(said | {"role": decision.request.role}, ensure_ascii=False, default=str)


def _micro(epsilon: float) -> int:
    """Millionths, rounded up: 4.03 ε is 4030000.0000000005 of them to a computer."""
    return math.ceil(round(epsilon * MICRO, 3))
