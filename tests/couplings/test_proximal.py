"""`proximal` against short loops of each published method, and its two limits: λ = 0 and λ -> infinity."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lepton_fed.settings import DepartmentSettings, ModelSettings, Optimiser, Rounds, Training, Weights
from tests.couplings.small import (
    BATCH,
    EVERYBODY,
    NAMES,
    PERMIT,
    RATE,
    Fixed,
    Plain,
    close_to,
    federation,
    mean,
    proximal,
    settings,
)

BETA = {"内科": 2.0, "外科": 0.5}
"""儿科 is not in it and takes 1."""
LAMBDA = 0.7


def pulled(
    plain: Plain, theta: torch.Tensor, anchor: torch.Tensor, name: str, number: int, beta: float
) -> torch.Tensor:
    """Local training with the pull as DESIGN's formula has it."""
    c = RATE * LAMBDA * beta
    for x, y in Fixed(name).batches(number):
        theta = (theta - RATE * plain.gradient(theta, x, y) + c * anchor) / (1 + c)
    return theta


def test_mr_mtl_equals_a_short_loop_with_its_own_beta_per_target() -> None:
    chosen = settings(coupling=proximal("mr-mtl", LAMBDA), weights=Weights(beta=BETA))
    ours, plain = federation(chosen), Plain(chosen)
    anchor = ours.hub()
    own = dict.fromkeys(NAMES, anchor)
    for number in range(1, 5):
        own = {n: pulled(plain, own[n], anchor, n, number, BETA.get(n, 1.0)) for n in NAMES}
        anchor = mean(own)
        ours.play()
        assert close_to(ours.hub(), anchor), f"round {number}"
    for name in NAMES:
        assert close_to(ours.personal(name), own[name])
        exported = ours.departments[name].export(ours.state.visible)
        assert close_to(torch.cat([t.reshape(-1) for t in exported.values()]), own[name])


def test_ditto_trains_the_common_model_as_fedavg_does_and_a_personal_one_beside_it() -> None:
    chosen = settings(coupling=proximal("ditto", LAMBDA), weights=Weights(beta=BETA))
    ours, plain = federation(chosen), Plain(chosen)
    w = ours.hub()
    own = dict.fromkeys(NAMES, w)
    for number in range(1, 5):
        own = {n: pulled(plain, own[n], w, n, number, BETA.get(n, 1.0)) for n in NAMES}
        w = mean({n: plain.sgd(w, Fixed(n).batches(number)) for n in NAMES})
        ours.play()
    assert close_to(ours.hub(), w)
    assert torch.equal(ours.hub(), federation(settings()).play(4).hub())
    for name in NAMES:
        assert close_to(ours.personal(name), own[name])


def test_pfedme_equals_a_short_loop() -> None:
    chosen = settings(coupling=proximal("pfedme", 2.0, inner_steps=3, server_mix=0.6))
    ours, plain = federation(chosen), Plain(chosen)
    x, c = ours.hub(), RATE * 2.0
    personal = {}
    for number in range(1, 5):
        moved = {}
        for name in NAMES:
            w, theta = x.clone(), x.clone()
            for batch in Fixed(name).batches(number):
                for _ in range(3):
                    theta = (theta - RATE * plain.gradient(theta, *batch) + c * w) / (1 + c)
                w = w - RATE * 2.0 * (w - theta)
            moved[name], personal[name] = w, theta
        x = (1 - 0.6) * x + 0.6 * mean(moved)
        ours.play()
        assert close_to(ours.hub(), x), f"round {number}"
    for name in NAMES:
        assert close_to(ours.personal(name), personal[name])


def test_fedprox_equals_a_short_loop_and_keeps_no_personal_model() -> None:
    chosen = settings(coupling=proximal("fedprox", LAMBDA))
    ours, plain = federation(chosen), Plain(chosen)
    x = ours.hub()
    for number in range(1, 5):
        x = mean({n: pulled(plain, x, x, n, number, 1.0) for n in NAMES})
        ours.play()
    assert close_to(ours.hub(), x)
    assert "personal" not in ours.departments["内科"].state()


