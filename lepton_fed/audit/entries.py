"""What the log tells, one frozen type per kind of entry: names and digests in the open, all other text as commitments.

    RunBegun ─► Decided* ─► (Planned ─► Survived ─► Released ─► Spent*)* ─► ModelMade* ─► RunEnded
    MembershipTaken, Called, StepMoved, Delivered, KnowledgeRevised, MatchDecided: at any time

Names of departments, data sets, rules and files are in the open. A person, an address, a reason or anything that a
stranger wrote is a `Commitment`. Every `bytes` is a SHA-256 digest or an Ed25519 public key, of 32 bytes. Times are
whole microseconds since 1970, UTC. A kind never changes its fields: one that needs others gets a new number in KIND.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from lepton_fed.audit.commitments import FORMAT, Commitment, Openings, storable
from lepton_fed.secagg.canonical import Wire, decode, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.roster import check_name, check_names

if TYPE_CHECKING:
    from lepton_fed.flower.link_audit import AuditEvent

Digests = tuple[tuple[str, bytes], ...]
"""Digests by name, sorted by name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NO_PLAN = bytes(32)
"""Instead of a plan's digest, of sums that were made in the clear."""

LONGEST = 1000
"""Characters of a text in the open."""


def moment(time: datetime) -> int:
    """Microseconds since 1970, UTC; the time needs its zone."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def spoken(time: int) -> str:
    """A moment as people write it: 2026-01-02 03:04:05 UTC."""
    try:
        return (_EPOCH + timedelta(microseconds=time)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{time} microseconds after 1970"


def shortened(text: str) -> str:
    """A text as an entry may have it in the open."""
    return storable(text)[:LONGEST]


def digests(of: Mapping[str, bytes]) -> Digests:
    """A table of digests in its one order."""
    return tuple(sorted(of.items()))


@dataclass(frozen=True)
class Entry(Wire):
    """What every entry has. `run` is empty where an entry belongs to none.

    `TOLD_BY`: the field that names the department which alone may tell it; empty where the coordinator writes it.
    """

    TITLE: ClassVar[str]
    TOLD_BY: ClassVar[str] = ""
    time: int
    run: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in fields(self):
            _check(one.name, getattr(self, one.name))

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """Those of its fields that are one."""
        return tuple(v for one in fields(self) if isinstance(v := getattr(self, one.name), Commitment))

    @property
    def body(self) -> bytes:
        """The bytes whose hash is the entry's leaf."""
        return encode((FORMAT, self))

    @classmethod
    def read(cls, body: bytes) -> Entry:
        """The entry whose bytes these are; Malformed for anything else."""
        match decode(body):
            case (str(spoke), Entry() as entry) if spoke == FORMAT:
                return entry
            case (str(spoke), _) if spoke != FORMAT:
                raise Malformed(f"format {spoke[:40]!r}, this program reads {FORMAT!r}")
        raise Malformed("no entry of a log")


def _check(field: str, value: object) -> None:
    if isinstance(value, bytes) and len(value) != 32:
        raise Malformed(f"{field}: a digest or key has 32 bytes, found {len(value)}")
    if isinstance(value, str) and (len(value) > LONGEST or value != storable(value)):
        raise Malformed(f"{field}: a text has at most {LONGEST} characters, none of them 0 or half a character")
    if isinstance(value, tuple):
        for one in value:
            _check(field, one)


def _check_table(table: Digests) -> None:
    check_names(tuple(name for name, _ in table))


def _at_least_0(entry: Entry, *names: str) -> None:
    for name in names:
        if getattr(entry, name) < 0:
            raise Malformed(f"{name} cannot be {getattr(entry, name)}; it is at least 0")


@dataclass(frozen=True)
class RunBegun(Entry):
    """A run begins. `code`: what is trained and by which program; `contracts`: by department or data set; `policies`:
    by department, the digest of the policy text that it decides by. `by`: the person who began it.
    """

    KIND = "audit-run-begun/1"
    TITLE = "run begun"
    federation: str
    fingerprint: bytes
    purpose: str
    serial: int
    departments: tuple[str, ...]
    code: Digests
    contracts: Digests
    policies: Digests
    by: Commitment | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.departments)
        for table in (self.code, self.contracts, self.policies):
            _check_table(table)
        _at_least_0(self, "serial")


@dataclass(frozen=True)
class RunEnded(Entry):
    """A run ends."""

    KIND = "audit-run-ended/1"
    TITLE = "run ended"
    status: str
    rounds: int
    reason: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status not in ("finished", "failed", "stopped"):
            raise Malformed(f"a run ends finished, failed or stopped, not {self.status[:40]!r}")
        _at_least_0(self, "rounds")


@dataclass(frozen=True)
class Decided(Entry):
    """A department said yes or no. `rules`: ids of those that decided (none: default deny); `policy`: digest of the
    text that they are in; `context`: what else was known, such as ε spent and the hour; `person`: on whose behalf.
    """

    KIND = "audit-decision/1"
    TITLE = "decision"
    TOLD_BY = "department"
    department: str
    principal: str
    action: str
    resource: str
    purpose: str
    allowed: bool
    rules: tuple[str, ...]
    policy: bytes
    context: Commitment
    reason: Commitment
    person: Commitment | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)


@dataclass(frozen=True)
class Planned(Entry):
    """Departments agreed to the plan of one attempt at a round; digests of the plan, the roster and the models."""

    KIND = "audit-plan/1"
    TITLE = "plan"
    round: int
    attempt: int
    plan: bytes
    roster: bytes
    models: bytes
    members: tuple[str, ...]
    threshold: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.members)
        _at_least_0(self, "round", "attempt", "threshold")


