"""Under `clusters` who declares a hub too small to hide in writes to the largest; nobody else is moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.errors import RoundError
from lepton_fed.secagg.plan import Plan, default_crowd, verdicts
from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Aggregation, Coupling, DepartmentSettings, Settings, Weights
from lepton_fed.sums import Scheme, Turnout, roster_of
from tests.secure.builder import (
    FIVE,
    Federation,
    bound,
    contributions,
    exact_mean,
    federation,
    largest_entry,
    secure,
)
from tests.thoroughness import at_most

EIGHT = (*FIVE, "急诊", "眼科", "检验")
CLUSTERS = Coupling(kind="clusters", hubs=2)


def file(many: int, spare: int, hubs: int, colluders: int | None, crowd: int | None, light: int) -> Settings:
    """`many` sources that are targets too, `spare` sources more, the first `light` of them with weight 0."""
    names = tuple(f"科{k}" for k in range(many + spare))
    roles: Any = {n: ("source", "target") if k < many else ("source",) for k, n in enumerate(names)}
    return secure(
        names,
        departments=tuple(DepartmentSettings(name=n, roles=roles[n]) for n in names),
        coupling=Coupling(kind="clusters", hubs=hubs),
        weights=Weights(alpha={n: float(k >= light) for k, n in enumerate(names)}),
        aggregation=Aggregation(colluders=colluders, crowd=crowd),
    )


@st.composite
def declarations(draw: st.DrawFn) -> tuple[Scheme, dict[str, str]]:
    many, spare = draw(st.integers(2, 10)), draw(st.integers(0, 5))
    chosen = file(
        many,
        spare,
        draw(st.integers(2, 4)),
        draw(st.none() | st.integers(0, (many + spare) // 3)),
        draw(st.none() | st.integers(1, 4)),
        draw(st.integers(0, 1)),
    )
    scheme = Scheme(chosen, hubs(chosen), 31)
    names = [plan.name for plan in scheme.plans]
    who = draw(st.sets(st.sampled_from(chosen.names), min_size=1))
    return scheme, {n: draw(st.sampled_from(names)) for n in sorted(who)}


def large_enough(scheme: Scheme, members: tuple[str, ...], everybody: set[str]) -> bool:
    aggregation = scheme.settings.aggregation
    crowd = aggregation.crowd if aggregation.crowd is not None else default_crowd(len(everybody | {*scheme.reporters}))
    enrolled = len(scheme.settings.names)
    colluders = aggregation.colluders if aggregation.colluders is not None else enrolled // 3
    return len(members) >= crowd + max(colluders, 1)


@settings(max_examples=at_most(200), deadline=None)
@given(declarations())
def test_every_hub_hides_its_members_or_there_is_one(case: tuple[Scheme, dict[str, str]]) -> None:
    scheme, declared = case
    assigned = scheme.assigned(declared)
    weighing = {n for n in declared if scheme.settings.weights.alpha[n] > 0}  # type: ignore[index]
    written = [n for members in assigned.values() for n in members]
    assert sorted(written) == sorted(weighing)  # Everybody once.
    assert all(members for members in assigned.values())
    assert len(assigned) <= 1 or all(large_enough(scheme, members, weighing) for members in assigned.values())
    by_size = {hub: [n for n in weighing if declared[n] == hub] for hub in declared.values()}
    for hub, members in assigned.items():
        moved = [n for n in members if declared[n] != hub]
        if moved:
            assert len(by_size.get(hub, ())) == max(map(len, by_size.values()))
        assert all(not large_enough(scheme, tuple(by_size[declared[n]]), weighing) for n in moved)
        assert members == tuple(n for n in scheme.settings.names if n in members)


@settings(max_examples=at_most(100), deadline=None)
@given(declarations(), st.randoms())
def test_who_answered_first_does_not_matter(case: tuple[Scheme, dict[str, str]], random: Any) -> None:
    scheme, declared = case
    items = list(declared.items())
    random.shuffle(items)
    assert scheme.assigned(dict(items)) == scheme.assigned(declared)


@settings(max_examples=at_most(100), deadline=None)
@given(declarations())
def test_several_hubs_pass_the_audit_in_a_round_with_the_report(case: tuple[Scheme, dict[str, str]]) -> None:
    """The crowd is one number for the whole plan, so who only reports counts too."""
    scheme, declared = case
    assigned = scheme.assigned(declared)
    if len(assigned) > 1:
        for reports in ((), scheme.reporters):
            plan = drafted(scheme, Turnout(assigned, reports))
            assert all(verdict.mode != "refused" for _, verdict in verdicts(plan))


def drafted(scheme: Scheme, turnout: Turnout) -> Plan:
    keys = {name: bytes([place]) * 32 for place, name in enumerate(scheme.settings.names)}
    roster: Roster = roster_of(scheme.settings, keys)
    return scheme.plan(roster, turnout, model=bytes(32), round=1)


def declaring(ours: Federation, declared: Mapping[str, str]) -> Federation:
    """Departments that declare what the test says."""
    for name, department in ours.departments.items():
        department.part.declare = lambda _, name=name: declared[name]  # type: ignore[method-assign, misc]
    return ours


def test_a_department_whose_hub_is_too_small_writes_to_the_largest() -> None:
    ours = federation(secure(FIVE, coupling=CLUSTERS))
    first, second = ours.state.hubs
    declaring(ours, {n: second if n == "外科" else first for n in FIVE})
    done = contributions(ours)
    ours.play()
    assert ours.refusals == {}
    assert ours.state.declared["外科"] == second
    assert ours.releases().keys() == {first}
    assert set(done["外科"][0].addends) == {first}
    exact = exact_mean({name: found[0] for name, found in done.items()}, first)
    assert np.abs(ours.releases()[first].mean - exact).max() <= 2 * bound(ours, first, largest_entry(ours))
    assert ours.state.hubs[second].state.release is None


def test_two_hubs_large_enough_are_kept_apart() -> None:
    ours = federation(secure(EIGHT, coupling=CLUSTERS, aggregation=Aggregation(colluders=1)))
    first, second = ours.state.hubs
    declaring(ours, {n: first if n in EIGHT[:4] else second for n in EIGHT})
    done = contributions(ours)
    ours.play()
    assert ours.refusals == {}
    for hub, members in ((first, EIGHT[:4]), (second, EIGHT[4:])):
        exact = exact_mean({name: done[name][0] for name in members}, hub)
        assert np.abs(ours.releases()[hub].mean - exact).max() <= 2 * bound(ours, hub, largest_entry(ours))
        assert ours.releases()[hub].mass == 4


def test_a_department_does_not_write_to_a_hub_that_it_neither_declared_nor_is_the_largest() -> None:
    coupling = replace(CLUSTERS, hubs=3)
    ours = federation(secure((*EIGHT, "病理"), coupling=coupling, aggregation=Aggregation(colluders=1, crowd=2)))
    first, second, third = ours.state.hubs
    names = ours.settings.names
    declaring(ours, {n: first if n in names[:6] else second for n in names})
    scheme = ours.state.scheme
    assert scheme is not None

    class Lying(Scheme):
        def assigned(self, declared: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
            return {first: names[:6], third: names[6:]}

    ours.state = replace(ours.state, scheme=Lying(scheme.settings, scheme.plans, scheme.length, scheme.reference))
    with pytest.raises(RoundError) as failure:
        ours.play()
    for name in names[6:]:
        assert f"{name}: the plan has it write to another hub than the one it declared" in str(failure.value)


def test_hubs_have_the_same_writers_in_every_plan() -> None:
    plans: tuple[HubPlan, ...] = hubs(secure(EIGHT, coupling=CLUSTERS))
    assert len({plan.writers for plan in plans}) == 1
