"""A department says no to whatever goes further than its own copy of the federation file, and a no changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lepton_fed.bench import bench
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError
from lepton_fed.measuring import Rows
from lepton_fed.messages import Declare, Declared, Done, HubState, Join, Joined, Message, Refused, Release, Work
from lepton_fed.resident import Resident
from lepton_fed.settings import (
    CommonSet,
    Coupling,
    DepartmentSettings,
    Flow,
    Grant,
    ModelSettings,
    Optimiser,
    Settings,
    Training,
    Weights,
)
from tests.couplings.small import BATCH, EVERYBODY, NAMES, PERMIT, RATE, Small, examples, federation, proximal, settings

MOMENTUM = Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=0.05, momentum=0.9))
HEAD = ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",))
KINDS: dict[str, dict[str, Any]] = {
    "fedavg": {"training": MOMENTUM, "model": HEAD},
    "scaffold": {
        "training": Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold")
    },
    "mr-mtl": {"coupling": proximal("mr-mtl"), "training": MOMENTUM, "model": HEAD},
    "ditto": {"coupling": proximal("ditto"), "training": MOMENTUM, "model": HEAD},
    "pfedme": {"coupling": proximal("pfedme")},
    "fedprox": {"coupling": proximal("fedprox")},
    "clusters": {"coupling": Coupling(kind="clusters", hubs=2, reset=False)},
}


def copied(department: Department) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in department.state().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(other[k], v) for k, v in one.items())


def refusal(ours: Small, message: Message, name: str = "内科") -> str:
    """The reason of a refusal that left the department, its data and the hubs as they were."""
    department = ours.departments[name]
    before, sent = copied(department), {n: h.model.copy() for n, h in ours.state.visible.items()}
    reply = department.handle(message)
    assert isinstance(reply, Refused), reply
    assert same(before, copied(department))
    assert all(np.array_equal(ours.state.visible[n].model, model) for n, model in sent.items())
    return reply.reason


def work(ours: Small, name: str = "内科", **changes: Any) -> Work:
    """What the coordinator would ask for next."""
    write = tuple(p.name for p in ours.state.plans if name in p.may_write)
    write = write[:1] if ours.settings.coupling.kind == "clusters" else write
    return replace(Work(ours.state.round + 1, ours.state.visible, write, report=True, fingerprint="指纹"), **changes)


def bent(ours: Small, bend: Callable[[HubState], HubState]) -> dict[str, HubState]:
    return {name: bend(hub) for name, hub in ours.state.visible.items()}


# ---------------------------------------------------------------- joining


def test_a_department_joins_only_the_federation_whose_file_it_has() -> None:
    ours = federation(settings())
    reply = ours.departments["内科"].handle(Join("指纹"))
    assert reply == Joined(ours.departments["内科"].bench.model.layout.digest, length=31)
    assert "differs from this department's copy" in refusal(ours, Join("another"))


def test_a_department_that_did_not_join_does_not_work_either() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2)))
    for message in (work(ours, fingerprint="another"), Declare(1, ours.state.visible, "another")):
        assert "differs from this department's copy" in refusal(ours, message)


def test_a_round_beyond_the_files_last_is_refused_so_that_nobody_can_lock_a_department_out() -> None:
    ours = federation(settings())
    assert refusal(ours, work(ours, round=22)) == "the federation file has 20 rounds, not 22"
    assert isinstance(ours.departments["内科"].handle(work(ours, round=21, write=())), Done)


def test_a_hub_is_declared_once_a_round_so_that_nobody_can_ask_about_model_after_model() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2)))
    assert isinstance(ours.departments["内科"].handle(Declare(1, ours.state.visible, "指纹")), Declared)
    assert "it has declared its hub for round 1" in refusal(ours, Declare(1, ours.state.visible, "指纹"))
    assert isinstance(ours.departments["内科"].handle(Declare(2, ours.state.visible, "指纹")), Declared)


def test_a_source_without_rows_is_refused_when_it_is_built() -> None:
    chosen = settings()
    with pytest.raises(ConfigError, match="内科 is a source but has no training rows"):
        Department("内科", chosen, "f", bench(chosen), Rows())


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("round", [2, 1, 0, -5])
def test_a_round_is_worked_once(round: int) -> None:
    ours = federation(settings()).play(2)
    assert (
        refusal(ours, work(ours, round=round))
        == f"round {round} is over: this department has already worked in round 2"
    )
    assert isinstance(ours.departments["内科"].handle(work(ours)), Done)


def test_a_declaration_for_a_round_that_is_over_is_refused() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2))).play(2)
    assert "round 2 is over" in refusal(ours, Declare(2, ours.state.visible, "指纹"))


def test_a_hub_that_the_file_does_not_have_is_refused() -> None:
    ours = federation(settings()).play()
    hubs = {**ours.state.visible, "陌生": next(iter(ours.state.visible.values()))}
    assert refusal(ours, work(ours, hubs=hubs)) == "the federation file has no hub '陌生'"


def test_an_update_reaches_no_hub_that_the_departments_policy_forbids() -> None:
    """儿科 keeps its updates from 外科, whose hub it must never write to, even though the coordinator asks."""
    forbid = Grant(what="更新", who=("外科",), action="train", owner=("儿科",), effect="forbid")
    ours = federation(settings(access=(*PERMIT, forbid))).play()
    plan = next(p for p in ours.state.plans if p.readers == ("外科",))
    message = work(ours, "儿科", write=tuple(p.name for p in ours.state.plans))
    reason = f"its policy does not let its update reach hub {plan.name!r}"
    assert refusal(ours, message, "儿科") == reason
    assert refusal(ours, replace(message, write=(plan.name,)), "儿科") == reason
    assert isinstance(ours.departments["儿科"].handle(work(ours, "儿科")), Done)


def test_a_target_without_rows_and_a_department_without_a_role_are_never_trained() -> None:
    departments = (
        *(DepartmentSettings(name=n) for n in NAMES),
        DepartmentSettings(name="研发", roles=("target",)),
        DepartmentSettings(name="药房", roles=()),
    )
    ours = federation(settings(departments=departments, sharing=EVERYBODY, access=PERMIT)).play()
    write = tuple(ours.state.visible)
    for name in ("研发", "药房"):
        assert "its policy does not let its update reach" in refusal(ours, work(ours, name, write=write), name)
    assert refusal(ours, work(ours, "药房"), "药房") == "it takes no part in training"


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_without_a_needed_model_is_refused(kind: str) -> None:
    ours = federation(settings(**KINDS[kind])).play()
    assert "which this department needs" in refusal(ours, work(ours, hubs={}))


def test_a_report_without_the_home_hubs_model_is_refused() -> None:
    flows = (
        Flow(what="更新", from_=("内科", "外科"), to=("外科",)),
        Flow(what="更新", from_=("内科",), to=("儿科",)),
    )
    ours = federation(settings(sharing=flows)).play()
    other = {p.name: ours.state.visible[p.name] for p in ours.state.plans if "儿科" in p.readers}
    message = Work(2, other, (), report=True, fingerprint="指纹")
    assert refusal(ours, message, "外科") == "the message lacks the model of hub '外科', which this department needs"


BENDS: dict[str, Callable[[HubState], HubState]] = {
    "too short": lambda h: replace(h, model=h.model[:-1]),
    "too long": lambda h: replace(h, model=np.append(h.model, np.float32(0))),
    "one number": lambda h: replace(h, model=np.float32([1.0])),
    "two dimensions": lambda h: replace(h, model=h.model[None]),
    "NaN": lambda h: replace(h, model=np.where(np.arange(h.model.size) == 3, np.float32("nan"), h.model)),
    "infinite": lambda h: replace(h, model=np.where(np.arange(h.model.size) == 3, np.float32("-inf"), h.model)),
    "float64": lambda h: replace(h, model=h.model.astype(np.float64)),
    "control of NaN": lambda h: replace(h, control=np.full_like(h.model, np.nan)),
    "control of one number": lambda h: replace(h, control=np.float32([1.0])),
    "mean of NaN": lambda h: replace(h, release=Release(np.full_like(h.model, np.nan), 1.0, 1.0)),
    "mean of one number": lambda h: replace(h, release=Release(np.float32([1.0]), 1.0, 1.0)),
    "spread of NaN": lambda h: replace(h, release=Release(np.zeros_like(h.model), 1.0, math.nan)),
    "infinite mass": lambda h: replace(h, release=Release(np.zeros_like(h.model), math.inf, 1.0)),
}


@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hub_that_cannot_be_right_is_refused(kind: str, bend: str) -> None:
    ours = federation(settings(**KINDS[kind])).play()
    hubs = bent(ours, BENDS[bend])
    assert refusal(ours, work(ours, hubs=hubs)) == "a received model is not finite or has the wrong size"
    if kind == "clusters" and bend in list(BENDS)[:7]:
        assert "not finite or has the wrong size" in refusal(ours, Declare(2, hubs, "指纹"))


@pytest.mark.parametrize("bend", [b for b in BENDS if "control" not in b])
def test_predictions_that_cannot_be_right_are_refused(bend: str) -> None:
    coupling = Coupling(kind="distill", common=CommonSet(path="c.npz"))
    ours = federation(settings(coupling=coupling), common=torch.randn(10, 4)).play()
    hubs = bent(ours, BENDS[bend])
    assert refusal(ours, work(ours, hubs=hubs)) == "a received model is not finite or has the wrong size"
    empty = bent(ours, lambda h: replace(h, model=h.model[:0]))
    assert "wrong size" in refusal(ours, work(ours, hubs=empty))


@pytest.mark.parametrize("factor", [math.nan, 1e25])
@pytest.mark.parametrize("kind", KINDS)
def test_diverged_training_is_a_refusal_after_which_everything_is_as_before(kind: str, factor: float) -> None:
    ours = federation(settings(**KINDS[kind])).play(2)
    department = ours.departments["内科"]
    train = department.rows.train
    assert isinstance(train, Resident)
    good = train.x.clone()
    train.x.mul_(factor)
    assert refusal(ours, work(ours)) == "its training diverged in round 3; a smaller learning rate may help"
    train.x.copy_(good)
    # The same round can be asked for again, and comes out as if nothing had happened.
    other = federation(settings(**KINDS[kind])).play(2)
    found, expected = department.handle(work(ours)), other.departments["内科"].handle(work(other))
    assert isinstance(found, Done)
    assert isinstance(expected, Done)
    for name, part in expected.addends.items():
        assert np.array_equal(found.addends[name].vector, part.vector)
    assert same(copied(department), copied(other.departments["内科"]))


def test_the_others_go_on_without_a_department_whose_training_diverged() -> None:
    ours = federation(settings()).play()
    train = ours.departments["内科"].rows.train
    assert isinstance(train, Resident)
    train.x.mul_(1e25)
    ours.play(2)
    assert ours.news[-1].answered == NAMES[1:]
    assert "diverged" in ours.news[-1].refusals["内科"]
    assert torch.isfinite(ours.hub()).all()


# ---------------------------------------------------------------- what leaves


def test_a_reply_holds_updates_sums_and_nothing_of_the_rows() -> None:
    ours = federation(settings(model=HEAD)).play()
    reply = ours.departments["内科"].handle(work(ours))
    assert isinstance(reply, Done)
    (part,) = reply.addends.values()
    assert part.vector.dtype == np.float32
    assert part.vector.shape == (25,)
    assert part.weight == 23.0
    assert part.spread == pytest.approx(float(np.square(part.vector, dtype=np.float64).sum()))
    assert set(reply.scores) == {
        "sum of loss",
        "weight of loss",
        "sum of accuracy",
        "weight of accuracy",
        "joint_loss",
    }
    assert set(reply.seconds) == {"evaluating", "training"}


def test_measurements_leave_only_where_the_department_discloses_them() -> None:
    ours = federation(settings()).play()
    ours.departments["外科"].disclose = False
    ours.play()
    assert {m.department for m in ours.news[-1].measurements if m.part == "test"} == {"内科", "儿科"}
    assert {m.metric for m in ours.news[-1].measurements if m.part == "federation"} == {
        "loss",
        "accuracy",
        "joint_loss",
    }


def test_the_weight_is_the_departments_own_count_or_the_files_number() -> None:
    for weights, expected in (
        (Weights(), 9.0),
        (Weights(alpha="uniform"), 1.0),
        (Weights(alpha={"外科": 0.25}), 0.25),
    ):
        ours = federation(settings(weights=weights))
        assert ours.departments["外科"].participant.weight == expected


def test_a_federation_of_several_hubs_sends_each_the_update_relative_to_its_own_model() -> None:
    flows = (
        Flow(what="更新", from_=("内科", "外科"), to=("外科",)),
        Flow(what="更新", from_=("内科",), to=("儿科",)),
    )
    ours = federation(settings(sharing=flows)).play(2)
    written = {k: ours.uploads(2, k)["内科"][0] for k in (0, 1)}
    assert torch.allclose(written[0], written[1], atol=1e-6)


def test_departments_on_one_bench_have_private_parts_of_their_own() -> None:
    ours = federation(settings(model=HEAD)).play(2)
    assert len({id(d.bench) for d in ours.departments.values()}) == 1
    heads = [ours.departments[n].state()["private"] for n in NAMES]
    assert not torch.equal(heads[0], heads[1])
    x, y = examples("内科")
    assert torch.equal(ours.departments["内科"].rows.train.x, x)  # type: ignore[union-attr]
    assert torch.equal(ours.departments["内科"].rows.train.y, y)  # type: ignore[union-attr]


def test_a_closing_message_only_reports() -> None:
    ours = federation(settings(coupling=proximal("mr-mtl"))).play()
    before = copied(ours.departments["内科"])
    ours.close()
    after = copied(ours.departments["内科"])
    assert same(
        {k: v for k, v in before.items() if k != "last round"},
        {k: v for k, v in after.items() if k != "last round"},
    )


def test_settings_are_the_departments_own_whatever_the_coordinator_has() -> None:
    """A coordinator with another file cannot make a department train with its numbers."""
    mine: Settings = settings()
    ours = federation(mine)
    ours.settings = settings(training=Training(epochs=5, batch=2, optimiser=Optimiser(learning_rate=9.0)))
    expected = federation(mine).play()
    assert torch.equal(ours.play().hub(), expected.hub())
