"""A federation of three uneven departments, small enough to be computed again by a short loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from lepton_fed.bench import bench
from lepton_fed.coordinator import News, State, begin, close, join, play
from lepton_fed.department import Department
from lepton_fed.measuring import Rows
from lepton_fed.messages import Done, Message, Reply, Work
from lepton_fed.models import build
from lepton_fed.resident import Resident, Run
from lepton_fed.settings import (
    Aggregation,
    Column,
    Coupling,
    DataContract,
    DepartmentSettings,
    Flow,
    Grant,
    Identity,
    Label,
    ModelSettings,
    Optimiser,
    Report,
    Rounds,
    Settings,
    Training,
)
from lepton_fed.training.losses import Loss
from lepton_fed.transport import InProcess, drive

NAMES = ("内科", "外科", "儿科")
COUNTS = {"内科": 23, "外科": 9, "儿科": 40, "研发": 0, "药房": 15}
RATE = 0.2
BATCH = 4
EVERYBODY = (Flow(what="更新", from_=("*",), to=("*",)),)
PERMIT = (Grant(what="更新", who=("*",), action="训练"),)


def settings(names: tuple[str, ...] = NAMES, **tables: Any) -> Settings:
    """Three departments that all learn from each other by FedAvg, but for the tables given."""
    defaults: dict[str, Any] = {
        "federation": Identity(name="三科", purpose="test", seed=11),
        "departments": tuple(DepartmentSettings(name=n) for n in names),
        "data": DataContract(
            label=Label(meaning="ill", classes=("0", "1")),
            columns=tuple(Column(name=f"x{k}") for k in range(4)),
        ),
        "model": ModelSettings(name="mlp", arguments={"hidden": [5]}),
        "sharing": EVERYBODY,
        "access": PERMIT,
        "training": Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE)),
        "rounds": Rounds(count=20),
        "report": Report(metrics=("loss", "accuracy")),
        "aggregation": Aggregation(secure=False),
    }
    return Settings(**(defaults | tables))


def proximal(method: str, strength: float = 0.7, **options: Any) -> Coupling:
    return Coupling(kind="proximal", method=method, lambda_=strength, **options)  # type: ignore[arg-type]


def examples(name: str, classes: int = 2, features: int = 4) -> tuple[Tensor, Tensor]:
    """A department's own rows, a little different from the others'."""
    count = COUNTS.get(name, 12)
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    x = torch.randn(count, features, generator=generator) + 0.3 * torch.randn(features, generator=generator)
    scores = x @ torch.randn(features, classes, generator=generator)
    labels = scores.argmax(1)
    return x, labels.float() if classes == 2 else labels


class Fixed:
    """An Order double: one shuffled pass a round, which a plain loop can ask for as well."""

    def __init__(self, name: str, batch: int = BATCH) -> None:
        self.name, self.batch = name, batch

    def shuffled(self, round: int, many: int) -> Tensor:
        seed = 1000 * round + sum(map(ord, self.name))
        return torch.randperm(many, generator=torch.Generator().manual_seed(seed))

    def runs(self, round: int, examples: int) -> Iterator[Run]:
        yield Run(self.shuffled(round, examples), self.batch)

    def batches(self, round: int, classes: int = 2) -> list[tuple[Tensor, Tensor]]:
        """What the department is trained on in this round, for an independent loop."""
        x, y = examples(self.name, classes)
        return [(x[k], y[k]) for k in self.shuffled(round, len(y)).split(self.batch)]


class Listening(InProcess):
    """InProcess that keeps what was said in each exchange."""

    def __init__(self, departments: Mapping[str, Department]) -> None:
        super().__init__(departments)
        self.heard: list[tuple[dict[str, Message], dict[str, Reply]]] = []

    def exchange(self, messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        replies = dict(super().exchange(messages, on_reply))
        self.heard.append((dict(messages), replies))
        yield from replies.items()


@dataclass(eq=False)
class Small:
    """A federation under way in this process."""

    settings: Settings
    departments: dict[str, Department]
    transport: Listening
    state: State
    news: list[News] = field(default_factory=list)

    def play(self, rounds: int = 1) -> Small:
        for _ in range(rounds):
            self.state, news = drive(play(self.settings, self.state), self.transport)
            self.news.append(news)
        return self

    def close(self) -> News:
        return drive(close(self.settings, self.state), self.transport)

    def hub(self, k: int = 0) -> Tensor:
        """The k-th hub's model."""
        return torch.from_numpy(self.state.hubs[self.state.plans[k].name].state.model.copy())

    def personal(self, name: str) -> Tensor:
        return self.departments[name].state()["personal"]

    def uploads(self, round: int, k: int = 0) -> dict[str, tuple[Tensor, float]]:
        """What was written to the k-th hub in a round: θ_i (not Δ_i) and its weight, by department."""
        name, found = self.state.plans[k].name, {}
        for messages, replies in self.transport.heard:
            for who, message in messages.items():
                reply = replies[who]
                if (
                    isinstance(message, Work)
                    and isinstance(reply, Done)
                    and message.round == round
                    and name in reply.addends
                ):
                    part = reply.addends[name]
                    base = torch.from_numpy(message.hubs[name].model)
                    moved = torch.from_numpy(part.vector)
                    found[who] = (
                        base.double() + moved[: base.numel()].double() if base.numel() else moved,
                        part.weight,
                    )
        return found

    def measured(self, metric: str, round: int, department: str = "") -> float:
        """A measurement about a round; asks for the last report if need be."""
        if round == self.state.round and (not self.news or self.news[-1].asked):
            self.news.append(self.close())
        for news in self.news:
            for m in news.measurements:
                if (m.metric, m.round, m.department) == (metric, round, department):
                    return m.value
        raise KeyError(metric)


