"""The reported joint loss is the explicit double sum Σ_j Σ_i α_i β_j ½‖θ_i - θ_j‖², though nobody sees a pair."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lepton_fed.settings import (
    DepartmentSettings,
    Flow,
    Grant,
    ModelSettings,
    Optimiser,
    Rounds,
    ServerOptimiser,
    Settings,
    Training,
    Weights,
)
from tests.couplings.small import BATCH, EVERYBODY, NAMES, PERMIT, RATE, Small, federation, proximal, settings

TABLES = Weights(alpha={"内科": 1.0, "外科": 4.0, "儿科": 0.5}, beta={"内科": 0.0, "外科": 2.5})


def beta(chosen: Settings, name: str) -> float:
    given_beta = chosen.weights.beta
    return given_beta.get(name, 1.0) if isinstance(given_beta, dict) else given_beta


def double_sum(ours: Small, round: int, models: dict[str, Tensor] | None = None) -> float:
    """Σ_j Σ_i α_i β_j ½‖θ_i - θ_j‖² over every hub's writers i and readers j.

    θ_i is what i wrote to the hub, θ_j the same unless `models` says otherwise.
    """
    total = 0.0
    for k, plan in enumerate(ours.state.plans):
        parts = ours.uploads(round, k)
        mass = sum(w for _, w in parts.values())
        for j in plan.readers:
            theta_j = models[j].double() if models is not None and j in models else parts[j][0]
            for theta_i, w in parts.values():
                total += w / mass * beta(ours.settings, j) * 0.5 * float((theta_i - theta_j).square().sum())
    return total


@pytest.mark.parametrize(
    "weights", [Weights(), Weights(alpha="uniform"), TABLES], ids=["examples", "uniform", "tables"]
)
@pytest.mark.parametrize("coupling", ["average", "mr-mtl", "fedprox"])
def test_it_is_the_double_sum_of_what_departments_wrote(coupling: str, weights: Weights) -> None:
    tables = {} if coupling == "average" else {"coupling": proximal(coupling, 0.4)}
    ours = federation(settings(weights=weights, **tables)).play(3)
    for round in (1, 2, 3):
        expected = double_sum(ours, round)
        assert expected > 1e-3
        assert math.isclose(ours.measured("joint_loss", round), expected, rel_tol=1e-6)


@pytest.mark.parametrize("method", ["ditto", "pfedme"])
def test_with_personal_models_it_is_their_distance_to_what_the_sources_wrote(method: str) -> None:
    ours = federation(settings(weights=TABLES, coupling=proximal(method, 0.4))).play(3)
    expected = double_sum(ours, 3, {n: ours.personal(n) for n in NAMES})
    assert not math.isclose(expected, double_sum(ours, 3), rel_tol=1e-3)
    assert math.isclose(ours.measured("joint_loss", 3), expected, rel_tol=1e-6)


def test_scaffold_and_a_server_optimiser_do_not_change_what_it_means() -> None:
    scaffold = Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold")
    for tables in (
        {"training": scaffold},
        {"server": ServerOptimiser(optimiser="adam", learning_rate=0.1, tau=0.01)},
    ):
        ours = federation(settings(**tables)).play(3)
        assert math.isclose(ours.measured("joint_loss", 3), double_sum(ours, 3), rel_tol=1e-6)


def test_private_parts_do_not_enter_it() -> None:
    model = ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",))
    ours = federation(settings(model=model, coupling=proximal("mr-mtl"))).play(2)
    assert all(theta.numel() == 25 for theta, _ in ours.uploads(2).values())
    assert math.isclose(ours.measured("joint_loss", 2), double_sum(ours, 2), rel_tol=1e-6)


PARTIAL = {
    "sharing": (
        Flow(what="甲", from_=("内科", "外科"), to=("内科", "外科", "研发")),
        Flow(what="乙", from_=("内科",), to=("儿科",)),
    ),
    "access": tuple(Grant(what=w, who=("*",), action="train") for w in ("甲", "乙")),
    "departments": (
        *(DepartmentSettings(name=n) for n in NAMES),
        DepartmentSettings(name="研发", roles=("target",)),
    ),
}


@pytest.mark.parametrize("coupling", ["average", "mr-mtl"])
def test_on_a_partial_graph_each_target_has_its_own_sources(coupling: str) -> None:
    """研发 has no rows and no model of its own: it holds what it was sent when the round began."""
    tables = {} if coupling == "average" else {"coupling": proximal(coupling, 0.4)}
    ours = federation(settings(**PARTIAL, **tables, weights=Weights(beta={"研发": 3.0, "外科": 0.5}))).play(2)
    k = next(k for k, plan in enumerate(ours.state.plans) if "研发" in plan.readers)
    assert len(ours.state.plans) == 2
    sent = ours.hub(k)
    ours.play()
    assert math.isclose(ours.measured("joint_loss", 3), double_sum(ours, 3, {"研发": sent}), rel_tol=1e-6)


def test_a_source_only_department_has_no_row() -> None:
    departments = (
        DepartmentSettings(name="内科", roles=("source",)),
        *(DepartmentSettings(name=n) for n in NAMES[1:]),
    )
    ours = federation(settings(departments=departments, sharing=EVERYBODY, access=PERMIT)).play(2)
    assert ours.state.plans[0].readers == NAMES[1:]
    assert math.isclose(ours.measured("joint_loss", 2), double_sum(ours, 2), rel_tol=1e-6)


def test_a_department_that_did_not_take_part_in_a_round_adds_no_row_to_it() -> None:
    ours = federation(settings(rounds=Rounds(participants=2), weights=Weights(alpha="uniform"))).play(3)
    parts = ours.uploads(3)
    assert len(parts) == 2
    (a, _), (b, _) = parts.values()
    assert math.isclose(ours.measured("joint_loss", 3), 0.5 * float((a - b).square().sum()), rel_tol=1e-6)


def test_before_any_round_there_is_none() -> None:
    ours = federation(settings()).play(2)
    assert math.isfinite(ours.measured("loss", 0))
    with pytest.raises(KeyError):
        ours.measured("joint_loss", 0)


vectors = st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=2, max_size=5)


@given(vectors, st.lists(st.floats(0.1, 9.0), min_size=5, max_size=5))
def test_a_star_with_a_hub_and_a_complete_graph_are_the_same_thing(
    models: list[list[float]], weights: list[float]
) -> None:
    """Σ a_i‖θ_i - θ̄‖² = (1/2A) ΣΣ a_i a_j‖θ_i - θ_j‖²."""
    theta, a = (
        torch.tensor(models, dtype=torch.float64),
        torch.tensor(weights[: len(models)], dtype=torch.float64),
    )
    mean = (a[:, None] * theta).sum(0) / a.sum()
    star = float((a * (theta - mean).square().sum(1)).sum())
    pairs = (theta[:, None] - theta[None]).square().sum(2)
    complete = float((a[:, None] * a[None] * pairs).sum()) / (2 * float(a.sum()))
    assert math.isclose(star, complete, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("coupling", ["average", "mr-mtl", "ditto"])
def test_it_is_known_for_every_round_that_is_reported_on_and_the_last(coupling: str) -> None:
    tables = {} if coupling == "average" else {"coupling": proximal(coupling, 0.4)}
    ours = federation(settings(rounds=Rounds(count=5, evaluate_every=2), **tables)).play(5)
    last = ours.measured("joint_loss", 5)
    models = {n: ours.personal(n) for n in NAMES} if coupling == "ditto" else None
    assert math.isclose(last, double_sum(ours, 5, models), rel_tol=1e-6)
    reported = {m.round for news in ours.news for m in news.measurements if m.metric == "joint_loss"}
    assert reported == {2, 4, 5}
