"""The table of moves: what is not in it raises, what is over stays over, and the database knows the same states."""

from __future__ import annotations

from itertools import product

import networkx as nx
import pytest

from lepton_fed.pipeline.states import GAVE_UP, GOES_ON, OVER, TRANSITIONS, IllegalMove, Move, State, moved
from lepton_fed.storage.pipeline_tables import PipelineStepRow

ILLEGAL = [pair for pair in product(State, Move) if pair not in TRANSITIONS]


@pytest.mark.parametrize(("state", "move"), ILLEGAL)
def test_a_move_that_the_table_does_not_have_raises(state: State, move: Move) -> None:
    with pytest.raises(IllegalMove, match=f"{state} cannot be {move}"):
        moved(state, move)


def test_no_move_leads_out_of_what_is_done_by_hand_skipped_or_cancelled() -> None:
    assert not {state for state, _ in TRANSITIONS} & (GOES_ON | {State.CANCELLED})


def test_what_gave_up_can_only_be_opened_again() -> None:
    assert {move for state, move in TRANSITIONS if state in GAVE_UP} == {Move.REOPENED}


def test_every_state_can_be_reached_and_every_unfinished_one_can_end() -> None:
    graph: nx.DiGraph[State] = nx.DiGraph((before, after) for (before, _), after in TRANSITIONS.items())
    assert nx.descendants(graph, State.WAITING) | {State.WAITING} == set(State)
    for state in set(State) - OVER:
        assert nx.descendants(graph, state) & OVER


def test_every_move_is_somewhere_in_the_table() -> None:
    assert {move for _, move in TRANSITIONS} == set(Move)


def test_the_database_takes_these_states_and_no_others() -> None:
    (check,) = [
        str(one.sqltext) for one in PipelineStepRow.__table__.constraints if "IN" in str(getattr(one, "sqltext", ""))
    ]  # type: ignore[attr-defined]
    assert set(check.split("(")[1].rstrip(")").replace("'", "").split(", ")) == {state.value for state in State}
