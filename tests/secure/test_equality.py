"""Whatever the coupling, a secure round is the plain round in the same state, to the bound of the fixed point."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lepton_fed import saved_state
from lepton_fed.messages import Release
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import prove_no_overflow, verdicts
from lepton_fed.secagg.review import Terms
from lepton_fed.settings import (
    Aggregation,
    CommonSet,
    Coupling,
    DepartmentSettings,
    Flow,
    ModelSettings,
    Optimiser,
    Report,
    Rounds,
    ServerOptimiser,
    Settings,
    Training,
    Weights,
)
from lepton_fed.sums import MEASUREMENTS, SCALAR_BITS, UPDATES, public_weight
from tests.couplings.small import BATCH, RATE, proximal
from tests.secure.builder import (
    FIVE,
    FOUR,
    THREE,
    Federation,
    bound,
    federation,
    largest_entry,
    plain_copy,
    secure,
)

EIGHT = (*FIVE, "急诊", "眼科", "检验")
COUNTED = Weights(alpha="examples", counts=(15.0, 40.0))
TABLE = Weights(alpha={"内科": 1.0, "外科": 2.0, "儿科": 1.5, "骨科": 0.75, "药房": 2.0})
WITHOUT_ONE = Weights(alpha=dict.fromkeys(FOUR, 1.0))
HEAD = ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",))
SCAFFOLD = Training(epochs=1, batch=BATCH, correction="scaffold", optimiser=Optimiser(learning_rate=RATE))
COMMON = torch.randn(10, 4, generator=torch.Generator().manual_seed(5))
OWN = tuple(DepartmentSettings(name=n, model=ModelSettings(name="linear") if n == "外科" else None) for n in FOUR)
SMALL_CROWD = Aggregation(crowd=1, colluders=0)

CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "fedavg": (FOUR, {}),
    "three departments": (THREE, {}),
    "counts": (FIVE, {"weights": COUNTED}),
    "a table": (FIVE, {"weights": TABLE}),
    "private parts": (FOUR, {"model": HEAD}),
    "scaffold": (FOUR, {"training": SCAFFOLD, "weights": COUNTED}),
    "scaffold with one of weight 0": (FIVE, {"training": SCAFFOLD, "weights": WITHOUT_ONE}),
    "adam at the server": (FOUR, {"server": ServerOptimiser(optimiser="adam", learning_rate=0.05)}),
    "momentum at the server": (FOUR, {"server": ServerOptimiser(optimiser="momentum", learning_rate=0.3)}),
    "mr-mtl with private parts": (FOUR, {"coupling": proximal("mr-mtl"), "model": HEAD}),
    "ditto": (FOUR, {"coupling": proximal("ditto"), "weights": TABLE}),
    "pfedme": (FOUR, {"coupling": proximal("pfedme", server_mix=0.5)}),
    "fedprox": (FOUR, {"coupling": proximal("fedprox"), "weights": COUNTED}),
    "distill": (FOUR, {"coupling": Coupling(kind="distill", common=CommonSet(path="c.npz")), "departments": OWN}),
    "reverse": (
        FOUR,
        {"coupling": Coupling(kind="distill", direction="reverse", common=CommonSet(path="c.npz")), "weights": TABLE},
    ),
    "hard clusters": (EIGHT, {"coupling": Coupling(kind="clusters", hubs=2), "aggregation": SMALL_CROWD}),
    "soft clusters": (
        EIGHT,
        {
            "coupling": Coupling(kind="clusters", hubs=2, read="soft", reset=False),
            "aggregation": SMALL_CROWD,
            "weights": COUNTED,
        },
    ),
    "participants drawn": (FIVE, {"rounds": Rounds(count=20, participants=4)}),
    "reports every other round": (FOUR, {"rounds": Rounds(count=3, evaluate_every=2)}),
    "a coarse fixed point": (FOUR, {"aggregation": Aggregation(clip=2.0**12)}),
    "a coarse fixed point and counts": (FIVE, {"aggregation": Aggregation(clip=2.0**12), "weights": COUNTED}),
    "sealed": (FOUR, {"aggregation": Aggregation(coordinator_sees="nothing"), "weights": COUNTED}),
    "sealed adam": (
        FOUR,
        {
            "aggregation": Aggregation(coordinator_sees="nothing"),
            "server": ServerOptimiser(optimiser="adam", learning_rate=0.05),
        },
    ),
    "sealed scaffold": (FOUR, {"aggregation": Aggregation(coordinator_sees="nothing"), "training": SCAFFOLD}),
}


def built(case: str, **changes: Any) -> Federation:
    names, tables = CASES[case]
    chosen = secure(names, **{**tables, **changes})
    terms = {name: Terms(crowd=chosen.aggregation.crowd) for name in chosen.names}
    return federation(chosen, terms=terms, common=COMMON if chosen.coupling.kind == "distill" else None)


def cohorts(**tables: Any) -> Settings:
    """Eight sources, some of which read too; two more targets with different sources, whose difference is large."""
    first, second = EIGHT[:6], EIGHT[2:]
    readers = EIGHT[2:6]
    departments = (
        *(DepartmentSettings(name=n, roles=("source", "target") if n in readers else ("source",)) for n in EIGHT),
        DepartmentSettings(name="研发", roles=("target",)),
        DepartmentSettings(name="设备", roles=("target",)),
    )
    flows = (
        Flow(what="更新", from_=first, to=("研发", *readers)),
        Flow(what="更新", from_=second, to=("设备",)),
    )
    aggregation = Aggregation(colluders=1)
    return secure(EIGHT, departments=departments, sharing=flows, aggregation=aggregation, **tables)


def same_round(ours: Federation, common: torch.Tensor | None = None) -> None:
    """Plays one round of both in the state that ours is in, and compares all that came of it."""
    theirs = plain_copy(ours, common)
    ours.play()
    theirs.play()
    assert ours.refusals == {}
    weighing = {n for n in theirs.news[-1].answered if public_weight(ours.settings, n) > 0}
    assert set(ours.news[-1].answered) == weighing
    assert ours.releases().keys() == theirs.releases().keys()
    for hub, release in ours.releases().items():
        same_release(ours, hub, release, theirs.releases()[hub])
        same_control(ours, hub, theirs)
    same_measurements(ours, theirs)


def same_release(ours: Federation, hub: str, secure_: Release, plain: Release) -> None:
    tolerance = bound(ours, hub, largest_entry(ours))
    assert secure_.mass == pytest.approx(plain.mass, rel=1e-12)
    assert float(np.abs(secure_.mean.astype(np.float64) - plain.mean).max()) <= tolerance
    # A spread is a scalar of its own; relative to another reference it takes an inner product with the mean along.
    step = len(ours.departments) * 2.0**-SCALAR_BITS
    moved = 0.0 if len(ours.hubs) == 1 else 2 * tolerance * largest_entry(ours) * secure_.mean.size
    assert abs(secure_.spread - plain.spread) <= step + moved + 1e-6 * abs(plain.spread)


def same_control(ours: Federation, hub: str, theirs: Federation) -> None:
    """Scaffold's control variates are sums over all rounds so far, each with a bound like the update's."""
    control, expected = ours.hubs[hub].state.control, theirs.hubs[hub].state.control
    assert (control is None) == (expected is None)
    if control is not None and expected is not None:
        largest = largest_entry(ours) + float(np.abs(expected).max())
        assert float(np.abs(control - expected).max()) <= bound(ours, hub, largest)


def same_measurements(ours: Federation, theirs: Federation) -> None:
    """What departments disclose is equal; totals differ by half a step of the scalars' fixed point a department."""
    found, expected = (
        {(m.department, m.part, m.metric): m.value for m in one.news[-1].measurements} for one in (ours, theirs)
    )
    assert found.keys() == expected.keys()
    for (department, part, metric), value in expected.items():
        mine = found[department, part, metric]
        if department:
            assert mine == value
        elif ours.settings.coupling.kind == "clusters" and metric == "joint_loss":
            assert mine == pytest.approx(value, rel=1e-4, abs=1e-4)  # A difference of two sums of squares.
        else:
            assert abs(mine - value) <= len(ours.departments) * 2.0**-SCALAR_BITS + 1e-9 * abs(value)


