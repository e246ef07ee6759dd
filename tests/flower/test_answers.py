"""Tests of what a department keeps of its answers: those of one round, so many at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.flower.answers import MANY, Answers, lasts, round_of
from lepton_fed.flower.records import record_of
from lepton_fed.messages import (
    Advertise,
    Consult,
    Consulted,
    Declare,
    Join,
    Joined,
    Meet,
    Message,
    Met,
    Refused,
    Reply,
    Sum,
    Work,
)
from lepton_fed.secagg.messages import Survivors

WORK = Work(3, {}, (), report=False, fingerprint="a file")


def kept(answers: Answers, question: bytes) -> bool:
    return answers.given(question) is not None


def test_an_answer_is_given_again_word_for_word() -> None:
    answers = Answers()
    given = record_of(Refused("no"))
    answers.keep(b"q", given)
    assert answers.given(b"q") is given
    assert answers.given(b"another") is None


@pytest.mark.parametrize(("later", "stays"), [(2, True), (3, True), (4, False)])
def test_a_later_round_clears_and_an_earlier_one_does_not(later: int, stays: bool) -> None:
    answers = Answers()
    answers.begin(WORK)
    answers.keep(b"q", record_of(Refused("no")))
    answers.begin(Declare(later, {}, "a file"))
    assert kept(answers, b"q") == stays
    assert answers.round == max(3, later)


def test_what_belongs_to_whichever_round_is_under_way_clears_nothing() -> None:
    answers = Answers()
    answers.begin(WORK)
    answers.keep(b"q", record_of(Refused("no")))
    answers.begin(Join("a file"))
    assert kept(answers, b"q")


@given(st.lists(st.binary(max_size=2), max_size=3 * MANY))
def test_the_newest_answers_are_kept_and_no_more_than_that(questions: list[bytes]) -> None:
    answers = Answers()
    for question in questions:
        answers.keep(question, record_of(Refused("no")))
    assert len(answers._given) <= MANY
    assert not questions or kept(answers, questions[-1])


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (WORK, 3),
        (Declare(4, {}, "a file"), 4),
        (Advertise(5), 5),
        (Join("a file"), None),
        (Sum(Survivors(bytes(32), ())), None),
    ],
)
def test_the_round_of_a_message_is_read_from_it(message: Message, number: int | None) -> None:
    assert round_of(message) == number


@pytest.mark.parametrize(
    ("message", "reply", "lasting"),
    [
        (WORK, Refused("no"), True),
        (Consult((), False), Consulted(()), False),
        (Join("a file"), Joined("a layout", 3), True),
        (Join("a file"), Refused("no"), False),
        (Meet("another", b"a question"), Met(b"an answer"), True),
        (Meet("another", b"a question"), Refused("no"), False),
        (Meet("another"), Met(b"a question"), False),
    ],
)
def test_what_may_be_answered_otherwise_is_asked_again(message: Message, reply: Reply, lasting: bool) -> None:
    assert lasts(message, reply) == lasting


def test_what_is_kept_is_not_shown() -> None:
    answers = Answers()
    answers.keep(b"q", record_of(Refused("a secret")))
    assert "secret" not in repr(answers)
