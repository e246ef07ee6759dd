"""`distill` against a short loop, in both directions, between departments with different architectures."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from lepton_fed.couplings.distill import LEAST
from lepton_fed.seeds import derive
from lepton_fed.settings import (
    Column,
    CommonSet,
    Coupling,
    DataContract,
    DepartmentSettings,
    Label,
    ModelSettings,
    Settings,
    Weights,
)
from tests.couplings.small import (
    BATCH,
    COUNTS,
    NAMES,
    RATE,
    Fixed,
    Plain,
    Small,
    close_to,
    federation,
    settings,
)

COMMON = torch.randn(10, 4, generator=torch.Generator().manual_seed(5))
LAMBDA, TAU = 0.8, 2.0
OWN = {
    "内科": None,
    "外科": ModelSettings(name="linear"),
    "儿科": ModelSettings(name="mlp", arguments={"hidden": [3, 2]}),
}


def distilling(direction: str, classes: int, **tables: object) -> Settings:
    names = tuple("abc"[:classes])
    data = DataContract(
        label=Label(meaning="ward", classes=names), columns=tuple(Column(name=f"x{k}") for k in range(4))
    )
    departments = tuple(DepartmentSettings(name=n, model=OWN[n]) for n in NAMES)
    coupling = Coupling(
        kind="distill",
        lambda_=LAMBDA,
        temperature=TAU,
        direction=direction,  # type: ignore[arg-type]
        common=CommonSet(path="common.npz"),
    )
    return settings(departments=departments, data=data, coupling=coupling, **tables)


def log_predictions(plain: Plain, theta: Tensor, x: Tensor) -> Tensor:
    output = plain.put(theta)(x)
    if output.shape[1] == 1:
        output = torch.cat([torch.zeros(len(x), 1), output], 1)
    return F.log_softmax(output / TAU, 1).clamp_min(LEAST)


def common_batches(name: str, round: int) -> list[Tensor]:
    """Enough batches of places in the common set for one round."""
    found: list[Tensor] = []
    for turn in range(20):
        generator = torch.Generator().manual_seed(derive(11, "common", name, round, turn))
        found += torch.randperm(len(COMMON), generator=generator).split(BATCH)
    return found


def taught(
    plain: Plain, theta: Tensor, name: str, number: int, classes: int, teacher: Tensor | None, reverse: bool
) -> Tensor:
    """One round of a department, straight from the definitions."""
    for (x, y), here in zip(Fixed(name).batches(number, classes), common_batches(name, number), strict=False):
        value = plain.loss(theta, x, y)
        parameters = list(plain.module.parameters())
        if teacher is not None:
            output = plain.module(COMMON[here])
            if output.shape[1] == 1:
                output = torch.cat([torch.zeros(len(here), 1), output], 1)
            q = F.log_softmax(output / TAU, 1).clamp_min(LEAST)
            if reverse:
                kl = F.kl_div(teacher[here], q, reduction="batchmean", log_target=True)
            else:
                kl = F.kl_div(q, teacher[here], reduction="batchmean")
            value = value + LAMBDA * TAU**2 * kl
        theta = theta - RATE * parameters_to_vector(torch.autograd.grad(value, parameters))
    return theta


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_distillation_equals_a_short_loop(direction: str, classes: int) -> None:
    chosen, reverse = distilling(direction, classes), direction == "reverse"
    ours = federation(chosen, common=COMMON)
    plains = {n: Plain(chosen, OWN[n]) for n in NAMES}
    thetas = {n: ours.departments[n].bench.model.initial.clone() for n in NAMES}
    assert len({t.numel() for t in thetas.values()}) == 3
    teacher = None
    for number in range(1, 5):
        thetas = {n: taught(plains[n], thetas[n], n, number, classes, teacher, reverse) for n in NAMES}
        logs = {n: log_predictions(plains[n], thetas[n], COMMON).detach() for n in NAMES}
        total = sum(COUNTS[n] for n in NAMES)
        said = {n: logs[n] if reverse else logs[n].exp() for n in NAMES}
        mean = sum((COUNTS[n] / total * said[n] for n in NAMES), torch.zeros(()))
        ours.play()
        assert close_to(ours.hub().view(len(COMMON), -1), mean, 2e-5), f"round {number}"
        teacher = mean.log_softmax(1) if reverse else mean
    for name in NAMES:
        state = ours.departments[name].export(ours.state.visible)
        assert close_to(torch.cat([t.reshape(-1) for t in state.values()]), thetas[name], 2e-5)


def own_logs(ours: Small, name: str) -> Tensor:
    exported = ours.departments[name].export(ours.state.visible)
    plain = Plain(ours.settings, OWN[name])
    return log_predictions(plain, torch.cat([t.reshape(-1) for t in exported.values()]), COMMON).detach().double()


@pytest.mark.parametrize(
    "weights", [Weights(), Weights(alpha={"内科": 1.0, "外科": 0.0, "儿科": 5.0}, beta={"外科": 3.0})]
)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_joint_loss_is_the_double_sum_of_divergences(direction: str, weights: Weights) -> None:
    ours = federation(distilling(direction, 3, weights=weights), common=COMMON).play(3)
    raw = {n: w for n, (_, w) in ours.uploads(3).items()}
    total, expected = sum(raw.values()), 0.0
    logs = {n: own_logs(ours, n) for n in NAMES}
    for j in NAMES:
        beta = weights.beta.get(j, 1.0) if isinstance(weights.beta, dict) else weights.beta
        for i in NAMES:
            left, right = (logs[i], logs[j]) if direction == "forward" else (logs[j], logs[i])
            divergence = float((left.exp() * (left - right)).sum(1).mean())
            expected += raw[i] / total * beta * divergence
    assert expected > 1e-4
    assert math.isclose(ours.measured("joint_loss", 3), expected, rel_tol=1e-5, abs_tol=1e-7)


def test_one_overconfident_department_cannot_outvote_the_others() -> None:
    ours = federation(distilling("reverse", 2), common=COMMON)
    ours.departments["外科"].bench.model.initial.mul_(1e4)
    ours.departments["外科"].bench.model.vector.mul_(1e4)
    ours.play()
    log_probabilities, _ = ours.uploads(1)["外科"]
    assert float(log_probabilities.min()) >= LEAST - 1e-5


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_predictions_that_are_not_finite_never_leave(direction: str) -> None:
    ours = federation(distilling(direction, 2), common=COMMON)
    ours.departments["外科"].bench.model.initial.fill_(math.nan)
    ours.play()
    assert ours.news[-1].answered == ("内科", "儿科")
    assert "diverged" in ours.news[-1].refusals["外科"]
    assert torch.isfinite(ours.hub()).all()
