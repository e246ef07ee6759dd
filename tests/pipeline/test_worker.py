"""Work is tried, repeated, timed, looped, skipped and done at the same time; every outcome has its reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lepton_fed import AutoPipeline, DataSharing, Graph
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.pipeline import Call, GiveUp, Retries, State, Status
from lepton_fed.pipeline.worker import Worker
from tests.pipeline.small import clock, graph, silent

QUICK = Retries(times=3, first=0.001)


def pipeline(of: Graph | None = None, **options: object) -> AutoPipeline:
    return AutoPipeline(of or graph(), say=silent()[1], **options)  # type: ignore[arg-type]


def after(made: AutoPipeline) -> Status:
    return made.run(by="张三")


def failing(times: int, error: Exception) -> Callable[[], str]:
    """Work that fails so many times."""
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return work


def test_work_that_fails_is_tried_again_and_each_reason_is_recorded() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=failing(2, StorageError("the disk is away")), retries=QUICK)
    assert after(made).state == "finished"
    assert [e.reason for e in made.events() if e.move == "postponed"] == ["the disk is away"] * 2


def test_when_no_try_is_left_the_step_fails_and_what_comes_after_it_is_blocked() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=failing(9, StorageError("the disk is away")), retries=QUICK)
    made.add_step("生产车间", "验证", work=lambda: 1, after="训练")
    made.add_step("供应链部门", "盘点", work=lambda: 1)
    status = after(made)
    assert status.state == "failed"
    assert [one.state for one in status.steps] == [State.FAILED, State.BLOCKED, State.DONE]
    assert status.steps[0].reason == "the disk is away (tried 4 times)"
    assert status.steps[1].reason == "研发部门/训练 is failed"


def test_a_failed_run_goes_on_and_what_is_done_is_not_done_again() -> None:
    made, done = pipeline(), []
    made.add_step("生产车间", "采集", work=lambda: done.append("采集"))
    made.add_step("研发部门", "训练", work=failing(1, ConfigError("no such model")), after="采集")
    assert after(made).state == "failed"
    assert after(made).state == "finished"
    assert done == ["采集"]
    assert made.status().number == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [ConfigError("no such model"), GiveUp("the data are gone")])
def test_what_another_try_cannot_help_is_not_tried_again(error: Exception) -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=failing(1, error), retries=QUICK)
    status = after(made)
    assert (status.steps[0].begun, status.steps[0].reason) == (1, str(error))


def test_an_error_of_another_library_is_named_and_not_quoted() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=failing(9, ValueError("row 7: 张三")), retries=0)
    assert after(made).steps[0].reason == "ValueError"


def test_a_result_that_json_cannot_hold_fails_with_a_sentence() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=lambda: object())
    assert "what JSON cannot hold (object)" in after(made).steps[0].reason


def test_a_loop_goes_round_until_it_is_true_and_each_pass_sees_the_last() -> None:
    made, seen = pipeline(), []

    def work(call: Call) -> int:
        seen.append((call.turn, call.last, call.key))
        return call.turn * 10

    made.add_step("研发部门", "迭代", work=work, until=lambda result: result >= 30, budget=5)
    assert after(made).steps[0].result == 30
    assert [one[:2] for one in seen] == [(1, None), (2, 10), (3, 20)]
    assert len({key for *_, key in seen}) == 3


def test_a_loop_whose_budget_is_spent_fails_and_says_what_it_came_to() -> None:
    made = pipeline()
    made.add_step("研发部门", "迭代", work=lambda: {"why": "auc 0.8"}, until=lambda result: False, budget=2)
    status = after(made)
    assert status.steps[0].reason == "its budget of 2 is spent: auc 0.8"
    assert status.steps[0].result == {"why": "auc 0.8"}


def test_a_condition_that_does_not_hold_skips_the_step_and_the_rest_goes_on() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=lambda: 0.9)
    made.add_step("研发部门", "返工", work=lambda: 1, after="训练", when=lambda results: results["研发部门/训练"] < 0.5)
    made.add_step("生产车间", "验证", work=lambda call: sorted(call.results), after="返工")
    status = after(made)
    assert [one.state for one in status.steps] == [State.DONE, State.SKIPPED, State.DONE]
    assert status.steps[2].result == ["研发部门/训练", "研发部门/返工"]


def test_departments_work_at_the_same_time() -> None:
    made, meet = pipeline(), threading.Barrier(3)
    for name in made.graph.departments:
        # Each waits for all the others, so that one after the other would never end.
        made.add_step(name, "会合", work=lambda: meet.wait(60) >= 0)
    assert after(made).succeeded


def test_work_that_takes_too_long_is_told_to_stop_and_tried_again() -> None:
    moment, told, heard = clock(), [], threading.Event()
    made = pipeline(clock=moment, lease=0.3)

    def work(call: Call) -> str:
        if call.attempt == 1:
            moment.sleep(0.25)
            told.append(call.stopping.wait(60))
            heard.set()
        assert heard.wait(60)
        return f"try {call.attempt}"

    made.add_step("研发部门", "训练", work=work, timeout=0.2, retries=QUICK)
    assert after(made).steps[0].result == "try 2"
    assert [e.reason for e in made.events() if e.move == "postponed"] == ["it took longer than 0.2 s"]
    assert told == [True]


def test_work_that_was_done_in_time_counts_however_late_the_worker_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    moment, collect = clock(), Worker._collect
    made = pipeline(clock=moment)
    for name in ("研发部门", "生产车间"):
        made.add_step(name, "训练", work=lambda: "done", timeout=60.0, retries=QUICK)

    def late(worker: Worker) -> None:
        for thread in threading.enumerate():
            if thread.name.endswith("/训练"):
                thread.join(60)
        moment.sleep(61)
        collect(worker)

    monkeypatch.setattr(Worker, "_collect", late)
    assert after(made).succeeded
    assert [e.reason for e in made.events() if e.move == "postponed"] == []


def test_a_worker_does_not_take_from_itself_what_it_still_does_after_a_standstill() -> None:
    moment, awake, over = clock(), threading.Event(), threading.Event()
    made = pipeline(clock=moment, lease=30.0)

    def work() -> bool:
        moment.sleep(31)
        awake.set()
        return over.wait(60)

    made.add_step("研发部门", "训练", work=work)
    made.add_step("生产车间", "采集", work=lambda: awake.wait(60))
    made.add_step("生产车间", "验证", work=over.set, after="采集")
    status = after(made)
    assert status.succeeded
    assert [one.begun for one in status.steps] == [1, 1, 1]


def test_work_longer_than_its_lease_keeps_it() -> None:
    made = pipeline(lease=0.6)
    made.add_step("研发部门", "训练", work=lambda: time.sleep(1.5))
    assert after(made).steps[0].begun == 1


def test_a_run_that_is_cancelled_meanwhile_ends(tmp_path: Path) -> None:
    database = tmp_path / "流水线.sqlite"
    made, other = (pipeline(database=database, lease=0.3) for _ in range(2))

    def work(call: Call) -> str:
        other.cancel(by="李四", why="no longer needed")
        return "late" if call.stopping.wait(60) else "never"

    for one in (made, other):
        one.add_step("研发部门", "训练", work=work)
        one.add_step("生产车间", "验证", work=lambda: 1, after="训练")
    status = after(made)
    assert status.state == "cancelled"
    assert {one.state for one in status.steps} == {State.CANCELLED}


def test_an_interrupted_run_gives_its_steps_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, release = pipeline(), threading.Event()
    made.add_step("研发部门", "训练", work=lambda call: call.stopping.wait(60) and not release.is_set())

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lepton_fed.pipeline.worker.Worker._collect", interrupted)
        with pytest.raises(KeyboardInterrupt):
            after(made)
    status = made.status()
    assert status is not None
    assert (status.steps[0].state, status.steps[0].reason) == (State.READY, "its worker was stopped")


def test_a_pipeline_waits_for_a_person_and_goes_on_after_approval() -> None:
    lines, say = silent()
    made = AutoPipeline(graph(), say=say)
    made.add_step("研发部门", "训练", work=lambda: 1)
    made.add_step("研发部门", "上线", work=lambda: 2, after="训练", approve="质量经理")
    assert after(made).state == "running"
    assert lines[-1] == "running: 1 done\nwaits for 质量经理 to approve 研发部门/上线"
    with pytest.raises(ConfigError, match="张三 began this run"):
        made.approve("上线", role="质量经理", by="张三")
    with pytest.raises(ConfigError, match="'上' is no step of the pipeline"):
        made.approve("上", role="质量经理", by="李四")
    made.approve("上线", role="质量经理", by="李四")
    assert after(made).state == "finished"


def test_a_worker_of_one_department_leaves_the_others_to_others(tmp_path: Path) -> None:
    database = tmp_path / "流水线.sqlite"
    workers = [pipeline(database=database, lease=5.0) for _ in range(2)]
    who: dict[str, int] = {}
    for k, one in enumerate(workers):
        one.add_step("研发部门", "训练", work=lambda k=k: who.setdefault("训练", k))
        one.add_step("生产车间", "验证", work=lambda k=k: who.setdefault("验证", k), after="训练")
        one.add_step("研发部门", "迭代", work=lambda k=k: who.setdefault("迭代", k), after="验证")
    threads = [
        threading.Thread(target=lambda one=one, name=name: one.run(by="张三", only=name, wait=True))
        for one, name in zip(workers, ("研发部门", "生产车间"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert who == {"训练": 0, "验证": 1, "迭代": 0}
    status = workers[0].status()
    assert status is not None
    assert (status.number, status.state) == (1, "finished")


def test_a_department_that_has_no_step_has_nothing_to_take_up() -> None:
    made = pipeline()
    made.add_step("研发部门", "训练", work=lambda: 1)
    with pytest.raises(ConfigError, match="供应链部门 has no step in this pipeline"):
        made.run(only="供应链部门")
    with pytest.raises(ConfigError, match="the pipeline has no steps"):
        pipeline().run()


# ---------------------------------------------------------------- what is permitted


def shared(action: str | None) -> Graph:
    made = graph()
    sharing = DataSharing(made)
    sharing.add_node("生产车间", "生产线数据")
    sharing.add_edge("生产车间", "研发部门", "生产线数据")
    if action is not None:
        sharing.add_access_control("生产线数据", "研发部门", action)
    return made


@pytest.mark.parametrize(("permitted", "state"), [("读取", State.DONE), ("训练", State.REFUSED), (None, State.REFUSED)])
def test_a_step_that_needs_a_data_set_begins_only_where_its_owner_permits(permitted: str | None, state: State) -> None:
    made = pipeline(shared(permitted))
    done: list[int] = []
    made.add_step("研发部门", "统计", work=lambda: done.append(1), needs="生产线数据")
    status = after(made)
    assert status.steps[0].state is state
    assert len(done) == (state is State.DONE)
    if state is State.REFUSED:
        assert status.steps[0].reason == "no rule of 生产车间 permits 研发部门 to read '生产线数据'"
        assert status.steps[0].begun == 0, "it is not tried again"


def test_what_does_not_flow_is_refused_whatever_is_permitted() -> None:
    made = graph()
    sharing = DataSharing(made)
    sharing.add_node("生产车间", "生产线数据")
    sharing.add_access_control("生产线数据", "研发部门", "读取")
    one = pipeline(made)
    one.add_step("研发部门", "统计", work=lambda: 1, needs="生产线数据")
    assert after(one).steps[0].reason == "生产线数据 does not flow from 生产车间 to 研发部门"


def test_a_department_needs_no_permission_for_its_own_data() -> None:
    made = pipeline(shared(None))
    made.add_step("生产车间", "统计", work=lambda: 1, needs="生产线数据")
    assert after(made).succeeded