def test_dittos_personal_head_is_not_the_one_its_common_model_is_trained_with() -> None:
    """Two trainings, two heads: the personal model's must not be overwritten by the other."""
    model = ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",))
    chosen = settings(coupling=proximal("ditto", LAMBDA), model=model)
    ours, plain = federation(chosen), Plain(chosen)
    w, head = ours.hub(), ours.departments["内科"].bench.model.initial_private.clone()
    own = dict.fromkeys(NAMES, torch.cat([w, head]))
    common_heads = dict.fromkeys(NAMES, head)
    c = RATE * LAMBDA
    for number in range(1, 4):
        for name in NAMES:
            theta = own[name]
            for batch in Fixed(name).batches(number):
                theta = theta - RATE * plain.gradient(theta, *batch)
                theta = torch.cat([(theta[:25] + c * w) / (1 + c), theta[25:]])
            own[name] = theta
        whole = {n: plain.sgd(torch.cat([w, common_heads[n]]), Fixed(n).batches(number)) for n in NAMES}
        common_heads = {n: v[25:] for n, v in whole.items()}
        w = mean({n: v[:25] for n, v in whole.items()})
        ours.play()
    assert close_to(ours.hub(), w)
    for name in NAMES:
        state = ours.departments[name].state()
        assert close_to(torch.cat([state["personal"], state["private"]]), own[name])


# ---------------------------------------------------------------- limits


def test_lambda_zero_is_training_alone_bit_for_bit() -> None:
    chosen = settings(coupling=proximal("mr-mtl", 0.0))
    together = federation(chosen).play(4)
    for name in NAMES:
        # Alone: a federation in which everybody else's weight is zero resets it to its own model.
        alone = federation(settings(weights=Weights(alpha={n: float(n == name) for n in NAMES})))
        theta = alone.hub()
        plain = Plain(chosen)
        module = plain.put(theta)
        optimiser = torch.optim.SGD(module.parameters(), lr=RATE)
        for number in range(1, 5):
            for x, y in Fixed(name).batches(number):
                optimiser.zero_grad()
                torch.nn.functional.binary_cross_entropy_with_logits(module(x)[:, 0], y).backward()
                optimiser.step()
        expected = torch.nn.utils.parameters_to_vector(module.parameters())
        assert torch.equal(together.personal(name), expected)


def test_a_huge_lambda_makes_everybody_agree() -> None:
    chosen = settings(coupling=proximal("mr-mtl", 1e6))
    ours = federation(chosen).play(3)
    for name in NAMES:
        assert close_to(ours.personal(name), ours.hub(), 1e-5)
    far = federation(settings(coupling=proximal("mr-mtl", 0.1))).play(3)
    assert not close_to(far.personal("内科"), far.hub(), 1e-2)


def test_agreement_grows_with_lambda_as_one_over_it() -> None:
    spread = []
    for strength in (10.0, 100.0, 1000.0):
        ours = federation(settings(coupling=proximal("mr-mtl", strength))).play(2)
        spread.append(max(float((ours.personal(n) - ours.hub()).norm()) for n in NAMES))
    assert spread[0] > 5 * spread[1] > 25 * spread[2] > 0


def test_a_large_lambda_reaches_fedavgs_optimum_as_one_over_lambda() -> None:
    """On the complete graph with uniform β, λ -> infinity minimises Σ α_j f_j, which is what FedAvg minimises."""
    full = Training(epochs=1, batch=64, optimiser=Optimiser(learning_rate=2.0))
    linear = {
        "model": ModelSettings(name="linear"),
        "training": full,
        "rounds": Rounds(count=600, evaluate_every=10**6),
    }

    def after(rounds: int, **tables: object) -> torch.Tensor:
        return federation(settings(**linear, **tables), order=lambda n: Fixed(n, 64)).play(rounds).hub()

    def gap(strength: float, rounds: int) -> float:
        return float((after(rounds, coupling=proximal("mr-mtl", strength)) - best).norm())

    best = after(100)
    assert gap(0.0, 100) > 1.0
    first, second, fourth = (gap(strength, 500) for strength in (1.0, 2.0, 4.0))
    assert first < 0.07
    assert second == pytest.approx(first / 2, rel=0.2)
    assert fourth == pytest.approx(first / 4, rel=0.3)


