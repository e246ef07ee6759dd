"""One run's pen in the log: each of its methods gives what to write in a transaction, and `attest` shows the heads.

    store.record_round(..., also=log.summed(7, accounts))     the round and its entries: both, or neither
    log.attest(transport, names)                              seal ─► departments countersign, and tell their own

Each round, model and docket entry is in the log once, however often it is played again after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from lepton_fed.accounts import Account
from lepton_fed.attestation import Standing, attest
from lepton_fed.audit import run_entries
from lepton_fed.audit.calls import take_calls
from lepton_fed.audit.commitments import Openings
from lepton_fed.audit.entries import Delivered, Entry, MembershipTaken, ModelMade, moment
from lepton_fed.audit.heads import CounterSignature, SignedHead
from lepton_fed.audit.log import append, consistency, countersigned, last_head, seal, size_of
from lepton_fed.audit.own_log import Clock, now
from lepton_fed.audit.record import Sealed
from lepton_fed.audit.run_entries import Beginning
from lepton_fed.audit.taken import take, taken
from lepton_fed.messages import Attested, Refused, Reply
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from lepton_fed.storage.audit_log_tables import AuditCounterSignatureRow, AuditHeadRow
from lepton_fed.storage.database import Database
from lepton_fed.storage.store import Also
from lepton_fed.transport import Transport, drive

LAST_HEADS = 20
"""How often a log is sealed again at the end of a run, because a department still had something to tell."""


@dataclass(frozen=True)
class Signers:
    """Who signs a log's heads, and by which keys (32 bytes) departments countersign them."""

    log: str
    coordinator: Identity
    departments: Mapping[str, bytes]


