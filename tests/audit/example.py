"""A small log to test with: two runs' worth of entries, one or more of every kind, sealed three times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from lepton_fed.audit import (
    Called,
    CounterSignature,
    Decided,
    Entry,
    Keys,
    KnowledgeRevised,
    MatchDecided,
    MembershipTaken,
    ModelMade,
    Openings,
    Planned,
    Record,
    Released,
    RunBegun,
    RunEnded,
    SignedHead,
    Spent,
    StepMoved,
    Survived,
    append,
    countersigned,
    leaf_hash,
    moment,
    seal,
)
from lepton_fed.audit.merkle import Frontier
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.secagg.keys import Identity
from lepton_fed.storage.database import Database

LOG = "制造"
NAMES = ("研发部门", "生产车间", "供应链部门")
COORDINATOR = Identity("coordinator", bytes([7]) * 32)
DEPARTMENTS = {name: Identity(name, bytes([k]) * 32) for k, name in enumerate(NAMES, start=1)}
KEYS = Keys(LOG, (COORDINATOR.public,), {name: (one.public,) for name, one in DEPARTMENTS.items()})
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUN = "run-1"
MEMBERS = tuple(sorted(NAMES))


def at(second: int) -> int:
    return moment(NOON + timedelta(seconds=second))


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def begun(openings: Openings, run: str = RUN) -> RunBegun:
    return RunBegun(
        time=at(0),
        run=run,
        federation=LOG,
        fingerprint=sha("federation.toml"),
        purpose="预测设备故障",
        serial=3,
        departments=MEMBERS,
        code=(("lepton_fed", sha("program")), ("mlp", sha("model code"))),
        contracts=(("生产线数据", sha("contract")),),
        policies=tuple((name, sha(f"policy of {name}")) for name in MEMBERS),
        by=openings.commit("张三"),
    )


def decided(openings: Openings, second: int, allowed: bool, run: str = RUN) -> Decided:
    return Decided(
        time=at(second),
        run=run,
        department="生产车间",
        principal="研发部门",
        action="训练",
        resource="生产线数据",
        purpose="预测设备故障",
        allowed=allowed,
        rules=("access-1",) if allowed else (),
        policy=sha("policy of 生产车间"),
        context=openings.commit("ε 1.5, 09:00"),
        reason=openings.commit("李四 说可以" if allowed else "no rule permits it"),
        person=openings.commit("李四"),
    )


def entries(openings: Openings) -> list[Entry]:
    """One run from its beginning to its end, with every kind of entry."""
    plan = sha("plan")
    called = AuditEvent(actor="生产车间", address="10.0.0.1", action="/v1/fleet/push", outcome="done", time=NOON)
    return [
        MembershipTaken(
            at(-9), "", 3, LOG, sha("roster"), tuple((n, DEPARTMENTS[n].public) for n in MEMBERS), COORDINATOR.public, 9
        ),
        begun(openings),
        decided(openings, 1, True),
        decided(openings, 2, False),
        Called.of(called, openings),
        Planned(at(3), RUN, 1, 1, plan, sha("roster"), sha("models"), MEMBERS, 2),
        Survived(at(4), RUN, 1, 1, plan, MEMBERS[:2], sha("signed")),
        Released(at(5), RUN, 1, 1, plan, "model", "all", MEMBERS[:2], sha("sum")),
        Spent(at(6), RUN, 1, "生产车间", "生产线数据", 250_000, 1_750_000, 1e-5, sha("gaussian")),
        ModelMade(at(7), RUN, 1, "研发部门", sha("model.safetensors"), sha("vector")),
        RunEnded(at(8), RUN, "finished", 1, openings.commit("")),
    ]


def step_moved(openings: Openings) -> StepMoved:
    """What pipelines write; apart, since they write it at any time."""
    return StepMoved(
        time=at(9),
        run=f"{LOG}#1",
        department="研发部门",
        step="研发部门/发布",
        move="approved",
        before="asking",
        after="ready",
        turn=1,
        attempt=1,
        definition=sha("steps"),
        result=sha(""),
        reason=openings.commit("质量经理 approved"),
        by=openings.commit("李四"),
    )


def knowledge_entries(openings: Openings) -> list[Entry]:
    """What departments' facts add to a log."""
    texts = [openings.commit(text) for text in ("供应商.csv", "季度更新", "王芳")]
    return [
        KnowledgeRevised(at(9), "", "供应链部门", "import", 1, 4, 0, sha("facts"), *texts),
        MatchDecided(at(10), "", "供应链部门", "研发部门", sha("pair"), "accepted", *texts[1:]),
    ]


@dataclass(frozen=True)
class Example:
    """The database, the log's entries, and the texts behind them."""

    database: Database
    entries: list[Entry]
    openings: Openings


def filled(database: Database) -> Example:
    """Entries 0 to 3, 4 to 7 and 8 to 10 under a head each; two departments countersign the last two heads."""
    openings = Openings()
    made = entries(openings)
    for number, (first, last) in enumerate([(0, 4), (4, 8), (8, 11)]):
        with database.writing() as connection:
            append(connection, LOG, made[first:last], openings)
            sealed = seal(connection, LOG, COORDINATOR, NOON + timedelta(minutes=number))
            for name in NAMES[:2] if number else ():
                signature = CounterSignature.sign(sealed.signed.head, DEPARTMENTS[name])
                countersigned(connection, LOG, sealed, signature, DEPARTMENTS[name].public)
    return Example(database, made, openings)


def records(bodies: list[bytes]) -> tuple[Record, ...]:
    """Records with the hashes that fit them, as somebody makes them anew who wants an edit to go unnoticed."""
    tree, found = Frontier(), []
    for index, body in enumerate(bodies):
        tree, nodes = tree.grown(leaf_hash(body))
        found.append(Record(index, body, nodes))
    return tuple(found)


def unguarded(database: Database) -> None:
    """As who may change the schema can do."""
    with database.writing() as connection:
        for table in ("audit_entry", "audit_head", "audit_countersignature"):
            if connection.dialect.name == "sqlite":
                for change in ("update", "delete"):
                    connection.execute(text(f"DROP TRIGGER {table}_no_{change}"))
            else:
                connection.execute(text(f"DROP TRIGGER {table}_guard ON {table}"))


def head_of(sealed_head: SignedHead, **changes: object) -> SignedHead:
    """The head with other fields, signed again with the coordinator's key."""
    from dataclasses import replace

    return SignedHead.sign(replace(sealed_head.head, **changes), COORDINATOR)  # type: ignore[arg-type]