# What these ask, others ask apart; sealed sums are the open ones bit for bit.
COMPOSED = ("a coarse fixed point and counts", "momentum at the server", "sealed adam", "sealed scaffold")


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.long if c in COMPOSED else ()) for c in CASES])
def test_a_secure_round_is_the_plain_round(case: str) -> None:
    ours = built(case)
    common = COMMON if ours.settings.coupling.kind == "distill" else None
    for _ in range(2):
        same_round(ours, common)
    last = plain_copy(ours, common)
    ours.close(), last.close()
    same_measurements(ours, last)
    assert any(m.department == "" and m.metric == "accuracy" for m in ours.news[-1].measurements)
    assert any(m.metric == "joint_loss" for m in ours.news[-1].measurements)


@pytest.mark.parametrize("coupling", [Coupling(), proximal("mr-mtl")], ids=["average", "mr-mtl"])
def test_several_hubs_in_cohort_mode_are_those_of_a_plain_round(coupling: Coupling) -> None:
    ours = federation(cohorts(coupling=coupling))
    assert len(ours.state.plans) == 2
    for _ in range(2):
        same_round(ours)
    modes = {name: verdict.mode for name, verdict in verdicts(ours.transport.plans[0])}
    assert modes["updates"] == "cohort"
    assert MEASUREMENTS in modes
    last = plain_copy(ours)
    ours.close(), last.close()
    same_measurements(ours, last)


