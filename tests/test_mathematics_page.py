"""docs/mathematics.md: its worked example is what a federation of these three departments does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from lepton_fed import models
from lepton_fed.messages import Work
from lepton_fed.resident import Resident, Run
from lepton_fed.settings import (
    Column,
    Coupling,
    DataContract,
    Label,
    ModelSettings,
    Optimiser,
    Report,
    ServerOptimiser,
    Training,
    Weights,
)
from tests.couplings.small import Small, federation, proximal, settings

PAGE = (Path(__file__).parents[1] / "docs" / "mathematics.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("## A worked example")[1].split("\n## ")[0]
NAMES = ("A", "B", "C")


def tables() -> list[dict[str, dict[str, str]]]:
    """The example's tables, by department and heading."""
    found: list[dict[str, dict[str, str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", EXAMPLE, re.MULTILINE):
        head, _, *rows = ([c.strip() for c in line.strip("| \n").split(" | ")] for line in block.splitlines())
        found.append({row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows})
    return found


def point(text: str) -> Tensor:
    return torch.tensor([float(n) for n in text.strip("()").split(",")])


def number(after: str) -> float:
    """The number that follows these words."""
    (found,) = re.findall(re.escape(after) + r"\s*(-?[0-9.]*[0-9])", EXAMPLE.replace("\n", " "))
    return float(found)


GIVEN, FIRST, SECOND = tables()


class Point(nn.Linear):
    """Two parameters that begin at (0, 0)."""

    def __init__(self, inputs: tuple[int, ...], outputs: int) -> None:
        super().__init__(inputs[0], outputs, bias=False)
        nn.init.zeros_(self.weight)


class Whole:
    """All rows in one batch."""

    def runs(self, round: int, examples: int):  # type: ignore[no-untyped-def]
        yield Run(torch.arange(examples), examples)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The three departments; each has the rows (1, 0) -> t₁ and (0, 1) -> t₂, so that f = ½‖θ - t‖²."""
    monkeypatch.setitem(models.BUILT_IN, "point", Point)

    def rows(x: Tensor, y: Tensor, device: str, name: str) -> Resident:
        copies = int(GIVEN[name]["rows"]) // 2
        return Resident(torch.eye(2).repeat(copies, 1), point(GIVEN[name]["t_j"]).repeat(copies))

    def build(coupling: Coupling) -> Small:
        chosen = settings(
            NAMES,
            data=DataContract(label=Label(meaning="t"), columns=(Column(name="1"), Column(name="2"))),
            model=ModelSettings(name="point"),
            training=Training(epochs=1, batch=64, optimiser=Optimiser(learning_rate=0.5)),
            weights=Weights(beta={n: float(GIVEN[n]["β"]) for n in NAMES}),
            coupling=coupling,
            report=Report(metrics=("loss",)),
        )
        # federation() makes a train part and a test part of each department, in its order.
        turns = iter([n for n in NAMES for _ in range(2)])
        return federation(
            chosen, order=lambda _: Whole(), resident=lambda x, y, device: rows(x, y, device, next(turns))
        )

    return build


def test_its_first_table_follows_from_rows_and_settings() -> None:
    total = sum(int(GIVEN[n]["rows"]) for n in NAMES)
    for name in NAMES:
        assert float(GIVEN[name]["α"]) == int(GIVEN[name]["rows"]) / total
        assert float(GIVEN[name]["c = ηλβ"]) == 0.5 * 2 * float(GIVEN[name]["β"])


def test_its_rounds_are_what_departments_compute(example) -> None:  # type: ignore[no-untyped-def]
    ours = example(proximal("mr-mtl", 2.0))
    anchor = ours.hub()
    for table in (FIRST, SECOND):
        before = {n: ours.departments[n].state().get("personal", anchor) for n in NAMES}
        ours.play()
        for name in NAMES:
            t = point(GIVEN[name]["t_j"])
            assert torch.equal(before[name] - 0.5 * (before[name] - t), point(table[name]["θ'"])), name
            assert torch.allclose(ours.personal(name), point(table[name]["θ_j"]), atol=1e-7), name


def test_its_sums_rows_and_joint_loss_are_what_is_reported(example) -> None:  # type: ignore[no-untyped-def]
    ours = example(proximal("mr-mtl", 2.0)).play()
    (hub,) = ours.state.visible.values()
    assert hub.release.mass == number("Σw =") == 8
    assert hub.release.spread == pytest.approx(number("Σα‖Δ‖² ="), rel=1e-7)
    assert torch.allclose(torch.from_numpy(hub.release.mean), point(re.findall(r"ΣαΔ = (\(.*?\))", EXAMPLE)[0]))
    assert torch.allclose(ours.hub(), point(re.findall(r"pulls towards (\(.*?\))", EXAMPLE)[0]))
    for name in NAMES:
        theta = point(FIRST[name]["θ_j"])
        assert float(theta.square().sum()) == float(FIRST[name]["‖Δ_j‖²"])
        row = ours.departments[name].part.row(Work(2, ours.state.visible, (), report=True))
        assert row == pytest.approx(float(FIRST[name]["row_j"]), rel=1e-6)
    assert ours.measured("joint_loss", 1) == pytest.approx(number("The joint loss of round 1 is"), rel=1e-6)


def test_its_average_is_where_fedavg_would_be(example) -> None:  # type: ignore[no-untyped-def]
    expected = point(re.findall(r"that is (\(.*?\))", EXAMPLE)[0])
    assert torch.allclose(example(Coupling()).play().hub(), expected)


def test_every_setting_and_method_of_the_couplings_is_on_the_page() -> None:
    hints = get_type_hints(Coupling)
    for word in (*get_args(hints["kind"]), *get_args(hints["method"])):
        assert f"`{word}`" in PAGE or f'"{word}"' in PAGE, word
    for word in get_args(get_type_hints(ServerOptimiser)["optimiser"]):
        assert word == "none" or f"    {word}" in PAGE, word
    for key in ("inner_steps", "server_mix", "freeze", "reset", "read", "lambda"):
        assert key in PAGE, key
