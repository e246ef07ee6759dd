"""`clusters` against short loops: IFCA with hard reading, the soft form, frozen declarations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lepton_fed.messages import Declare, Declared, Reply
from lepton_fed.settings import Coupling, DepartmentSettings
from lepton_fed.transport import InProcess
from tests.couplings.small import (
    COUNTS,
    EVERYBODY,
    NAMES,
    PERMIT,
    RATE,
    Fixed,
    Plain,
    close_to,
    examples,
    federation,
    settings,
)

FOUR = ("内科", "外科", "儿科", "药房")


def losses(plain: Plain, hubs: list[Tensor], name: str) -> Tensor:
    """f_i of each hub over all of a department's rows."""
    return torch.stack([plain.loss(hub, *examples(name)).detach() for hub in hubs]).double()


def by_hand(name: str, round: int, plain: Plain, start: Tensor) -> Tensor:
    return plain.sgd(start, Fixed(name).batches(round))


def average_of_writers(hubs: list[Tensor], models: dict[str, Tensor], wrote: dict[str, int]) -> list[Tensor]:
    found = []
    for k, hub in enumerate(hubs):
        mine = {n: models[n] for n in models if wrote[n] == k}
        total = sum(COUNTS[n] for n in mine)
        found.append(
            hub + sum((COUNTS[n] / total * (m - hub) for n, m in mine.items()), torch.zeros(())) if mine else hub
        )
    return found


@pytest.mark.parametrize("freeze", [1, 3])
def test_hard_reading_equals_ifca(freeze: int) -> None:
    chosen = settings(FOUR, coupling=Coupling(kind="clusters", hubs=2, freeze=freeze))
    ours, plain = federation(chosen), Plain(chosen)
    hubs = [ours.hub(0), ours.hub(1)]
    assert not torch.equal(hubs[0], hubs[1])
    wrote: dict[str, int] = {}
    for number in range(1, 6):
        best = {n: int(losses(plain, hubs, n).argmin()) for n in FOUR}
        if (number - 1) % freeze == 0:
            wrote = best
        models = {n: by_hand(n, number, plain, hubs[best[n]]) for n in FOUR}
        hubs = average_of_writers(hubs, models, wrote)
        ours.play()
        assert ours.state.declared == {n: f"hub {k + 1}" for n, k in wrote.items()}
        assert close_to(ours.hub(0), hubs[0], 1e-5)
        assert close_to(ours.hub(1), hubs[1], 1e-5)
    assert len(set(wrote.values())) == 2, "the example must use both hubs"


@pytest.mark.parametrize(("freeze", "rounds"), [(1, [1, 2, 3, 4, 5]), (2, [1, 3, 5]), (3, [1, 4])])
def test_departments_declare_once_in_so_many_rounds(freeze: int, rounds: list[int]) -> None:
    ours = federation(settings(FOUR, coupling=Coupling(kind="clusters", hubs=2, freeze=freeze))).play(5)
    declared = [next(iter(messages.values())) for messages, _ in ours.transport.heard]
    assert [m.round for m in declared if isinstance(m, Declare)] == rounds


def test_soft_reading_starts_from_a_softmax_mixture() -> None:
    chosen = settings(FOUR, coupling=Coupling(kind="clusters", hubs=2, read="soft", temperature=0.3))
    ours, plain = federation(chosen), Plain(chosen)
    hubs = [ours.hub(0), ours.hub(1)]
    for number in range(1, 5):
        values = {n: losses(plain, hubs, n) for n in FOUR}
        wrote = {n: int(v.argmin()) for n, v in values.items()}
        starts = {}
        for name, value in values.items():
            shares = torch.softmax(-value / 0.3, 0)
            starts[name] = float(shares[0]) * hubs[0] + float(shares[1]) * hubs[1]
        models = {n: by_hand(n, number, plain, starts[n]) for n in FOUR}
        hubs = average_of_writers(hubs, models, wrote)
        ours.play()
    assert close_to(ours.hub(0), hubs[0], 1e-5)
    assert close_to(ours.hub(1), hubs[1], 1e-5)
    shares = torch.softmax(-losses(plain, hubs, "药房") / 0.3, 0)
    exported = ours.departments["药房"].export(ours.state.visible)
    expected = float(shares[0]) * hubs[0] + float(shares[1]) * hubs[1]
    assert close_to(torch.cat([t.reshape(-1) for t in exported.values()]), expected, 1e-5)
    assert 0.02 < float(shares[0]) < 0.98, "the example must mix"


