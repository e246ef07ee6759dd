"""Schedules in simulated time: nobody begins before it may, nobody does two things at once, and no bound is beaten."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pipelines import ORDERS, graph_of, makespans, random_plan, rehearsed
from lepton_fed.pipeline import SimulatedClock
from lepton_fed.pipeline.timetable import lower_bound, timetable
from tests.thoroughness import at_most


@settings(max_examples=at_most(30))
@given(st.integers(0, 10_000), st.sampled_from(sorted(ORDERS)), st.integers(1, 40), st.integers(1, 6))
def test_a_department_does_one_step_at_a_time_and_none_too_early(
    seed: int, order: str, steps: int, departments: int
) -> None:
    chance = random.Random(seed)
    plan = random_plan(steps, departments, chance)
    durations = {step.name: step.duration for step in plan.steps}
    found = timetable(plan, durations, ORDERS[order](plan, chance))
    assert set(found.begins) == set(durations)
    for link in plan.links:
        assert found.begins[link.step] >= found.ends[link.after]
    for department in plan.departments:
        spans = sorted((found.begins[s.name], found.ends[s.name]) for s in plan.steps if s.department == department)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert found.makespan >= lower_bound(plan, durations) - 1e-9


@pytest.mark.parametrize(
    ("graphs", "steps", "departments"), [(4, 150, 8), pytest.param(6, 300, 12, marks=pytest.mark.long)]
)
def test_the_critical_path_first_beats_the_other_orders_and_stays_near_the_bound(
    graphs: int, steps: int, departments: int
) -> None:
    found = makespans(graphs=graphs, steps=steps, departments=departments)
    first = found.pop("critical path first")
    assert first <= 1.25
    assert first <= min(found.values())


def test_the_engine_under_a_simulated_clock_makes_the_same_schedule(tmp_path: Path) -> None:
    plan = random_plan(40, 5, random.Random(3))
    durations = {step.name: step.duration for step in plan.steps}
    expected = timetable(plan, durations, plan.critical.rank).makespan
    made, *_ = rehearsed(plan, graph_of(5), tmp_path / "a.sqlite")
    assert abs(made - expected) < 1e-3


def test_a_simulated_clock_moves_only_when_somebody_sleeps() -> None:
    clock = SimulatedClock(datetime(2026, 1, 5, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.sleep(1.5)
    assert clock.now() == datetime(2026, 1, 5, 0, 0, 1, 500_000, tzinfo=UTC)