@pytest.mark.parametrize("method", ["mr-mtl", "ditto", "pfedme", "fedprox"])
def test_an_absurd_lambda_diverges_nowhere(method: str) -> None:
    ours = federation(settings(coupling=proximal(method, 1e300), weights=Weights(beta=1e10))).play(2)
    assert torch.isfinite(ours.hub()).all()


def test_beta_zero_leaves_a_department_alone_while_the_others_are_pulled() -> None:
    beta = {"内科": 0.0, "外科": 1.0, "儿科": 1.0}
    ours = federation(settings(coupling=proximal("mr-mtl", 5.0), weights=Weights(beta=beta))).play(3)
    free = federation(settings(coupling=proximal("mr-mtl", 0.0))).play(3)
    assert torch.equal(ours.personal("内科"), free.personal("内科"))
    assert not close_to(ours.personal("外科"), free.personal("外科"), 1e-3)


def test_whoever_is_not_drawn_keeps_its_personal_model_as_it_was() -> None:
    chosen = settings(coupling=proximal("mr-mtl"), rounds=Rounds(count=5, participants=1))
    ours = federation(chosen)
    for _ in range(4):
        before = {n: d.state().get("personal") for n, d in ours.departments.items()}
        ours.play()
        (drawn,) = ours.news[-1].answered
        for name in NAMES:
            if name != drawn:
                assert ours.departments[name].state().get("personal") is before[name]


def test_a_target_without_rows_uses_the_anchor_under_mr_mtl() -> None:
    departments = (
        *(DepartmentSettings(name=n) for n in NAMES),
        DepartmentSettings(name="研发", roles=("target",)),
    )
    chosen = settings(departments=departments, sharing=EVERYBODY, access=PERMIT, coupling=proximal("mr-mtl"))
    ours = federation(chosen).play(2)
    assert len(ours.state.plans) == 1
    exported = ours.departments["研发"].export(ours.state.visible)
    assert torch.equal(torch.cat([t.reshape(-1) for t in exported.values()]), ours.hub())


OPTIMISERS = {
    "sgd": Optimiser(learning_rate=0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adamw": Optimiser(name="adamw", learning_rate=0.05, weight_decay=0.1),
}


def torchs(name: str, theta: torch.nn.Parameter) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD([theta], 0.02, momentum=0.9, nesterov=True, weight_decay=0.01)
    return torch.optim.AdamW([theta], 0.05, weight_decay=0.1)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("method", ["mr-mtl", "ditto"])
def test_the_pull_follows_the_step_of_any_optimiser_kept_or_begun_afresh(method: str, name: str, keep: bool) -> None:
    optimiser = replace(OPTIMISERS[name], keep=keep)
    chosen = settings(coupling=proximal(method, LAMBDA), training=Training(epochs=1, batch=BATCH, optimiser=optimiser))
    ours, plain = federation(chosen), Plain(chosen)
    anchor = ours.hub()
    own = {n: torch.nn.Parameter(anchor.clone()) for n in NAMES}
    common = {n: torch.nn.Parameter(anchor.clone()) for n in NAMES}
    kept = {n: (torchs(name, own[n]), torchs(name, common[n])) for n in NAMES}
    c = optimiser.learning_rate * LAMBDA
    for number in range(1, 4):
        for who in NAMES:
            pulled_by, free = kept[who] if keep else (torchs(name, own[who]), torchs(name, common[who]))
            common[who].data = anchor.clone()
            for batch in Fixed(who).batches(number):
                own[who].grad = plain.gradient(own[who].detach(), *batch)
                pulled_by.step()
                own[who].data = (own[who].data + c * anchor) / (1 + c)
                common[who].grad = plain.gradient(common[who].detach(), *batch)
                free.step()
        uploaded = own if method == "mr-mtl" else common
        anchor = mean({n: p.data for n, p in uploaded.items()})
        ours.play()
    assert close_to(ours.hub(), anchor, 3e-5)
    for who in NAMES:
        assert close_to(ours.personal(who), own[who].data, 3e-5)