@dataclass(frozen=True)
class Survived(Entry):
    """Who delivered in an attempt. `signed`: digest of the set as the departments signed it."""

    KIND = "audit-survivors/1"
    TITLE = "survivor set"
    round: int
    attempt: int
    plan: bytes
    survivors: tuple[str, ...]
    signed: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.survivors)
        _at_least_0(self, "round", "attempt")


@dataclass(frozen=True)
class Released(Entry):
    """A sum came out. `group`, `cohort`: which; `departments`: whose addends are in it; `result`: digest of the sum.

    `plan` is `NO_PLAN` where the coordinator added what it saw.
    """

    KIND = "audit-release/1"
    TITLE = "release"
    round: int
    attempt: int
    plan: bytes
    group: str
    cohort: str
    departments: tuple[str, ...]
    result: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.departments)
        _at_least_0(self, "round", "attempt")


@dataclass(frozen=True)
class Spent(Entry):
    """A data set's privacy ledger booked a release. `micro_epsilon`: by how many millionths of ε its total grew;
    `total_micro_epsilon`: what it came to, at `delta`. `mechanism`: digest of what was accounted for.
    """

    KIND = "audit-epsilon/1"
    TITLE = "ε spent"
    TOLD_BY = "department"
    round: int
    department: str
    data_set: str
    micro_epsilon: int
    total_micro_epsilon: int
    delta: float
    mechanism: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)
        check_name(self.data_set)
        _at_least_0(self, "round", "micro_epsilon", "delta")
        if self.total_micro_epsilon < self.micro_epsilon:
            raise Malformed(f"{self.data_set!r}: a total of ε cannot be less than what was added to it")


@dataclass(frozen=True)
class ModelMade(Entry):
    """A target's model came out of a round. `model`: digest of its file; `parameters`: digest of its vector."""

    KIND = "audit-model/1"
    TITLE = "model"
    TOLD_BY = "target"
    round: int
    target: str
    model: bytes
    parameters: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.target)
        _at_least_0(self, "round")


@dataclass(frozen=True)
class MembershipTaken(Entry):
    """The coordinator took a membership: its serial, its roster, who is in it by which key, and until when."""

    KIND = "audit-membership/1"
    TITLE = "membership"
    serial: int
    federation: str
    roster: bytes
    members: Digests
    coordinator: bytes
    until: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_table(self.members)
        _at_least_0(self, "serial", "until")


@dataclass(frozen=True)
class Called(Entry):
    """A call of the coordinator's port. `actor`: a department, `operator`, `coordinator`, or empty for a stranger; what
    a stranger can choose is committed to. `run` is Flower's number.
    """

    KIND = "audit-call/1"
    TITLE = "call"
    actor: str
    outcome: str
    action: Commitment
    address: Commitment
    reason: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outcome not in ("done", "refused", "failed"):
            raise Malformed(f"a call is done, refused or failed, not {self.outcome[:40]!r}")

    @classmethod
    def of(cls, event: AuditEvent, openings: Openings) -> Self:
        """The entry of a call; its texts go to `openings`."""
        return cls(
            moment(event.time),
            event.run,
            event.actor,
            event.outcome,
            openings.commit(event.action),
            openings.commit(event.address),
            openings.commit(event.reason),
        )


@dataclass(frozen=True)
class StepMoved(Entry):
    """A step of a pipeline's run moved from one state to another. `result`: digest of what it came to, of nothing where
    it came to nothing; `by`: the worker that had it, or the person who approved or cancelled it.
    """

    KIND = "audit-step/1"
    TITLE = "pipeline step"
    department: str
    step: str
    move: str
    before: str
    after: str
    turn: int
    attempt: int
    definition: bytes
    result: bytes
    reason: Commitment
    by: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)
        _at_least_0(self, "turn", "attempt")


@dataclass(frozen=True)
class Delivered(Entry):
    """A shared table went from its owner to a reader, told by each of them (`department`). `request`, `parcel`: digests
    of what was asked and of what went, sealed; `size`: bytes of the table; `purpose`: as the reader said it.
    """

    KIND = "audit-read/1"
    TITLE = "table read"
    TOLD_BY = "department"
    department: str
    owner: str
    reader: str
    what: str
    request: bytes
    parcel: bytes
    size: int
    purpose: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.department, self.owner, self.reader, self.what):
            check_name(name)
        _at_least_0(self, "size")


@dataclass(frozen=True)
class KnowledgeRevised(Entry):
    """A department's facts changed. `digest`: of the keys of those that came and of those that ended."""

    KIND = "audit-knowledge-revision/1"
    TITLE = "facts revised"
    department: str
    change: str
    revision: int
    added: int
    ended: int
    digest: bytes
    source: Commitment
    reason: Commitment
    by: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.department)
        if self.change not in ("import", "retract", "restore"):
            raise Malformed(f"facts change by import, retract or restore, not {self.change[:40]!r}")
        _at_least_0(self, "revision", "added", "ended")


@dataclass(frozen=True)
class MatchDecided(Entry):
    """A person said whether two departments' entities are one. `match`: digest of both with their departments."""

    KIND = "audit-knowledge-match/1"
    TITLE = "match decided"
    department: str
    other: str
    match: bytes
    state: str
    reason: Commitment
    by: Commitment

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names((self.department, self.other))
        if self.state not in ("proposed", "accepted", "refused"):
            raise Malformed(f"a match is proposed, accepted or refused, not {self.state[:40]!r}")


KINDS: tuple[type[Entry], ...] = (
    RunBegun,
    RunEnded,
    Decided,
    Planned,
    Survived,
    Released,
    Spent,
    ModelMade,
    MembershipTaken,
    Called,
    StepMoved,
    Delivered,
    KnowledgeRevised,
    MatchDecided,
)