def test_without_reset_a_department_keeps_its_model_and_is_pulled_to_what_it_reads() -> None:
    coupling = Coupling(kind="clusters", hubs=2, read="soft", temperature=0.05, reset=False, lambda_=0.6)
    chosen = settings(FOUR, coupling=coupling)
    ours, plain = federation(chosen), Plain(chosen)
    hubs = [ours.hub(0), ours.hub(1)]
    own: dict[str, Tensor] = {}
    c = RATE * 0.6
    for number in range(1, 4):
        values = {n: losses(plain, hubs, n) for n in FOUR}
        wrote = {n: int(v.argmin()) for n, v in values.items()}
        for name, value in values.items():
            shares = torch.softmax(-value / 0.05, 0)
            anchor = float(shares[0]) * hubs[0] + float(shares[1]) * hubs[1]
            theta = own.get(name, anchor)
            for batch in Fixed(name).batches(number):
                theta = (theta - RATE * plain.gradient(theta, *batch) + c * anchor) / (1 + c)
            own[name] = theta
        hubs = average_of_writers(hubs, own, wrote)
        ours.play()
    assert close_to(ours.hub(0), hubs[0], 1e-5)
    for name in FOUR:
        assert close_to(ours.personal(name), own[name], 1e-5)


def test_a_hub_that_nobody_writes_to_stays_as_it_is() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=3)))
    before = [ours.hub(k) for k in range(3)]
    ours.play()
    written = {int(hub.removeprefix("hub ")) - 1 for hub in ours.state.declared.values()}
    assert written
    for k in set(range(3)) - written:
        assert torch.equal(ours.hub(k), before[k])
    for k in written:
        assert not torch.equal(ours.hub(k), before[k])


def test_one_hub_is_fedavg_to_the_last_bit() -> None:
    one = federation(settings(coupling=Coupling(kind="clusters", hubs=1))).play(3)
    assert torch.equal(one.hub(), federation(settings()).play(3).hub())


def test_a_target_without_rows_reads_hubs_by_the_weight_behind_them() -> None:
    departments = (
        *(DepartmentSettings(name=n) for n in FOUR),
        DepartmentSettings(name="研发", roles=("target",)),
    )
    chosen = settings(
        departments=departments, sharing=EVERYBODY, access=PERMIT, coupling=Coupling(kind="clusters", hubs=2)
    )
    ours = federation(chosen)
    start = torch.cat([t.reshape(-1) for t in ours.departments["研发"].export(ours.state.visible).values()])
    assert close_to(start, (ours.hub(0) + ours.hub(1)) / 2)
    ours.play()
    mass = [sum(COUNTS[n] for n, h in ours.state.declared.items() if h == f"hub {k}") for k in (1, 2)]
    assert sum(mass) == sum(COUNTS[n] for n in FOUR)
    expected = (mass[0] * ours.hub(0) + mass[1] * ours.hub(1)) / sum(mass)
    exported = ours.departments["研发"].export(ours.state.visible)
    assert close_to(torch.cat([t.reshape(-1) for t in exported.values()]), expected)


def test_joint_loss_is_each_writers_distance_to_its_hubs_new_mean() -> None:
    ours = federation(settings(FOUR, coupling=Coupling(kind="clusters", hubs=2))).play(3)
    expected = 0.0
    for k in range(2):
        parts = ours.uploads(3, k)
        total = sum(w for _, w in parts.values())
        hub = ours.hub(k).double()
        expected += sum(w / total * 0.5 * float((theta - hub).square().sum()) for theta, w in parts.values())
    assert expected > 0
    assert math.isclose(ours.measured("joint_loss", 3), expected, rel_tol=1e-5)


class Liar(InProcess):
    """Says that a department declared a hub that does not exist."""

    def exchange(self, messages, on_reply=None):  # type: ignore[no-untyped-def]
        replies: dict[str, Reply] = dict(super().exchange(messages, on_reply))
        declares = [n for n, m in messages.items() if isinstance(m, Declare)]
        yield from {**replies, **{n: Declared("hub 9") for n in declares[:1]}}.items()


def test_a_declared_hub_that_does_not_exist_is_refused_by_the_coordinator() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2)))
    liar = Liar(ours.departments)
    ours.transport.exchange = liar.exchange  # type: ignore[method-assign]
    ours.play()
    assert ours.news[-1].refusals == {NAMES[0]: "declared the hub 'hub 9', which does not exist"}
    assert NAMES[0] not in ours.state.declared
    assert NAMES[0] not in ours.news[-1].answered
    assert set(ours.state.declared) == set(NAMES[1:])


def test_a_declaration_changes_nothing_at_a_department_but_that_it_was_made() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2))).play()
    department = ours.departments["内科"]
    before = department.state()
    assert isinstance(department.handle(Declare(2, ours.state.visible, "指纹")), Declared)
    after = department.state()
    assert int(after.pop("last declared")) == 2
    assert int(before.pop("last declared")) == 1
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], v) for k, v in before.items())