@dataclass(frozen=True)
class Sealing:
    """How a log stands: its last head, who countersigned it, and who did not, with the reason."""

    log: str
    size: int
    root: bytes
    countersigned: tuple[str, ...]
    refused: Mapping[str, str]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each department that does not stand by the log."""
        return tuple(
            f"{name} DOES NOT COUNTERSIGN the audit log {self.log}: {why}" for name, why in self.refused.items()
        )


@dataclass(eq=False)
class RunLog:
    """The log as one run writes it. `exclusive`: entered while heads are shown, where other runs show theirs too."""

    database: Database
    signers: Signers
    run: str
    clock: Clock = field(default=now, repr=False)
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext
    calls: bool = False
    """Whether calls of a port are in this database."""
    standing: Sealing | None = field(default=None, init=False)
    """As of the last head."""

    @property
    def name(self) -> str:
        return self.signers.log

    # ------------------------------------------------------------ what to write in a transaction

    def begun(self, beginning: Beginning, membership: MembershipTaken | None = None) -> Also:
        """The run begins, or goes on in another process."""
        entries: list[Entry] = [] if membership is None else [membership]
        return self._written([*entries, beginning.entry(moment(self.clock()), self.run)])

    def summed(self, round: int, accounts: Sequence[Account], *, closing: bool = False) -> Also:
        """What was summed in a round, or to report on the last one; nothing if the log has it already."""
        time, source = moment(self.clock()), f"{'reports after' if closing else 'rounds of'} {self.run}"
        entries = [entry for one in accounts for entry in run_entries.summed(one, time, self.run)]

        def write(connection: Connection) -> None:
            if entries and take(connection, self.name, source, round):
                append(connection, self.name, entries)

        return write

    def made(self, round: int, target: str, model: bytes, parameters: bytes) -> Also:
        """A model came out; nothing if the log has it already."""
        entry, source = ModelMade(moment(self.clock()), self.run, round, target, model, parameters), "models of"

        def write(connection: Connection) -> None:
            if take(connection, self.name, f"{source} {self.run} for {target}", round):
                append(connection, self.name, [entry])

        return write

    def ended(self, status: str, rounds: int, reason: str) -> Also:
        """The run ended; the log is sealed over that at once."""
        openings = Openings()
        entry = run_entries.ended(moment(self.clock()), self.run, status, rounds, reason, openings)

        def write(connection: Connection) -> None:
            append(connection, self.name, [entry], openings)
            seal(connection, self.name, self.signers.coordinator, self.clock())

        return write

    def membership(self, entry: MembershipTaken) -> None:
        """The coordinator goes by another membership from now on."""
        with self.database.writing() as connection:
            append(connection, self.name, [entry])

    def _written(self, entries: Sequence[Entry]) -> Also:
        def write(connection: Connection) -> None:
            append(connection, self.name, entries)

        return write

    # ------------------------------------------------------------ heads

    def attest(self, transport: Transport, names: Sequence[str]) -> Sealing:
        """Seal the log and have these departments countersign it; what they tell goes into the log after that."""
        with self.exclusive():
            return self._attested(transport, names)[0]

    def conclude(self, transport: Transport, names: Sequence[str]) -> Sealing:
        """The same, again and again until no department has anything left to tell: all of it is under the last head."""
        with self.exclusive():
            for _ in range(LAST_HEADS):
                standing, told = self._attested(transport, names)
                if not told:
                    break
        return standing

    def _attested(self, transport: Transport, names: Sequence[str]) -> tuple[Sealing, bool]:
        known = [name for name in names if name in self.signers.departments]
        with self.database.writing() as connection:
            if self.calls:
                take_calls(connection, self.name)
            sealed = self._sealed(connection)
            at = {name: self._at(connection, name) for name in known}
        head = sealed.signed.head
        replies = drive(attest(sealed.signed.written, head.size, self._proofs(head.size), at), transport)
        refused, told = dict[str, str](), False
        with self.database.writing() as connection:
            for name, reply in sorted(replies.items()):
                try:
                    told |= self._heard(connection, sealed, name, reply, at[name].told)
                except Malformed as error:
                    refused[name] = str(error)
            signed = _signers(connection, self.name, sealed.number)
        self.standing = Sealing(self.name, head.size, head.root, signed, refused)
        return self.standing, told

    def _sealed(self, connection: Connection) -> Sealed:
        """A head over everything; the last one, if nothing has come since."""
        last = last_head(connection, self.name)
        if last is not None and last.signed.head.size == size_of(connection, self.name):
            return last
        return seal(connection, self.name, self.signers.coordinator, self.clock())

    def _proofs(self, size: int) -> Callable[[int], tuple[bytes, ...]]:
        def proof(since: int) -> tuple[bytes, ...]:
            if not 0 < since <= size:
                return ()
            with self.database.reading() as connection:
                return consistency(connection, self.name, since, size)

        return proof

    def _at(self, connection: Connection, name: str) -> Standing:
        return Standing(_seen(connection, self.name, name), taken(connection, self.name, _docket(name)))

    def _heard(self, connection: Connection, sealed: Sealed, name: str, reply: Reply, told: int) -> bool:
        """Keeps a countersignature and what came with it; whether something came. Malformed: why it does not count."""
        if isinstance(reply, Refused):
            raise Malformed(reply.reason)
        if not isinstance(reply, Attested) or not reply.countersignature:
            raise Malformed("it gave no countersignature")
        signature = CounterSignature(name, reply.countersignature)
        countersigned(connection, self.name, sealed, signature, self.signers.departments[name])
        entries = list(_own(name, reply.entries))
        if entries and take(connection, self.name, _docket(name), told + len(entries)):
            append(connection, self.name, entries)
        return bool(entries)


def _docket(name: str) -> str:
    """The source of what a department tells."""
    return f"docket of {name}"


def _own(name: str, bodies: Sequence[bytes]) -> Iterator[Entry]:
    """The entries that a department told; Malformed unless all are its own to tell."""
    for body in bodies:
        entry = Entry.read(body)
        if not entry.TOLD_BY or getattr(entry, entry.TOLD_BY) != name:
            raise Malformed(f"it told the log a {entry.TITLE} that is not its own to tell")
        if isinstance(entry, Delivered) and name not in (entry.owner, entry.reader):
            raise Malformed(f"it told the log a {entry.TITLE} by others")
        yield entry


def _seen(connection: Connection, log: str, name: str) -> int:
    """Entries under the last head that a department countersigned."""
    signature, head = AuditCounterSignatureRow, AuditHeadRow
    body = connection.execute(
        select(head.body)
        .join(signature, (signature.log == head.log) & (signature.number == head.number))
        .where(head.log == log, signature.department == name)
        .order_by(head.number.desc())
        .limit(1)
    ).scalar()
    return 0 if body is None else SignedHead.read(body).head.size


def _signers(connection: Connection, log: str, number: int) -> tuple[str, ...]:
    table = AuditCounterSignatureRow
    found = connection.execute(select(table.department).where(table.log == log, table.number == number)).scalars()
    return tuple(sorted(found))
