"""A department notes what it decides by the policies in force; what it cannot note it does not permit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lepton_fed.audit import Decided, Delivered, Entry, MemoryHead, ModelMade, Opening, Spent, Witness
from lepton_fed.audit.own_log import DepartmentLog, policy_digest
from lepton_fed.cohorts import hubs
from lepton_fed.docket import Noted
from lepton_fed.enforcement import Guard, Moment
from lepton_fed.errors import StorageError
from lepton_fed.messages import Attest, Refused
from lepton_fed.policies import CedarFile, Policies
from lepton_fed.reads import Delivered as Went
from lepton_fed.secagg.canonical import decode
from lepton_fed.settings import Settings
from lepton_fed.storage.docket_file import DocketFile
from tests.audit.example import COORDINATOR, DEPARTMENTS, LOG, NOON, sha
from tests.audit.memory_docket import MemoryDocket
from tests.audit.test_run_log import decision
from tests.federations import FOUR, SECURE, written

FORBID = 'forbid (principal, action == Action::"train", resource);'


def own_log(docket: Any = None) -> DepartmentLog:
    witness = Witness(DEPARTMENTS["生产车间"], LOG, (COORDINATOR.public,), MemoryHead())
    return DepartmentLog(witness, docket or MemoryDocket(), sha("policy"), "run-1", lambda: NOON)


def noted(log: DepartmentLog) -> list[Entry]:
    assert isinstance(log.docket, MemoryDocket)
    return [Entry.read(one.entry) for one in log.docket.noted]


def texts(log: DepartmentLog) -> list[str]:
    assert isinstance(log.docket, MemoryDocket)
    found = [decode(opening) for one in log.docket.noted for opening in one.openings]
    return [one[1].text for one in found if isinstance(one, tuple) and isinstance(one[1], Opening)]


def test_a_decision_is_noted_with_its_rules_and_its_reasons_are_committed_to() -> None:
    log = own_log()
    log.heard(decision("李四 said no"), person="张三")
    (entry,) = noted(log)
    assert isinstance(entry, Decided)
    assert (entry.department, entry.principal, entry.action) == ("生产车间", "研发部门", "read")
    assert (entry.resource, entry.allowed, entry.rules, entry.policy) == (
        "生产线数据",
        False,
        ("night",),
        sha("policy"),
    )
    for word in ("李四", "张三"):
        assert word.encode() not in entry.body
    context, reason, person = texts(log)
    assert (reason, person) == ("李四 said no", "张三")
    assert json.loads(context)["role"] == "工程师"


@pytest.mark.parametrize("who", ["x" * 5000, "\udcff", "a\0b", ""])
def test_whatever_somebody_calls_himself_can_be_noted(who: str) -> None:
    log = own_log()
    one = decision()
    log.heard(replace(one, request=replace(one.request, who=who), rules=("r" * 5000,)))
    assert len(noted(log)) == 1


def test_what_was_spent_is_noted_in_millionths_rounded_up() -> None:
    log = own_log()
    log.booked("生产线数据", 0.1, 4.03, 1e-5, round=3, mechanism=sha("gaussian"))
    log.booked("生产线数据", 1e-9, 4.03, 1e-5)
    first, second = noted(log)
    assert isinstance(first, Spent)
    assert isinstance(second, Spent)
    assert (first.micro_epsilon, first.total_micro_epsilon, first.round) == (100_000, 4_030_000, 3)
    assert second.micro_epsilon == 1


def test_a_model_is_noted_as_the_departments_own() -> None:
    log = own_log()
    log.made(7, sha("file"), sha("numbers"))
    (entry,) = noted(log)
    assert isinstance(entry, ModelMade)
    assert (entry.target, entry.round, entry.run) == ("生产车间", 7, "run-1")


# ---------------------------------------------------------------- beside a guard


def guarded(settings: Settings, docket: Any = None, own: str = "") -> tuple[Guard, DepartmentLog]:
    files = {FOUR[0]: [CedarFile("own.cedar", own)]} if own else {}
    guard = Guard(FOUR[0], settings, Policies.of(settings, own=files))
    identity = replace(DEPARTMENTS["生产车间"], name=FOUR[0])
    log = DepartmentLog(Witness(identity, LOG, (COORDINATOR.public,), MemoryHead()), docket or MemoryDocket())
    log.listen(SimpleNamespace(guard=guard, purse=None, giver=None, reader=None))  # type: ignore[arg-type]
    return guard, log


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return written(tmp_path_factory.mktemp("file"), SECURE).settings


def test_what_the_guard_decides_is_noted_with_the_policies_in_force(settings: Settings) -> None:
    hub = hubs(settings)[0]
    guard, log = guarded(settings)
    assert guard.training([(hub, Moment(1, 4))]) is None
    allowed = [one for one in noted(log) if isinstance(one, Decided)]
    assert allowed
    assert {one.policy for one in allowed} == {policy_digest(guard.policies, FOUR[0])}
    forbidding, its_log = guarded(settings, own=FORBID)
    assert forbidding.training([(hub, Moment(1, 4))]) is not None
    refused = [one for one in noted(its_log) if isinstance(one, Decided) and not one.allowed]
    assert refused
    assert {one.policy for one in refused} != {one.policy for one in allowed}


def test_what_cannot_be_noted_is_not_permitted(settings: Settings) -> None:
    class Full(MemoryDocket):
        def note(self, noted: Noted) -> None:
            raise StorageError("the disk is full")

    guard, _ = guarded(settings, Full())
    assert guard.training([(hubs(settings)[0], Moment(1, 4))]) is not None


def test_what_a_department_pays_gives_and_gets_is_noted_too() -> None:
    """Whoever keeps the purse, gives tables and takes them tells the log, before anything leaves."""
    log, guard = own_log(), SimpleNamespace(policies=None, heard=None)
    purse, giver, reader = SimpleNamespace(booked=None), SimpleNamespace(logged=None), SimpleNamespace(logged=None)
    log.listen(SimpleNamespace(guard=guard, purse=purse, giver=giver, reader=reader))  # type: ignore[arg-type]
    booking = SimpleNamespace(round=3, question=sha("plan"))
    purse.booked(SimpleNamespace(data_set="生产线数据", booking=booking, before=1.5, after=2.0, delta=1e-5))
    went = Went("生产车间", "研发部门", "物料管理", "预测设备故障", sha("request"), sha("parcel"), 4513)
    giver.logged(went)
    reader.logged(went)
    spent, *delivered = noted(log)
    assert isinstance(spent, Spent)
    assert (spent.micro_epsilon, spent.total_micro_epsilon, spent.round) == (500_000, 2_000_000, 3)
    assert [(one.department, one.reader, one.size) for one in delivered if isinstance(one, Delivered)] == [
        ("生产车间", "研发部门", 4513)
    ] * 2
    assert "预测设备故障" in texts(log)


def test_of_a_damaged_docket_only_a_sentence_without_a_place_leaves(tmp_path: Path) -> None:
    (tmp_path / "docket").write_text("nonsense\n")
    from lepton_fed.audit import Head, SignedHead

    head = SignedHead.sign(Head(LOG, 0, sha(""), 1), COORDINATOR)
    reply = own_log(DocketFile(tmp_path / "docket")).answer(Attest(head.written))
    assert isinstance(reply, Refused)
    assert str(tmp_path) not in reply.reason
    assert "cannot be used" in reply.reason
