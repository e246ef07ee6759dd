"""Runs in a database: one transaction for everything, leases, approvals, and nothing recorded twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, select, text

from lepton_fed.audit import StepMoved
from lepton_fed.audit.entries import Entry
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import PipelineStore, Plan, SimulatedClock, Status, Step, Takes
from lepton_fed.pipeline.claiming import MOST_LOST, Claim, LeaseLost
from lepton_fed.pipeline.journal import STEP, RunKey
from lepton_fed.pipeline.permission import Answer, Asked
from lepton_fed.pipeline.room import Room
from lepton_fed.pipeline.states import IllegalMove, Move, State
from lepton_fed.storage.audit_log_tables import AuditEntryRow
from tests.pipeline.small import clock, graph, plan_of, step, yes

TWO = [step("研发部门", "训练", makes=("模型",)), step("生产车间", "验证", needs=("模型",))]


@contextmanager
def opened(url: str, at: SimulatedClock | None = None) -> Iterator[PipelineStore]:
    with PipelineStore(url, "制造", at or clock(), lease=30.0) as store:
        yield store


def claimed(store: PipelineStore, run: RunKey, plan: Plan, rooms: dict[str, Room], worker: str = "甲") -> Claim:
    taken = store.claim(run, plan, worker, rooms, yes)
    assert taken is not None
    assert taken.claim is not None
    return taken.claim


def entries(store: PipelineStore) -> list[Entry]:
    table = AuditEntryRow
    with store.database.reading() as connection:
        return [
            Entry.read(bytes(body)) for body in connection.execute(select(table.body).order_by(table.number)).scalars()
        ]


def rows(store: PipelineStore) -> list[tuple[object, ...]]:
    with store.database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(STEP).order_by(STEP.c.position))]


def status(store: PipelineStore) -> Status:
    found = store.status()
    assert found is not None
    return found


def test_a_run_from_its_beginning_to_its_end(url: str) -> None:
    plan, rooms = plan_of(TWO)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        assert store.claim(run, plan, "甲", rooms, yes) is None, "the other one waits for the model"
        store.end(claim, plan, Move.FINISHED, result={"模型": 1})
        second = claimed(store, run, plan, rooms)
        assert second.results == {"研发部门/训练": {"模型": 1}}
        store.end(second, plan, Move.FINISHED)
        assert (status(store).state, status(store).succeeded) == ("finished", True)
        assert store.begin(plan, "张三") == RunKey("制造", 2), "a finished run starts anew"


def test_state_event_and_audit_row_are_committed_together_or_not_at_all(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, rooms = plan_of(TWO)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        before = rows(store), store.events(run.number), entries(store)

        def broken(*_: object) -> None:
            raise RuntimeError("the log cannot be had")

        with monkeypatch.context() as patched:
            patched.setattr("lepton_fed.pipeline.journal.append", broken)
            with pytest.raises(RuntimeError):
                store.end(claim, plan, Move.FINISHED, result=1)
        assert (rows(store), store.events(run.number), entries(store)) == before
        store.end(claim, plan, Move.FINISHED, result=1)
        moves = [one for one in entries(store) if isinstance(one, StepMoved)]
        assert [(m.step, m.move) for m in moves] == [(e.step, e.move) for e in store.events(run.number)]


def test_an_illegal_move_changes_nothing(url: str) -> None:
    plan, rooms = plan_of(TWO)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        before = rows(store), store.events(run.number), entries(store)
        with pytest.raises(IllegalMove):
            store.end(claim, plan, Move.APPROVED)
        assert (rows(store), store.events(run.number), entries(store)) == before


def test_an_effect_in_the_same_database_happens_once_or_not_at_all(url: str) -> None:
    plan, rooms = plan_of(TWO)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        with store.database.writing() as connection:
            connection.execute(text("CREATE TABLE effect (step VARCHAR(40))"))

        def effect(connection: Connection) -> None:
            connection.execute(text("INSERT INTO effect VALUES ('once')"))

        def count() -> int:
            with store.database.reading() as connection:
                return int(connection.execute(text("SELECT count(*) FROM effect")).scalar_one())

        store.let_go([claim], plan, "stopped")
        with pytest.raises(LeaseLost):
            store.end(claim, plan, Move.FINISHED, within=effect)
        assert count() == 0
        store.end(claimed(store, run, plan, rooms), plan, Move.FINISHED, within=effect)
        assert count() == 1


# ---------------------------------------------------------------- leases


def test_a_step_whose_worker_is_dead_is_taken_over_as_the_same_try(url: str) -> None:
    plan, rooms = plan_of(TWO)
    time = clock()
    with opened(url, time) as store:
        run = store.begin(plan, "张三")
        dead = claimed(store, run, plan, rooms, "死")
        time.sleep(29)
        assert store.claim(run, plan, "生", rooms, yes) is None
        time.sleep(2)
        alive = claimed(store, run, plan, rooms, "生")
        assert (alive.turn, alive.attempt) == (dead.turn, dead.attempt), "the idempotency key stays the same"
        assert alive.begun == 2
        with pytest.raises(LeaseLost):
            store.end(dead, plan, Move.FINISHED, result="late")
        store.end(alive, plan, Move.FINISHED, result="in time")
        assert status(store).step("研发部门/训练").result == "in time"


def test_a_lease_that_is_renewed_holds(url: str) -> None:
    plan, rooms = plan_of(TWO)
    time = clock()
    with opened(url, time) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        for _ in range(5):
            time.sleep(20)
            assert store.renew([claim]) == ()
            assert store.claim(run, plan, "乙", rooms, yes) is None
        time.sleep(31)
        assert store.claim(run, plan, "乙", rooms, yes) is not None
        assert store.renew([claim]) == (claim,)


def test_a_step_that_kills_its_workers_is_given_up(url: str) -> None:
    plan, rooms = plan_of(TWO[:1])
    with opened(url) as store:
        run = store.begin(plan, "张三")
        for _ in range(MOST_LOST):
            store.let_go([claimed(store, run, plan, rooms)], plan, "killed")
        claimed(store, run, plan, rooms)
        store.clock.sleep(31)
        assert store.claim(run, plan, "甲", rooms, yes) is None
        assert (status(store).state, status(store).steps[0].state) == ("failed", State.FAILED)
        assert "workers were lost at it" in status(store).steps[0].reason


def test_two_workers_never_hold_the_same_step(url: str) -> None:
    steps = [step("研发部门", f"步{k}", takes=Takes()) for k in range(6)]
    plan, rooms = plan_of(steps)
    with opened(url) as one, PipelineStore(url, "制造", clock(), lease=30.0) as other:
        run = one.begin(plan, "张三")
        assert other.begin(plan, "李四") == run
        taken = [claimed(store, run, plan, rooms, name) for store, name in ((one, "甲"), (other, "乙")) * 3]
        assert len({claim.step.name for claim in taken}) == 6


def test_the_highest_rank_goes_first_and_nothing_lower_takes_its_room(url: str) -> None:
    made = graph()
    steps = [
        step("研发部门", "小", duration=1.0, takes=Takes()),
        step("研发部门", "大", duration=9.0),
        step("研发部门", "中", duration=5.0, takes=Takes()),
    ]
    plan, rooms = plan_of(steps, made)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        large = claimed(store, run, plan, rooms)
        assert large.step.description == "大"
        assert store.claim(run, plan, "甲", rooms, yes) is None, "it has the department to itself"
        store.end(large, plan, Move.FINISHED)
        assert [claimed(store, run, plan, rooms).step.description for _ in range(2)] == ["中", "小"]


def test_a_worker_takes_up_the_steps_of_its_own_departments_only(url: str) -> None:
    plan, rooms = plan_of([step("研发部门", "甲"), step("生产车间", "乙")])
    with opened(url) as store:
        run = store.begin(plan, "张三")
        assert claimed(store, run, plan, {"生产车间": rooms["生产车间"]}).step.department == "生产车间"
        assert store.claim(run, plan, "甲", {"生产车间": rooms["生产车间"]}, yes) is None


# ---------------------------------------------------------------- what people say


GATED = [
    step("研发部门", "训练"),
    step("研发部门", "发布", after=("训练",), approve="质量经理"),
    step("生产车间", "安装", after=("发布",)),
]


@pytest.fixture
def asking(url: str) -> Iterator[tuple[PipelineStore, Plan, Step]]:
    plan, rooms = plan_of(GATED)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        store.end(claimed(store, run, plan, rooms), plan, Move.FINISHED)
        assert status(store).step("研发部门/发布").state is State.ASKING
        yield store, plan, plan.step("研发部门/发布")


def test_a_gate_waits_for_its_role_and_never_for_who_began_the_run(asking: tuple[PipelineStore, Plan, Step]) -> None:
    store, plan, gate = asking
    before = rows(store)
    for role, by, said in (
        ("经理", "李四", "waits for 质量经理, not for 经理"),
        ("质量经理", "张三", "张三 began this run and cannot approve"),
    ):
        with pytest.raises(ConfigError, match=said):
            store.answer(plan, gate, role=role, by=by, approve=True)
    with pytest.raises(ConfigError, match="waits for nobody"):
        store.answer(plan, plan.steps[0], role="质量经理", by="李四", approve=True)
    assert rows(store) == before
    store.answer(plan, gate, role="质量经理", by="李四", approve=True)
    assert status(store).step(gate.name).state is State.READY
    with pytest.raises(ConfigError, match="does not wait for approval: it is ready"):
        store.answer(plan, gate, role="质量经理", by="王五", approve=True)


def test_the_person_who_approved_is_in_the_log_as_a_commitment_only(asking: tuple[PipelineStore, Plan, Step]) -> None:
    store, plan, gate = asking
    store.answer(plan, gate, role="质量经理", by="李四", approve=True)
    last = entries(store)[-1]
    assert isinstance(last, StepMoved)
    assert (last.move, last.step) == ("approved", gate.name)
    assert "李四".encode() not in last.body


def test_what_comes_after_a_declined_step_is_blocked_and_opens_again(asking: tuple[PipelineStore, Plan, Step]) -> None:
    store, plan, gate = asking
    store.answer(plan, gate, role="质量经理", by="李四", approve=False, why="too early")
    assert [one.state for one in status(store).steps] == [State.DONE, State.REFUSED, State.BLOCKED]
    assert status(store).state == "failed"
    assert status(store).step(gate.name).reason == "质量经理 declined: too early"
    assert store.begin(plan, "张三").number == 1, "a failed run goes on"
    assert [one.state for one in status(store).steps] == [State.DONE, State.ASKING, State.WAITING]


@pytest.mark.parametrize(
    ("why", "left_out"),
    [
        ("yes\u202eon", "U+202E"),
        ("\x1b[2Jyes", "U+001B"),
        ("\0", "U+0000"),
        ("\ud800", "U+D800"),
        ("a\u200bb", "U+200B"),
    ],
)
def test_a_reason_that_could_pass_for_another_line_is_not_stored(
    asking: tuple[PipelineStore, Plan, Step], why: str, left_out: str
) -> None:
    store, plan, gate = asking
    before = rows(store)
    for approve in (True, False):
        with pytest.raises(ConfigError, match=rf"leave out {re.escape(left_out)}"):
            store.answer(plan, gate, role="质量经理", by="李四", approve=approve, why=why)
    with pytest.raises(ConfigError, match=rf"leave out {re.escape(left_out)}"):
        store.cancel("李四", why)
    with pytest.raises(ConfigError, match="500 characters at most, not 501"):
        store.answer(plan, gate, role="质量经理", by="李四", approve=True, why="x" * 501)
    assert rows(store) == before


@pytest.mark.parametrize("why", ["不同意👨\u200d👩\u200d👧", "می\u200cخواهم", "❤\ufe0f", "葛\U000e0100", "太早 　了"])
def test_a_reason_in_any_script_is_stored_as_one_line(asking: tuple[PipelineStore, Plan, Step], why: str) -> None:
    store, plan, gate = asking
    store.answer(plan, gate, role="质量经理", by="李四", approve=False, why=f" {why}\r\n{why} ")
    line = " ".join(why.split())
    assert status(store).step(gate.name).reason == f"质量经理 declined: {line} {line}"


@pytest.mark.parametrize("why", ["\u200d \ufe0f", "\u2800", "\u3164\u115f"])
def test_a_reason_of_which_nothing_would_be_seen_is_none(asking: tuple[PipelineStore, Plan, Step], why: str) -> None:
    store, plan, gate = asking
    store.answer(plan, gate, role="质量经理", by="李四", approve=False, why=why)
    assert status(store).step(gate.name).reason == "质量经理 declined"


def test_a_cancelled_run_keeps_what_is_done_and_the_next_one_starts_anew(url: str) -> None:
    plan, rooms = plan_of(TWO)
    with opened(url) as store:
        run = store.begin(plan, "张三")
        claim = claimed(store, run, plan, rooms)
        store.cancel("李四", "no longer needed")
        with pytest.raises(LeaseLost):
            store.end(claim, plan, Move.FINISHED, result=1)
        assert status(store).state == "cancelled"
        assert {one.state for one in status(store).steps} == {State.CANCELLED}
        with pytest.raises(ConfigError, match="has no run under way"):
            store.cancel("李四")
        assert store.begin(plan, "张三").number == 2


def test_another_pipeline_does_not_go_on_with_the_run(url: str) -> None:
    plan, _ = plan_of(TWO)
    with opened(url) as store:
        store.begin(plan, "张三")
        for changed, said in (
            ([*TWO, step("供应链部门", "采购")], "供应链部门/采购 is new"),
            (TWO[:1], "生产车间/验证 is gone"),
            ([TWO[0], step("生产车间", "验证", needs=("模型",), approve="经理")], "a step or its order is another"),
        ):
            with pytest.raises(ConfigError, match=said):
                store.begin(plan_of(changed)[0], "张三")
        assert store.begin(plan, "李四").number == 1


def test_a_denial_is_a_refusal_with_its_decision_in_the_log(url: str) -> None:
    plan, rooms = plan_of(TWO)
    asked = Asked("研发部门", "训练", "生产线数据", "生产车间")

    def no(_: Step) -> tuple[tuple[Answer, ...], str | None]:
        return (Answer(asked, False, "no rule of 生产车间 permits it", policy=bytes(range(32))),), "no rule permits it"

    with opened(url) as store:
        run = store.begin(plan, "张三")
        taken = store.claim(run, plan, "甲", rooms, no)
        assert taken is not None
        assert (taken.state, taken.claim) == (State.REFUSED, None)
        kinds = [type(one).__name__ for one in entries(store)]
        assert kinds[-3:] == ["Decided", "StepMoved", "StepMoved"]
        assert [one.state for one in status(store).steps] == [State.REFUSED, State.BLOCKED]


def test_how_long_steps_took_is_remembered(url: str) -> None:
    plan, rooms = plan_of(TWO[:1])
    with opened(url) as store:
        for seconds in (8, 4):
            run = store.begin(plan, "张三")
            claim = claimed(store, run, plan, rooms)
            store.clock.sleep(seconds)
            store.end(claim, plan, Move.FINISHED)
        assert store.durations() == {"研发部门/训练": 6.0}
