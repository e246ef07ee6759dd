"""Updates that travel in fewer bytes: nothing is lost, and training ends where it would without."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from lepton_fed import models
from lepton_fed.compression import Packed, pack, unpack
from lepton_fed.couplings.feedback import fed_back
from lepton_fed.messages import Addend, Done, Refused, Work
from lepton_fed.resident import Resident
from lepton_fed.settings import (
    Aggregation,
    Column,
    Coupling,
    DataContract,
    Label,
    ModelSettings,
    Optimiser,
    Report,
    Rounds,
    Training,
)
from tests.couplings.small import BATCH, COUNTS, NAMES, RATE, Small, federation, mean, proximal, settings
from tests.couplings.test_joint_loss import PARTIAL

SMALLER = ("float16", "int8")
SCAFFOLD = Training(epochs=1, batch=BATCH, optimiser=Optimiser(learning_rate=RATE), correction="scaffold")


def plain(transport: str) -> Aggregation:
    return Aggregation(secure=False, transport=transport)  # type: ignore[arg-type]


def small(transport: str, **tables: Any) -> Small:
    return federation(settings(aggregation=plain(transport), **tables))


def residual(ours: Small, name: str, k: int = 0) -> Tensor:
    """What a department has not sent yet of what it writes to the k-th hub."""
    return ours.departments[name].participant.kept[f"residual {ours.state.plans[k].name}"]


def replies(ours: Small) -> list[Done]:
    found = [r for _, said in ours.transport.heard for r in said.values() if isinstance(r, Done) and r.addends]
    assert found
    return found


# ---------------------------------------------------------------- one department


updates = st.lists(arrays(np.float32, 3, elements=st.floats(-100, 100, width=32)), min_size=1, max_size=8)


@given(updates, st.sampled_from(SMALLER))
def test_what_was_sent_is_what_was_done_but_for_the_last_residual(updates: list[np.ndarray], transport: str) -> None:
    at, total, left = small(transport).departments["内科"].participant, np.zeros(3), np.zeros(3, np.float32)
    for k, update in enumerate(updates):
        (sent,) = fed_back({"hub": Addend(update, 1.0, 0.0)}, at, k).values()
        kept = at.kept["residual hub"].numpy()
        # Each round to the last bit; over many, only adding up Δ + e rounds.
        assert np.array_equal(sent.vector.astype(np.float64) + kept, (update + left).astype(np.float64))
        total, left = total + sent.vector, kept
    assert np.allclose(total + left, np.sum(updates, axis=0, dtype=np.float64), rtol=0, atol=1e-4)


def test_each_hub_has_a_residual_of_its_own() -> None:
    at = small("int8").departments["内科"].participant
    large, little = np.array([127, 0.3], np.float32), np.array([127, 0.1], np.float32)
    sent = fed_back({"甲": Addend(large, 1.0, 0.0), "乙": Addend(little, 1.0, 0.0)}, at, 1)
    assert [a.vector.tolist() for a in sent.values()] == [[127, 0], [127, 0]]
    sent = fed_back({"甲": Addend(large, 1.0, 0.0), "乙": Addend(little, 1.0, 0.0)}, at, 2)
    assert [a.vector.tolist() for a in sent.values()] == [[127, 1], [127, 0]]


def test_what_is_packed_is_the_vector_that_arrives() -> None:
    for addend in (a for done in replies(small("int8").play(2)) for a in done.addends.values()):
        assert isinstance(addend.packed, Packed)
        assert np.array_equal(unpack(addend.packed), addend.vector)
        assert addend.spread == pytest.approx(float(np.square(addend.vector, dtype=np.float64).sum()), rel=1e-12)


def test_under_float32_nothing_is_packed_and_nothing_kept() -> None:
    ours = small("float32").play(2)
    assert all(a.packed is None for done in replies(ours) for a in done.addends.values())
    assert not any(key.startswith("residual") for key in ours.departments["内科"].participant.kept)


def work(ours: Small) -> Work:
    hubs = ours.state.visible
    return Work(ours.state.round + 1, hubs, tuple(hubs), report=False, fingerprint="指纹")


def test_work_that_is_taken_back_takes_the_residual_back() -> None:
    ours = small("int8").play(2)
    department = ours.departments["内科"]
    held, copy = residual(ours, "内科"), residual(ours, "内科").clone()
    first = department.handle(work(ours))
    assert not torch.equal(residual(ours, "内科"), copy)
    department._undo()
    assert residual(ours, "内科") is held
    assert torch.equal(held, copy)
    again = department.handle(work(ours))
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    for hub, addend in first.addends.items():
        assert np.array_equal(again.addends[hub].vector, addend.vector)


@pytest.mark.parametrize("grown", [1e17, np.inf])
def test_training_that_diverges_is_refused_and_leaves_the_residual(grown: float) -> None:
    ours = small("int8").play(2)
    department, before = ours.departments["内科"], residual(ours, "内科").clone()
    train = department.part.train

    def diverging(work: Work) -> dict[str, Addend]:
        found = {hub: replace(a, vector=a.vector * np.float32(grown)) for hub, a in train(work).items()}
        return {hub: replace(a, spread=float(a.vector @ a.vector)) for hub, a in found.items()}

    department.part.train = diverging  # type: ignore[method-assign]
    with np.errstate(invalid="ignore"):
        reply = department.handle(work(ours))
    assert isinstance(reply, Refused)
    assert "diverged" in reply.reason
    assert torch.equal(residual(ours, "内科"), before)


def test_a_control_variate_that_is_not_finite_goes_on_to_be_refused() -> None:
    at = small("int8").departments["内科"].participant
    wrong = Addend(np.array([1, np.inf], np.float32), 1.0, 1.0)
    with np.errstate(invalid="ignore"):
        assert fed_back({"hub": wrong}, at, 1) == {"hub": wrong}
    assert "residual hub" not in at.kept


# ---------------------------------------------------------------- a federation


@pytest.mark.parametrize("case", ["average", "mr-mtl", "ditto", "pfedme", "scaffold", "clusters", "partial"])
@pytest.mark.parametrize(
    ("transport", "apart"), [pytest.param("float16", 1e-3, marks=pytest.mark.long), ("int8", 0.05)]
)
def test_training_ends_near_where_it_would_without(case: str, transport: str, apart: float) -> None:
    tables: dict[str, Any] = {
        "average": {},
        "scaffold": {"training": SCAFFOLD},
        "clusters": {"coupling": Coupling(kind="clusters", hubs=2, freeze=4)},
        "partial": PARTIAL,
    }.get(case, {"coupling": proximal(case, 0.4)})
    exact, ours = small("float32", **tables), small(transport, **tables)
    begun = [exact.hub(k) for k in range(len(exact.state.plans))]
    exact.play(15)
    ours.play(15)
    for k, start in enumerate(begun):
        moved = float((exact.hub(k) - start).norm())
        assert moved > 0.1
        distance = float((ours.hub(k) - exact.hub(k)).norm())
        assert 0 < distance < apart * moved


@pytest.mark.parametrize("transport", SMALLER)
def test_the_hub_of_scaffold_has_the_mean_of_what_departments_have_sent_of_theirs(transport: str) -> None:
    ours = small(transport, training=SCAFFOLD).play(5)
    (hub,) = ours.state.hubs.values()
    size = hub.state.model.size
    own = {n: ours.departments[n].participant.kept["control"] for n in NAMES}
    late = {n: residual(ours, n)[size:] for n in NAMES}
    assert hub.state.control is not None
    found, expected = torch.from_numpy(hub.state.control), mean({n: own[n] - late[n] for n in NAMES})
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, mean(own), atol=1e-6)


@pytest.mark.parametrize("transport", SMALLER)
@pytest.mark.parametrize("coupling", ["average", "mr-mtl", "scaffold"])
def test_the_joint_loss_is_that_of_what_was_sent_and_what_was_trained(coupling: str, transport: str) -> None:
    tables: dict[str, Any] = {"average": {}, "scaffold": {"training": SCAFFOLD}}.get(
        coupling, {"coupling": proximal(coupling, 0.4)}
    )
    ours = small(transport, **tables).play(3)
    start = ours.hub().double()
    ours.play()
    trained = {n: start + ours.departments[n].participant.kept["own"].double() for n in NAMES}
    sent = {n: theta.double() for n, (theta, _) in ours.uploads(4).items()}
    expected = sum(
        COUNTS[i] / sum(COUNTS[n] for n in NAMES) * 0.5 * float((sent[i] - trained[j]).square().sum())
        for i in NAMES
        for j in NAMES
    )
    assert math.isclose(ours.measured("joint_loss", 4), expected, rel_tol=1e-6)


# ---------------------------------------------------------------- where rounding alone would be wrong


class Point(nn.Linear):
    """Two parameters that begin at (0, 0)."""

    def __init__(self, inputs: tuple[int, ...], outputs: int) -> None:
        super().__init__(inputs[0], outputs, bias=False)
        nn.init.zeros_(self.weight)


AIMS = {"内科": (100.0, 0.3), "外科": (-100.0, 0.3)}
"""They pull the first parameter apart as long as they train, and agree on the second."""


def quarrel(monkeypatch: pytest.MonkeyPatch, transport: str) -> Small:
    """f = ½‖θ - aim‖² at each; a step of int8 is 5 / 127 = 0.04 then, and 0.05 · 0.3 is less than half of that."""
    monkeypatch.setitem(models.BUILT_IN, "point", Point)
    turns = iter([aim for aim in AIMS.values() for _ in range(2)])
    chosen = settings(
        tuple(AIMS),
        data=DataContract(label=Label(meaning="t"), columns=(Column(name="1"), Column(name="2"))),
        model=ModelSettings(name="point"),
        training=Training(epochs=1, batch=2, optimiser=Optimiser(learning_rate=0.05)),
        rounds=Rounds(count=200),
        report=Report(metrics=("loss",)),
        aggregation=plain(transport),
    )
    return federation(
        chosen, order=None, resident=lambda x, y, device: Resident(torch.eye(2), torch.tensor(next(turns)))
    )


def test_a_small_step_beside_a_large_one_arrives_with_feedback_and_never_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = quarrel(monkeypatch, "float32").play(100).hub()
    assert exact[1] == pytest.approx(0.3, abs=0.01)
    with_feedback = quarrel(monkeypatch, "int8").play(100).hub()
    assert with_feedback[1] == pytest.approx(float(exact[1]), abs=0.04)
    without = quarrel(monkeypatch, "int8")
    for _ in range(100):
        without.play()
        for department in without.departments.values():
            for key in [k for k in department.participant.kept if k.startswith("residual")]:
                del department.participant.kept[key]
    assert without.hub()[1] == 0


def test_a_round_is_off_by_no_more_than_what_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """hub <- hub + Σα sent telescopes: after T steps by given Δ, it is off by the mean of the last residuals."""
    ours = quarrel(monkeypatch, "int8").play(37)
    left = mean({n: residual(ours, n) for n in AIMS}, dict.fromkeys(AIMS, 1.0))
    assert float(left.abs().max()) <= 5 / 127 / 2 * 1.01
    sent = pack(np.array([5.0, 0.015], np.float32), "int8")
    assert unpack(sent)[1] == 0
