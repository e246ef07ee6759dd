"""What fits into a department at the same time, and when its work may begin."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lepton_fed import Graph
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import Takes
from lepton_fed.pipeline.room import Room, rooms
from tests.pipeline.small import MONDAY, step


def test_steps_share_a_department_as_far_as_its_resources_reach() -> None:
    room = Room(devices=2, cores=8)
    one = Takes(devices=1, cores=4)
    assert room.holds(one)
    assert room.holds(one, [one])
    assert not room.holds(one, [one, one])
    assert not room.holds(Takes(cores=5), [one])
    assert room.holds(Takes(memory=1000.0), [one]), "what a department does not say limits nothing"


def test_a_step_that_does_not_say_what_it_takes_has_the_department_to_itself() -> None:
    room = Room()
    assert room.holds(None)
    assert not room.holds(None, [Takes()])
    assert not room.holds(Takes(), [None])


def test_a_step_that_would_never_fit_is_refused_before_anything_runs() -> None:
    graph = Graph()
    graph.add_node("研发部门", devices=1)
    with pytest.raises(ConfigError, match="研发部门/训练 takes more than 研发部门 has"):
        rooms(graph, [step("研发部门", "训练", takes=Takes(devices=2))])


def test_work_begins_when_the_department_opens() -> None:
    graph = Graph()
    graph.add_node("研发部门", hours="Mon-Fri 10:00-12:00")
    room = Room.of(graph.node("研发部门"))
    assert room.opens(MONDAY) == MONDAY + timedelta(hours=1)
    assert room.opens(MONDAY + timedelta(hours=2)) == MONDAY + timedelta(hours=2)
    assert Room().opens(MONDAY) == MONDAY
