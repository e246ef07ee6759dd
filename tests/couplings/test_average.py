"""`average` against short loops: FedAvg to the last bit, private parts, SCAFFOLD, server optimisers, cohorts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lepton_fed.seeds import draw
from lepton_fed.settings import (
    Column,
    DataContract,
    DepartmentSettings,
    Flow,
    Grant,
    Label,
    ModelSettings,
    Optimiser,
    Rounds,
    ServerOptimiser,
    Training,
    Weights,
)
from tests.couplings.small import (
    BATCH,
    COUNTS,
    EVERYBODY,
    NAMES,
    PERMIT,
    RATE,
    Fixed,
    Plain,
    close_to,
    federation,
    mean,
    settings,
)


def trained_by_torch(plain: Plain, theta: Tensor, batches: list[tuple[Tensor, Tensor]], rate: float = RATE) -> Tensor:
    """The usual loop: a module, torch.optim.SGD, backward."""
    module = plain.put(theta)
    optimiser = torch.optim.SGD(module.parameters(), lr=rate)
    for x, y in batches:
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(module(x)[:, 0], y).backward()
        optimiser.step()
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def test_fedavg_equals_a_plain_loop_to_the_last_bit_over_uneven_departments() -> None:
    chosen = settings()
    ours = federation(chosen)
    x, plain = ours.hub(), Plain(chosen)
    for number in range(1, 5):
        total = torch.zeros_like(x)
        for name in NAMES:
            update = trained_by_torch(plain, x, Fixed(name).batches(number)) - x
            total.add_(update, alpha=COUNTS[name])
        x = x + total / sum(COUNTS[n] for n in NAMES)
        ours.play()
        assert torch.equal(ours.hub(), x), f"round {number}"


def test_fedavg_of_three_classes_and_a_linear_model_equals_a_plain_loop() -> None:
    data = DataContract(
        label=Label(meaning="ward", classes=("a", "b", "c")),
        columns=tuple(Column(name=f"x{k}") for k in range(4)),
    )
    chosen = settings(data=data, model=ModelSettings(name="linear"))
    ours = federation(chosen).play(3)
    plain = Plain(chosen)
    x = federation(chosen).hub()
    for number in range(1, 4):
        x = mean({n: plain.sgd(x, Fixed(n).batches(number, classes=3)) for n in NAMES})
    assert close_to(ours.hub(), x)


def test_alpha_uniform_equals_a_table_of_ones_bit_for_bit() -> None:
    uniform = federation(settings(weights=Weights(alpha="uniform"))).play(3)
    table = federation(settings(weights=Weights(alpha=dict.fromkeys(NAMES, 1.0)))).play(3)
    assert torch.equal(uniform.hub(), table.hub())
    assert not torch.equal(uniform.hub(), federation(settings()).play(3).hub())


def test_only_ratios_of_an_alpha_table_count() -> None:
    once = federation(settings(weights=Weights(alpha={"内科": 1.0, "外科": 3.0, "儿科": 0.0}))).play(2)
    eight = federation(settings(weights=Weights(alpha={"内科": 8.0, "外科": 24.0, "儿科": 0.0}))).play(2)
    assert torch.equal(once.hub(), eight.hub())


def test_a_round_takes_only_the_departments_that_are_drawn() -> None:
    chosen = settings(rounds=Rounds(count=6, participants=2))
    ours, plain = federation(chosen), Plain(chosen)
    x, seen = ours.hub(), set()
    for number in range(1, 6):
        drawn = draw(NAMES, 2, 11, "participants", number)
        seen.add(drawn)
        x = mean({n: plain.sgd(x, Fixed(n).batches(number)) for n in drawn})
        ours.play()
        assert ours.news[-1].answered == drawn
        assert close_to(ours.hub(), x), f"round {number}"
    assert len(seen) > 1


def test_fedper_keeps_the_head_of_each_department_at_home() -> None:
    chosen = settings(model=ModelSettings(name="mlp", arguments={"hidden": [5]}, private=("head.*",)))
    ours, plain = federation(chosen), Plain(chosen)
    body = ours.hub()
    assert body.numel() == 4 * 5 + 5
    head = ours.departments["内科"].bench.model.initial_private.clone()
    heads = dict.fromkeys(NAMES, head)
    for number in range(1, 4):
        whole = {n: plain.sgd(torch.cat([body, heads[n]]), Fixed(n).batches(number)) for n in NAMES}
        heads = {n: v[25:] for n, v in whole.items()}
        body = mean({n: v[:25] for n, v in whole.items()})
        ours.play()
    assert close_to(ours.hub(), body)
    for name in NAMES:
        exported = ours.departments[name].export(ours.state.visible)
        assert close_to(torch.cat([exported["head.weight"].reshape(-1), exported["head.bias"]]), heads[name])
        assert close_to(exported["layer1.weight"].reshape(-1), body[:20])
    assert not close_to(heads["内科"], heads["儿科"], 1e-3)


class Normed(torch.nn.Module):
    """Batch normalisation over the inputs, then a linear layer."""

    def __init__(self, inputs: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(inputs[0])
        self.head = torch.nn.Linear(inputs[0], outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(x))
        return out


def normed_federation(monkeypatch: pytest.MonkeyPatch, **model: object):  # type: ignore[no-untyped-def]
    monkeypatch.setitem(__import__("lepton_fed.models", fromlist=["BUILT_IN"]).BUILT_IN, "normed", Normed)
    # A batch of one row has no variance; 5 divides none of the counts into a rest of one.
    return settings(
        model=ModelSettings(name="normed", **model),
        training=Training(epochs=1, batch=5, optimiser=Optimiser(learning_rate=RATE)),
    )  # type: ignore[arg-type]


def averaged(states: dict[str, dict[str, Tensor]], names: list[str]) -> dict[str, Tensor]:
    return {k: mean({n: states[n][k] for n in NAMES}) for k in names}


@pytest.mark.parametrize("private", [("norm.*",), ()])
def test_fedbn_keeps_normalisation_at_home_and_fedavg_averages_it_with_its_statistics(
    monkeypatch: pytest.MonkeyPatch, private: tuple[str, ...]
) -> None:
    chosen = normed_federation(monkeypatch, private=private)
    ours = federation(chosen, order=lambda n: Fixed(n, 5))
    start = ours.departments["内科"].bench.model.tensors()
    states = {n: {k: v.clone() for k, v in start.items()} for n in NAMES}
    shared = [k for k in start if start[k].is_floating_point() and not (private and k.startswith("norm"))]
    for number in range(1, 4):
        for name in NAMES:
            module = Normed((4,), 1)
            module.load_state_dict(states[name])
            optimiser = torch.optim.SGD(module.parameters(), lr=RATE)
            for x, y in Fixed(name, 5).batches(number):
                optimiser.zero_grad()
                torch.nn.functional.binary_cross_entropy_with_logits(module(x)[:, 0], y).backward()
                optimiser.step()
            states[name] = {k: v.detach().clone() for k, v in module.state_dict().items()}
        together = averaged(states, shared)
        states = {n: {**states[n], **together} for n in NAMES}
        ours.play()
    for name in NAMES:
        exported = ours.departments[name].export(ours.state.visible)
        assert exported.keys() == states[name].keys()
        for key, value in states[name].items():
            assert close_to(exported[key].float(), value.float(), 1e-5), key
    if private:
        assert not close_to(states["内科"]["norm.running_mean"], states["儿科"]["norm.running_mean"], 1e-3)


def test_scaffold_equals_algorithm_1_with_option_ii() -> None:
    chosen = settings(
        training=Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold")
    )
    ours, plain = federation(chosen), Plain(chosen)
    x = ours.hub()
    c, own = torch.zeros_like(x), {n: torch.zeros_like(x) for n in NAMES}
    for number in range(1, 5):
        models, changes = {}, {}
        for name in NAMES:
            y_i, steps = x.clone(), Fixed(name).batches(number)
            for batch in steps:
                y_i = y_i - RATE * (plain.gradient(y_i, *batch) - own[name] + c)
            changes[name] = -c + (x - y_i) / (len(steps) * RATE)
            models[name] = y_i
        own = {n: own[n] + changes[n] for n in NAMES}
        x, c = mean(models), c + mean(changes)
        ours.play()
        assert close_to(ours.hub(), x, 1e-5), f"round {number}"
    control = ours.state.hubs[ours.state.plans[0].name].state.control
    assert control is not None
    assert close_to(torch.from_numpy(control), c, 1e-5)
    assert close_to(c, mean(own), 1e-5)
    assert not close_to(x, federation(settings()).play(4).hub(), 1e-3)


def test_scaffold_with_drawn_departments_moves_the_common_variate_by_their_share() -> None:
    chosen = settings(
        rounds=Rounds(count=4, participants=2),
        weights=Weights(alpha="uniform"),
        training=Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold"),
    )
    ours, plain = federation(chosen), Plain(chosen)
    x = ours.hub()
    c, own = torch.zeros_like(x), {n: torch.zeros_like(x) for n in NAMES}
    for number in range(1, 5):
        drawn = draw(NAMES, 2, 11, "participants", number)
        models, changes = [], []
        for name in drawn:
            y_i, steps = x.clone(), Fixed(name).batches(number)
            for batch in steps:
                y_i = y_i - RATE * (plain.gradient(y_i, *batch) - own[name] + c)
            changes.append(-c + (x - y_i) / (len(steps) * RATE))
            own[name] = own[name] + changes[-1]
            models.append(y_i)
        x = torch.stack(models).mean(0)
        c = c + torch.stack(changes).sum(0) / len(NAMES)
        ours.play()
    assert close_to(ours.hub(), x, 1e-5)


SERVERS = {
    "momentum": ServerOptimiser(optimiser="momentum", learning_rate=0.7, momentum=0.8),
    "adam": ServerOptimiser(optimiser="adam", learning_rate=0.05, momentum=0.9, beta2=0.99, tau=1e-3),
    "yogi": ServerOptimiser(optimiser="yogi", learning_rate=0.05, momentum=0.9, beta2=0.99, tau=1e-3),
    "adagrad": ServerOptimiser(optimiser="adagrad", learning_rate=0.1, momentum=0.5, tau=1e-3),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_optimiser_equals_its_algorithm(name: str) -> None:
    server = SERVERS[name]
    chosen = settings(server=server)
    ours, plain = federation(chosen), Plain(chosen)
    x = ours.hub()
    m, v = torch.zeros_like(x), torch.zeros_like(x)
    for number in range(1, 5):
        d = mean({n: plain.sgd(x, Fixed(n).batches(number)) for n in NAMES}) - x
        if name == "momentum":
            m = server.momentum * m + d
            x = x + server.learning_rate * m
        else:
            m = server.momentum * m + (1 - server.momentum) * d
            if name == "adam":
                v = server.beta2 * v + (1 - server.beta2) * d * d
            elif name == "yogi":
                v = v - (1 - server.beta2) * d * d * torch.sign(v - d * d)
            else:
                v = v + d * d
            x = x + server.learning_rate * m / (v.sqrt() + server.tau)
        ours.play()
        # The quotient magnifies rounding where the second moment is small.
        assert close_to(ours.hub(), x, 2e-5), f"round {number}"


def test_a_source_in_two_cohorts_trains_once_and_writes_to_both() -> None:
    names = ("内科", "外科", "儿科")
    sharing = (
        Flow(what="甲", from_=("内科", "外科"), to=("内科", "外科")),
        Flow(what="乙", from_=("内科",), to=("儿科",)),
    )
    access = tuple(Grant(what=w, who=("*",), action="train") for w in ("甲", "乙"))
    chosen = settings(names, sharing=sharing, access=access)
    ours, plain = federation(chosen), Plain(chosen)
    assert [(p.writers, p.readers) for p in ours.state.plans] == [
        (("内科", "外科"), ("内科", "外科")),
        (("内科", "儿科"), ("儿科",)),
    ]
    x, z = ours.hub(0), ours.hub(1)
    for number in range(1, 4):
        first = {n: plain.sgd(x, Fixed(n).batches(number)) for n in ("内科", "外科")}
        third = plain.sgd(z, Fixed("儿科").batches(number))
        x, z = mean(first), mean({"内科": first["内科"], "儿科": third})
        ours.play()
    assert close_to(ours.hub(0), x)
    assert close_to(ours.hub(1), z)


def test_a_source_only_department_gives_and_a_target_only_one_receives() -> None:
    departments = (
        DepartmentSettings(name="内科", roles=("source",)),
        DepartmentSettings(name="外科"),
        DepartmentSettings(name="研发", roles=("target",)),
        DepartmentSettings(name="药房", roles=()),
    )
    chosen = settings(departments=departments, sharing=EVERYBODY, access=PERMIT)
    ours, plain = federation(chosen), Plain(chosen)
    assert [(p.writers, p.readers) for p in ours.state.plans] == [(("内科", "外科"), ("外科", "研发"))]
    x = ours.hub()
    for number in range(1, 4):
        x = mean({n: plain.sgd(x, Fixed(n).batches(number)) for n in ("内科", "外科")})
        ours.play()
    assert close_to(ours.hub(), x)
    exported = ours.departments["研发"].export(ours.state.visible)
    assert close_to(torch.cat([t.reshape(-1) for t in exported.values()]), x)
    reported = {m.department for m in ours.close().measurements}
    assert reported == {"外科", "研发", ""}
    assert {m.department for n in ours.news for m in n.measurements} == reported


def test_whoever_is_listed_first_changes_nothing_beyond_rounding() -> None:
    forward = federation(settings()).play(3).hub()
    backward = federation(settings(tuple(reversed(NAMES)))).play(3).hub()
    assert close_to(forward, backward)
