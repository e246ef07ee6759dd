"""A department as a member of secure sums: its keys, its next move, and what it checks in a plan.

    Advertise              fresh keys
    Sum(Call)              is this the plan that the federation file makes of who takes part? then shares
    Sum(Delivery, work)    are these the models of the plan? then train, report, and mask what came of it
    Sum(Survivors)         sign one set of survivors
    Sum(Quorum)            shares for unmasking, and keys for the next round
    Sum(GroupCall | GroupOffer | SealedSums)      where only departments may open a sum

Nothing the coordinator says is believed: a plan is drafted again here, and the audit is run here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields

from lepton_fed.cohorts import HubPlan
from lepton_fed.digests import BYTES_OF_DIGEST, hub_digest, models_hash, shown_hash
from lepton_fed.errors import LeptonError, StorageError
from lepton_fed.messages import Advertised, Done, HubState, Refused, Reply, Sum, Summed, Work
from lepton_fed.secagg import client as protocol
from lepton_fed.secagg.canonical import Wire, encode
from lepton_fed.secagg.canonical import decode as values_in
from lepton_fed.secagg.client import Party, check_delivery
from lepton_fed.secagg.contribution import Buffers
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.ledger import Entries
from lepton_fed.secagg.messages import Call, Delivery, GroupCall, GroupOffer, Quorum, SealedSums, Survivors
from lepton_fed.secagg.pads import Holder, join, lead
from lepton_fed.secagg.plan import Plan
from lepton_fed.secagg.recipient import open_sums
from lepton_fed.secagg.results import Sums
from lepton_fed.sums import Scheme, Turnout

Contribute = Callable[[Work], Done | Refused]
"""Reports on the last round and trains."""

Held = Callable[[], Mapping[str, HubState]]
"""The hubs that a department holds itself, where sums are sealed."""

Opened = Callable[[Plan, Sums, tuple[str, ...]], None]
"""Told of sums that only departments could open, and of the survivors they are over."""


@dataclass(eq=False)
class Member:
    """One department's part in secure sums. `state` lasts from message to message and holds secrets."""

    party: Party
    scheme: Scheme
    contribute: Contribute
    held: Held
    opened: Opened
    declared: Callable[[], str] = str
    """The hub that it declared last, under `clusters`."""
    undo: Callable[[], None] = lambda: None
    """Takes back what the last `contribute` did, where its numbers did not leave."""
    consent: Callable[[Plan], None] = lambda plan: None
    """PolicyError where the department's policies do not let its numbers enter the sums of a plan."""
    threads: int = 1
    state: Wire | None = field(default=None, repr=False)
    holder: Holder | None = field(default=None, repr=False)
    _buffers: Buffers = field(default_factory=dict, repr=False)
    _consent: Wire | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.party.name

    @property
    def busy(self) -> bool:
        """Whether its secrets are needed by others: from its shares on until its reveal, or the sums are opened."""
        between = self.state is None or isinstance(self.state, protocol.Advertised)
        return self.holder is not None or not between

    def advertise(self) -> Reply:
        """Fresh keys; a round that is under way here is given up by that."""
        try:
            advertised = protocol.advertise(self.party)
        except StorageError:
            raise  # About this department's own disk: whoever runs it says less to others.
        except LeptonError as error:
            return Refused(getattr(error, "reason", str(error)))
        self.state, self.holder = advertised, None
        return Advertised(advertised.keys)

    def answer(self, message: Sum) -> Reply:
        """The reply to one exchange, or why there is none; then nothing has changed."""
        try:
            return self._move(message)
        except StorageError:
            raise
        except LeptonError as error:
            return Refused(getattr(error, "reason", str(error)))

    def _move(self, message: Sum) -> Reply:
        match message.request, self.state:
            case GroupCall() as request, protocol.Advertised() as state:
                return self._lead(request, state)
            case GroupOffer() as request, protocol.Advertised() as state:
                return self._join(request, state)
            case Call() as request, protocol.Advertised() as state:
                self.examine(request.plan)
                self.state, shares = state.share(self.party, request, request.plan.model_hash)
                return Summed(shares)
            case Delivery() as request, protocol.Shared() as state:
                return self._mask(request, state, message)
            case Survivors() as request, protocol.Hidden() as state:
                signed, signature = state.sign(self.party, request)
                self.state = signed
                return Summed(signature, warning=signed.warning or "")
            case Quorum() as request, protocol.Signed() as state:
                advertised = protocol.advertise(self.party)
                _, reveal = state.reveal(self.party, request, advertised.keys)
                self.state = advertised
                return Summed(reveal)
            case SealedSums() as request, _ if self.holder is not None:
                return self._open(request, self.holder)
        kind = type(message.request).__name__
        return Refused(f"it is not at that point of the protocol ({kind}); it may have been started anew")

    # ---------------------------------------------------------------- the plan

    def examine(self, plan: Plan) -> None:
        """Malformed unless this is the plan that its own copy of the file makes of who takes part.

        PolicyError where its policies do not let it take part.
        """
        scheme, turnout = self.scheme, self.scheme.turnout_of(plan)
        last = scheme.settings.rounds.count + 1
        if not 1 <= plan.round <= last:
            # The ledger's rounds only grow: a huge one would lock this department out of all that follow.
            raise Malformed(f"the federation file has {last - 1} rounds, and the plan is of round {plan.round}")
        for hub in scheme.plans:
            named = turnout.writes.get(hub.name, ())
            if named != scheme.writers(hub, named):
                raise Malformed(f"the plan has departments in the sum of hub {hub.name!r} that may not be in it")
        if not set(turnout.reports) <= set(scheme.reporters):
            raise Malformed("the plan asks others for measurements than the federation file does")
        self._check_own_hub(turnout)
        expected = scheme.plan(
            self.party.roster,
            turnout,
            model=plan.model_hash,
            round=plan.round,
            attempt=plan.attempt,
            shown=plan.shown,
        )
        if expected != plan:
            found = ", ".join(f.name for f in fields(plan) if getattr(plan, f.name) != getattr(expected, f.name))
            raise Malformed(f"the plan is not the one that the federation file makes of who takes part ({found})")
        self.consent(plan)

    def _check_own_hub(self, turnout: Turnout) -> None:
        """Under `clusters` it writes to the hub that it declared, or to the largest where that was too small."""
        if self.scheme.settings.coupling.kind == "clusters":
            allowed = {self.declared(), largest_hub(turnout, self.scheme.plans)}
            if not allowed.issuperset(self.writes(turnout)):
                raise Malformed("the plan has it write to another hub than the one it declared")

    def writes(self, turnout: Turnout) -> tuple[str, ...]:
        """The hubs that it writes to in a round."""
        return tuple(hub for hub, members in turnout.writes.items() if self.name in members)

    # ---------------------------------------------------------------- numbers

    def _mask(self, delivery: Delivery, state: protocol.Shared, message: Sum) -> Reply:
        plan, work = state.call.plan, message.work
        if work is None:
            raise Malformed("masked numbers are asked for without the work that makes them")
        check_delivery(self.party, state, delivery)
        turnout = self.scheme.turnout_of(plan)
        if set(work.write) != set(self.writes(turnout)) or (self.name in turnout.reports and not work.report):
            raise Malformed("the work is not what the plan says")
        if work.round != plan.round:
            raise Malformed(f"the work is of round {work.round}, the plan of round {plan.round}")
        hubs = self.held() if plan.sealed else work.hubs
        self._check_models(plan, hubs, message.unseen)
        self.consent(plan)  # Again: an hour may have struck since the plan was examined.
        done = self.contribute(work)
        if isinstance(done, Refused):
            return done
        contributions = self.scheme.contributions(done, hubs, plan)
        try:
            self.state, masked = state.mask(
                self.party, delivery, contributions, threads=self.threads, buffers=self._buffers
            )
        except LeptonError:
            self.undo()
            raise
        return Summed(masked, done.disclosed, done.seconds)

    def _check_models(self, plan: Plan, hubs: Mapping[str, HubState], unseen: Mapping[str, bytes]) -> None:
        """Malformed unless these are the plan's models: of each of the file's hubs one, shown or by its digest.

        With a name too many, one model would have as many hashes as anybody likes, and would never be spent.
        """
        digests = {**unseen, **{name: hub_digest(hub) for name, hub in hubs.items()}}
        if digests.keys() != {hub.name for hub in self.scheme.plans}:
            raise Malformed("the models are not of the hubs that the federation file has")
        if any(len(one) != BYTES_OF_DIGEST for one in digests.values()):
            raise Malformed("a digest of a hub has not the right length")
        if (models_hash(digests), shown_hash(digests)) != (plan.model_hash, plan.shown):
            raise Malformed("the models are not those of the plan")

    # ---------------------------------------------------------------- sealed sums

    def _lead(self, request: GroupCall, state: protocol.Advertised) -> Reply:
        self.examine(request.plan)
        party = self.party
        self.holder, offer, self._consent = lead(
            party.identity, party.roster, request, state.keys, state.seal_secret, party.random
        )
        return Summed(offer)

    def _join(self, request: GroupOffer, state: protocol.Advertised) -> Reply:
        leads = request.leader.department == self.name and self.holder is not None
        if not (leads and self._consent is not None):
            self.examine(request.plan)
            self.holder, self._consent = join(self.party.identity, self.party.roster, request, state.seal_secret)
        return Summed(self._consent)

    def _open(self, request: SealedSums, holder: Holder) -> Reply:
        sums, signed = open_sums(self.party, holder, request, threads=self.threads)
        self.opened(holder.plan, sums, request.quorum.signatures[0].survivors)
        self.holder = None
        return Summed(signed, models={name: hub_digest(hub) for name, hub in self.held().items()})

    # ---------------------------------------------------------------- what lasts

    def stored(self) -> bytes:
        """All that lasts between messages, secrets included; `restore` takes it back."""
        parts = (self.state, self.holder, self._consent, self.party.ledger.read())
        return encode(tuple(part.to_bytes() if part is not None else b"" for part in parts))

    def restore(self, stored: bytes) -> None:
        """Continues from what `stored` gave; the ledger never goes back, however old that is."""
        values = values_in(stored)
        assert isinstance(values, tuple)
        state, holder, consent, entries = (Wire.from_bytes(part) if part else None for part in values)
        assert holder is None or isinstance(holder, Holder)
        assert isinstance(entries, Entries)
        self.state, self.holder, self._consent = state, holder, consent
        kept = self.party.ledger.read()
        if _progress(entries) > _progress(kept):
            self.party.ledger.replace(kept, entries)


def _progress(entries: Entries) -> tuple[int | bool, ...]:
    """How far a department is by its ledger; every move makes it larger."""
    return entries.serial, entries.used_serial, entries.round, entries.attempt, entries.spent, bool(entries.survivors)


def ended(stored: bytes) -> bytes:
    """What must last of `Member.stored` when a run has ended: the ledger, and no secret."""
    values = values_in(stored)
    assert isinstance(values, tuple)
    return encode((b"", b"", b"", values[-1]))


def largest_hub(turnout: Turnout, plans: Iterable[HubPlan]) -> str:
    """The hub with the most writers; of equals the file's first."""
    return max((p.name for p in plans), key=lambda name: len(turnout.writes.get(name, ())))
