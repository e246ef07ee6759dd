"""A run's rounds, models and departments' own entries are in the log once, whoever is killed when, and under heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from lepton_fed.accounts import Account, AgreedPlan, ReleasedSum
from lepton_fed.audit import Decided, Entry, KeptHead, MemoryHead, ModelMade, Planned, Released, Survived, written
from lepton_fed.audit.calls import take_calls
from lepton_fed.audit.entries import NO_PLAN
from lepton_fed.audit.own_log import DepartmentLog
from lepton_fed.audit.run_entries import Beginning
from lepton_fed.audit.run_log import RunLog, Signers
from lepton_fed.audit.taken import take, taken
from lepton_fed.audit.verification import verify_written
from lepton_fed.audit.witness import Witness
from lepton_fed.docket import AT_ONCE, Noted
from lepton_fed.flower.link_audit import AuditEvent
from lepton_fed.messages import Attest, Attested, Message, Refused, Reply
from lepton_fed.policies import Context, Decision, Request
from lepton_fed.storage.audit_table import AuditTable
from lepton_fed.storage.database import Database
from lepton_fed.storage.store import Also
from lepton_fed.transport import OnReply
from tests.audit.example import COORDINATOR, DEPARTMENTS, KEYS, LOG, MEMBERS, NAMES, NOON, decided, sha, unguarded
from tests.audit.memory_docket import MemoryDocket

RUN = "run-7"
SIGNERS = Signers(LOG, COORDINATOR, {name: one.public for name, one in DEPARTMENTS.items()})


def department(name: str, kept: KeptHead | None = None, docket: MemoryDocket | None = None) -> DepartmentLog:
    witness = Witness(DEPARTMENTS[name], LOG, (COORDINATOR.public,), kept or MemoryHead())
    return DepartmentLog(witness, docket if docket is not None else MemoryDocket(), sha(name), RUN)


class Watching:
    """Departments that do nothing but watch the log; `lost`: whose next answers never arrive."""

    def __init__(self, logs: Mapping[str, DepartmentLog]) -> None:
        self.logs = dict(logs)
        self.lost: set[str] = set()
        self.asked: list[Attest] = []

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            assert isinstance(message, Attest)
            self.asked.append(message)
            reply = self.logs[name].answer(message)
            if name not in self.lost:
                yield name, reply


@pytest.fixture
def there() -> Watching:
    return Watching({name: department(name) for name in NAMES})


@pytest.fixture
def log(database: Database) -> RunLog:
    return RunLog(database, SIGNERS, RUN, lambda: NOON)


def write(log: RunLog, *all_: Also) -> None:
    for also in all_:
        with log.database.writing() as connection:
            also(connection)


def entries(log: RunLog) -> list[Entry]:
    return [Entry.read(record.body) for record in written(log.database, LOG).records]


def account(round: int, attempt: int = 0) -> Account:
    plan = AgreedPlan(sha(f"plan {round} {attempt}"), sha("roster"), sha("models"), MEMBERS, 2)
    found = ReleasedSum("updates", "all", MEMBERS[:2], sha(f"sum {round}"))
    return Account(round, attempt, plan, MEMBERS[:2], sha("signed"), (found,))


def decision(reason: str = "no rule permits it") -> Decision:
    context = Context.outside_training(purpose="预测", hour=9)
    request = Request(who="研发部门", role="工程师", verb="读取", what="生产线数据", owner="生产车间", context=context)
    return Decision(False, (reason,), ("night",), request)


# ---------------------------------------------------------------- what a run writes


def test_a_round_says_what_was_planned_who_delivered_and_what_came_out(log: RunLog) -> None:
    failed = replace(account(1), survivors=(), released=())
    write(log, log.summed(1, [failed, account(1, 1)]))
    assert [(type(one), one.attempt) for one in entries(log)] == [  # type: ignore[attr-defined]
        (Planned, 0), (Planned, 1), (Survived, 1), (Released, 1),
    ]  # fmt: skip


def test_sums_in_the_clear_are_told_as_what_they_are(log: RunLog) -> None:
    clear = Account(1, 0, None, released=(ReleasedSum("updates in the clear", "all", MEMBERS, sha("sum")),))
    write(log, log.summed(1, [clear]))
    (only,) = entries(log)
    assert isinstance(only, Released)
    assert (only.group, only.plan) == ("updates in the clear", NO_PLAN)


def test_a_round_that_is_played_again_is_told_once_and_a_later_one_is_told(log: RunLog) -> None:
    write(log, log.summed(1, [account(1)]), log.summed(1, [account(1, 2)]))
    write(log, log.summed(2, [account(2)], closing=True), log.summed(2, [account(2)], closing=True))
    write(log, log.summed(2, [account(2)]), log.summed(1, [account(1)]))
    assert [one.round for one in entries(log) if isinstance(one, Planned)] == [1, 2, 2]


def test_what_is_rolled_back_with_its_round_is_told_the_next_time(log: RunLog) -> None:
    with pytest.raises(RuntimeError), log.database.writing() as connection:
        log.summed(1, [account(1)])(connection)
        raise RuntimeError
    write(log, log.summed(1, [account(1)]))
    assert len(entries(log)) == 3


def test_a_model_that_is_recorded_again_is_told_once(log: RunLog) -> None:
    for round in (3, 3, 5):
        write(log, log.made(round, NAMES[0], sha("file"), sha("numbers")))
    assert [one.round for one in entries(log) if isinstance(one, ModelMade)] == [3, 5]


def test_a_run_begins_with_digests_and_ends_with_a_reason_that_can_be_erased(log: RunLog) -> None:
    begins = Beginning(LOG, sha("file"), "预测 " * 400, MEMBERS, 3, (("lepton-fed", sha("code")),))
    write(log, log.begun(begins), log.ended("stopped", 2, "张三 stopped it"))
    begun, ended = entries(log)
    assert begun.TITLE, ended.TITLE == ("run begun", "run ended")
    assert "张三".encode() not in ended.body
    found = written(log.database, LOG)
    assert found.heads[-1].signed.head.size == 2


# ---------------------------------------------------------------- heads


def test_every_department_countersigns_everything_at_the_end(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]))
    first = log.attest(there, NAMES)
    assert (first.size, first.countersigned, first.warnings) == (3, MEMBERS, ())
    there.logs["生产车间"].heard(decision())
    write(log, log.made(1, NAMES[0], sha("file"), sha("numbers")))
    last = log.conclude(there, NAMES)
    assert (last.size, last.countersigned) == (5, MEMBERS)
    verdict = verify_written(written(log.database, LOG), KEYS)
    assert verdict.sound
    assert verdict.countersigned == dict.fromkeys(NAMES, 5)


def test_a_log_to_which_nothing_came_is_not_sealed_again(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]))
    for _ in range(3):
        assert log.attest(there, NAMES).warnings == ()
    assert len(written(log.database, LOG).heads) == 1


def test_what_a_department_tells_is_taken_once_whoever_is_killed_when(log: RunLog, there: Watching) -> None:
    """The answer is lost, which is what a coordinator that was killed before its transaction has of it."""
    write(log, log.summed(1, [account(1)]))
    there.logs["生产车间"].heard(decision())
    there.lost = {"生产车间"}
    assert log.attest(there, NAMES).countersigned == tuple(n for n in MEMBERS if n != "生产车间")
    write(log, log.summed(2, [account(2)]))
    there.lost = set()
    again = RunLog(log.database, SIGNERS, RUN, lambda: NOON)
    for _ in range(3):
        assert again.attest(there, NAMES).countersigned == MEMBERS
    assert sum(isinstance(one, Decided) for one in entries(log)) == 1
    assert verify_written(written(log.database, LOG), KEYS).sound


def test_a_department_that_has_much_to_tell_tells_all_of_it(log: RunLog, there: Watching) -> None:
    docket = there.logs["生产车间"].docket
    for _ in range(AT_ONCE + 3):
        docket.note(Noted(ModelMade(1, RUN, 1, "生产车间", sha("m"), sha("p")).body))
    write(log, log.summed(1, [account(1)]))
    assert log.conclude(there, NAMES).countersigned == MEMBERS
    assert sum(isinstance(one, ModelMade) for one in entries(log)) == AT_ONCE + 3


def test_a_department_that_is_away_costs_nothing_but_its_signature(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]))
    assert log.attest(there, NAMES[:1]).countersigned == NAMES[:1]
    assert log.attest(there, NAMES).countersigned == MEMBERS


def test_a_department_whose_kept_head_is_gone_countersigns_as_if_it_had_seen_none(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]))
    log.attest(there, NAMES)
    there.logs["生产车间"] = department("生产车间")
    write(log, log.summed(2, [account(2)]))
    assert log.attest(there, NAMES).countersigned == MEMBERS


# ---------------------------------------------------------------- who does not stand by the log


def forget(database: Database) -> None:
    from sqlalchemy import text

    unguarded(database)
    with database.writing() as connection:
        for table in ("countersignature", "head", "opening", "taken", "entry", "log"):
            connection.execute(text(f"DELETE FROM audit_{table}"))


def test_a_log_that_was_rolled_back_or_written_anew_is_refused_loudly(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]), log.summed(2, [account(2)]))
    log.attest(there, NAMES)
    forget(log.database)
    write(log, log.summed(1, [account(1, 1)]))
    shorter = log.attest(there, NAMES)
    assert shorter.countersigned == ()
    assert len(shorter.warnings) == 3
    assert all("DOES NOT COUNTERSIGN" in one and "rolled back" in one for one in shorter.warnings)
    write(log, log.summed(2, [account(2)]), log.summed(3, [account(3)]))
    longer = log.attest(there, NAMES)
    assert all("forked or edited" in one for one in longer.warnings), longer.warnings
    assert not verify_written(
        written(log.database, LOG),
        KEYS,
        {n: one.witness.kept.read() for n, one in there.logs.items()},  # type: ignore[misc]
    ).sound


def test_a_department_tells_only_what_is_its_own(log: RunLog, there: Watching) -> None:
    from lepton_fed.audit import Openings

    others = decided(Openings(), 1, True)
    for body in (others.body, Released(1, RUN, 1, 0, sha("p"), "g", "c", MEMBERS, sha("r")).body, b"nonsense"):
        there.logs["研发部门"].docket = docket = MemoryDocket()
        docket.note(Noted(body))
        write(log, log.summed(1, [account(1)]))
        found = log.attest(there, NAMES)
        assert list(found.refused) == ["研发部门"], found
        assert not any(isinstance(one, Decided) for one in entries(log))


def test_a_signature_of_somebody_else_does_not_count(log: RunLog, there: Watching) -> None:
    there.logs["研发部门"] = department("生产车间")
    write(log, log.summed(1, [account(1)]))
    found = log.attest(there, NAMES)
    assert found.countersigned == tuple(sorted(NAMES[1:]))
    assert "does not verify" in found.warnings[0]


def test_a_department_whose_docket_was_rolled_back_does_not_countersign(log: RunLog, there: Watching) -> None:
    there.logs["生产车间"].heard(decision())
    write(log, log.summed(1, [account(1)]))
    log.conclude(there, NAMES)
    there.logs["生产车间"].docket = MemoryDocket()
    write(log, log.summed(2, [account(2)]))
    assert list(log.attest(there, NAMES).refused) == ["生产车间"]


def test_nonsense_instead_of_a_head_is_refused() -> None:
    reply = department("研发部门").answer(Attest(b"nonsense"))
    assert isinstance(reply, Refused)
    assert "no head of a log" in reply.reason


def test_a_department_says_where_it_is_instead_of_signing_from_elsewhere(log: RunLog, there: Watching) -> None:
    write(log, log.summed(1, [account(1)]))
    log.attest(there, NAMES)
    head = there.logs[NAMES[0]].witness.kept.read()
    assert head is not None
    assert there.logs[NAMES[0]].answer(Attest(head.written, since=2)) == Attested(3)


# ---------------------------------------------------------------- calls of the port


def test_calls_are_taken_in_once_and_together(database: Database, log: RunLog, there: Watching, url: str) -> None:
    log.calls = True
    with AuditTable(url) as table:
        for k in range(4):
            table.record(AuditEvent(actor="生产车间", address="10.0.0.9", action=f"/{k}", outcome="done", time=NOON))
        log.attest(there, NAMES)
        table.record(AuditEvent(actor="", address="10.0.0.9", action="/张三", outcome="refused", time=NOON))
        log.attest(there, NAMES)
        log.attest(there, NAMES)
    assert [one.TITLE for one in entries(log)] == ["call"] * 5
    assert not any(b"10.0.0.9" in one.body for one in entries(log))
    with database.writing() as connection:
        assert take_calls(connection, LOG) == 0


def test_a_source_is_taken_from_in_its_order(database: Database) -> None:
    with database.writing() as connection:
        assert [take(connection, LOG, "a", n) for n in (2, 2, 1, 3)] == [True, False, False, True]
        assert taken(connection, LOG, "a") == 3
        assert taken(connection, LOG, "b") == 0