def test_the_bound_is_of_the_size_of_the_error() -> None:
    """A coarse fixed point has a visible error, most of its bound; so the bound would notice a wrong scale."""
    ours = built("a coarse fixed point")
    theirs = plain_copy(ours)
    ours.play(), theirs.play()
    (hub,) = ours.releases()
    error = float(np.abs(ours.releases()[hub].mean - theirs.releases()[hub].mean).max())
    assert bound(ours, hub, largest_entry(ours)) / 20 < error


def test_four_who_could_report_do_not_where_eight_write() -> None:
    """The plan's crowd is that of eight, in which four are too few; the round goes on without a report's totals."""
    departments = tuple(
        DepartmentSettings(name=n, roles=("source", "target") if n in FOUR else ("source",)) for n in EIGHT
    )
    ours = federation(secure(EIGHT, departments=departments)).play(2)
    assert set(ours.news[-1].answered) == set(EIGHT)
    assert {m.department for m in ours.news[-1].measurements} == set(FOUR)
    assert [g.name for plan in ours.transport.plans for g in plan.groups] == [UPDATES, UPDATES]


@pytest.mark.parametrize("case", ["fedavg", "a table", "counts", "hard clusters", "a coarse fixed point"])
def test_the_fixed_point_is_the_finest_that_cannot_overflow(case: str) -> None:
    ours = built(case).play()
    plan = ours.transport.plans[-1]
    prove_no_overflow(plan)
    groups = tuple(replace(g, fixed=replace(g.fixed, scale=g.fixed.scale * 2)) for g in plan.groups if g.length)
    with pytest.raises(Malformed, match="can overflow"):
        prove_no_overflow(replace(plan, groups=groups))


@pytest.mark.parametrize("case", ["fedavg", "counts", "scaffold", "adam at the server", "ditto"])
def test_sealed_sums_are_the_open_ones_bit_for_bit(case: str) -> None:
    sealed = built(case, aggregation=Aggregation(coordinator_sees="nothing"))
    open_ = built(case)
    for one in (sealed, open_):
        one.play(2).close()
    assert sealed.models() == open_.models()
    assert sealed.measured() == open_.measured()
    for department in sealed.departments.values():
        held = {name: hub.state.model.tobytes() for name, hub in department.own_hubs.items()}
        assert held == sealed.models()


@pytest.mark.parametrize("case", ["counts", "scaffold", "hard clusters", "sealed adam", "participants drawn"])
def test_a_run_with_fresh_identities_repeats_bit_for_bit(case: str) -> None:
    first, second = built(case), built(case)
    assert first.state.roster != second.state.roster
    for one in (first, second):
        one.play(2).close()
    assert first.models() == second.models()
    assert first.measured() == second.measured()
    assert states(first) == states(second)


def states(ours: Federation) -> dict[str, dict[str, bytes]]:
    return {
        name: {key: value.detach().numpy().tobytes() for key, value in department.state().items()}
        for name, department in ours.departments.items()
    }


@pytest.mark.parametrize(
    "case",
    [
        *("scaffold", "mr-mtl with private parts", "hard clusters", "sealed adam"),
        *(pytest.param(one, marks=pytest.mark.long) for one in ("fedavg", "sealed scaffold")),
    ],
)
def test_a_resumed_run_goes_on_bit_for_bit_with_new_identities(case: str) -> None:
    whole = built(case).play(3)
    whole.close()
    first, second = built(case).play(2), built(case)
    held = saved_state.groups(first.state, first.departments, first.departments)
    meta = json.loads(json.dumps(saved_state.meta(first.state)))
    second.state = saved_state.restore(second.state, second.departments, 2, meta, held)
    second.play(1)
    second.close()
    assert second.models() == whole.models()
    assert states(second) == states(whole)
    later = {key: value for key, value in whole.measured().items() if key[0] >= 2}
    assert second.measured() == later


def test_a_target_without_rows_learns_from_sealed_sums_too() -> None:
    departments = (*(DepartmentSettings(name=n) for n in FOUR), DepartmentSettings(name="研发", roles=("target",)))
    ours, open_ = (
        federation(secure(FOUR, departments=departments, aggregation=Aggregation(coordinator_sees=sees)))
        for sees in ("nothing", "sums")
    )
    for one in (ours, open_):
        one.play(2).close()
    assert ours.departments["研发"].own_hubs[ours.state.plans[0].name].state.model.tobytes() in open_.models().values()
    exported = ours.departments["研发"].export(ours.state.visible)
    expected = open_.departments["研发"].export(open_.state.visible)
    assert all(torch.equal(exported[name], value) for name, value in expected.items())


def test_entries_beyond_the_clip_are_counted_and_said() -> None:
    ours = federation(secure(FOUR, aggregation=Aggregation(clip=2.0**-6), report=Report(metrics=("loss",))))
    ours.play()
    assert any("larger than aggregation.clip were cut off" in warning for warning in ours.news[-1].warnings)
    (release,) = ours.releases().values()
    assert np.abs(release.mean).max() <= 2.0**-6
    wide = federation(replace(ours.settings, aggregation=Aggregation())).play()
    assert wide.news[-1].warnings == ()