def federation(
    chosen: Settings,
    *,
    order: Callable[[str], Any] | None = Fixed,
    common: Tensor | None = None,
    device: str = "cpu",
    loss: Loss | None = None,
    resident: Callable[..., Any] = Resident,
) -> Small:
    """Departments with their rows, in one process, that have joined. Sources get rows; all get a test part."""
    benches: dict[str, Any] = {}
    departments = {}
    classes = max(2, len(chosen.data.label.classes))
    for one in chosen.departments:
        key = repr(one.model)
        if key not in benches:
            made = bench(chosen, one.model, device)
            benches[key] = replace(made, loss=loss) if loss is not None else made
        train = resident(*examples(one.name, classes, chosen.data.features[0]), device) if one.is_source else None
        test = resident(*examples(one.name + "'", classes, chosen.data.features[0]), device)
        departments[one.name] = Department(
            name=one.name,
            settings=chosen,
            fingerprint="指纹",
            bench=benches[key],
            rows=Rows(train, None, test),
            order=order(one.name) if order is not None else None,
            disclose=True,
            common=common,
        )
    transport, state = Listening(departments), begin(chosen, fingerprint="指纹")
    drive(join(chosen, state), transport)
    return Small(chosen, departments, transport, state)


# ---------------------------------------------------------------- an independent loop's tools


class Plain:
    """The same architecture as a plain torch module; flat vectors go in and out through torch's own functions."""

    def __init__(self, chosen: Settings, own: ModelSettings | None = None) -> None:
        self.module = build(own or chosen.model, chosen.data, 0)
        self.classes = len(chosen.data.label.classes)

    def put(self, theta: Tensor) -> nn.Module:
        vector_to_parameters(theta.clone(), self.module.parameters())
        return self.module

    def loss(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        output = self.put(theta)(x)
        if self.classes > 2:
            return F.cross_entropy(output, y)
        return F.binary_cross_entropy_with_logits(output[:, 0], y)

    def gradient(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return parameters_to_vector(torch.autograd.grad(self.loss(theta, x, y), list(self.module.parameters())))

    def sgd(self, theta: Tensor, batches: list[tuple[Tensor, Tensor]], rate: float = RATE) -> Tensor:
        for x, y in batches:
            theta = theta - rate * self.gradient(theta, x, y)
        return theta


def mean(vectors: Mapping[str, Tensor], weights: Mapping[str, float] = COUNTS) -> Tensor:
    """Σ w_i v_i / Σ w_i, by default weighted by example counts."""
    total = sum(weights[n] for n in vectors)
    return sum((weights[n] / total * v for n, v in vectors.items()), torch.zeros(()))


def close_to(found: Tensor, expected: Tensor, tolerance: float = 3e-6) -> bool:
    return bool(torch.allclose(found, expected.to(found.dtype), rtol=tolerance, atol=tolerance))
