"""The asker learns what is common and no more; nobody else learns a name; what is altered on its way is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.errors import PeerError
from lepton_fed.knowledge import intersection
from lepton_fed.knowledge.intersection import Answered, Asked, answer, ask, common
from lepton_fed.secagg.errors import Malformed
from tests.thoroughness import at_most

A, B = "供应链部门", "研发部门"
NAMES = st.sets(st.text(min_size=1, max_size=6).filter(lambda name: "\0" not in name), max_size=8)


@settings(max_examples=at_most(15))
@given(NAMES, NAMES)
def test_what_is_found_is_exactly_what_is_common(left: set[str], right: set[str]) -> None:
    asking, asked = ask(A, B, left)
    assert common(asking, answer(asked, B, right)) == left & right


def test_messages_survive_their_way() -> None:
    asking, asked = ask(A, B, ["华东钢铁", "南方轴承"])
    answered = answer(Asked.from_bytes(asked.to_bytes()), B, ["南方轴承"])
    assert common(asking, Answered.from_bytes(answered.to_bytes())) == {"南方轴承"}


def test_whoever_carries_the_messages_sees_no_name_and_cannot_try_any() -> None:
    _, asked = ask(A, B, ["华东钢铁", "南方轴承"])
    answered = answer(asked, B, ["南方轴承"])
    seen = asked.to_bytes() + answered.to_bytes()
    for name in ("华东钢铁", "南方轴承"):
        assert name.encode() not in seen
    # A dictionary needs one of the two keys: under keys of the carrier's own, the same names are other points.
    own, mine = ask(A, B, ["华东钢铁", "南方轴承"])
    tried = replace(answered, session=mine.session, asked=answer(mine, B, []).asked)
    assert common(own, tried) == frozenset()


def test_the_same_names_are_other_points_in_every_session() -> None:
    first, second = (ask(A, B, ["华东钢铁"])[1] for _ in range(2))
    assert first.session != second.session
    halves = [{one.points[k : k + 33] for k in range(2, len(one.points), 35)} for one in (first, second)]
    assert not halves[0] & halves[1]


@pytest.mark.parametrize(("count", "shown"), [(0, 16), (1, 16), (16, 16), (17, 32), (32, 32)])
def test_how_many_names_there_are_is_seen_up_to_a_power_of_two(count: int, shown: int) -> None:
    names = [f"名{k}" for k in range(count)]
    _, asked = ask(A, B, names)
    assert asked.count == shown
    assert answer(asked, B, names).count == shown


def test_the_answerer_keeps_nothing_and_the_asker_prints_nothing() -> None:
    asking, _ = ask(A, B, ["华东钢铁"])
    assert "华东钢铁" not in repr(asking)
    assert asking.secret.hex() not in repr(asking)
    assert repr(asking.secret) not in repr(asking)


def test_an_answer_to_another_question_is_refused() -> None:
    asking, asked = ask(A, B, ["x"])
    _, other = ask(A, B, ["x"])
    with pytest.raises(PeerError, match="another question"):
        common(asking, answer(other, B, ["x"]))
    with pytest.raises(PeerError, match="another question"):
        common(asking, replace(answer(asked, B, ["x"]), asked=bytes(32)))


def test_a_question_to_somebody_else_is_refused() -> None:
    _, asked = ask(A, B, ["x"])
    with pytest.raises(PeerError, match="and this is 质检部门"):
        answer(asked, "质检部门", ["x"])


def test_points_that_are_missing_or_none_are_noticed() -> None:
    asking, asked = ask(A, B, ["x"])
    answered = answer(asked, B, ["x"])
    broken = [
        replace(answered, points=answered.points[:-35]),
        replace(answered, own=b""),
        replace(answered, points=b"\xff"),
        replace(answered, points=answered.points[:2] + b"\x02" + b"\xff" * 32 + answered.points[35:]),
    ]
    for one in broken:
        with pytest.raises(PeerError):
            common(asking, one)
    for points in (asked.points[:-35], b"\xff", asked.points[:2] + b"\x02" + b"\xff" * 32 + asked.points[35:]):
        with pytest.raises(PeerError):
            answer(replace(asked, points=points), B, ["x"])


def test_too_many_names_are_refused() -> None:
    with pytest.raises(Malformed, match="1 to 1048576 names"):
        Asked(bytes(32), A, B, (1 << 20) + 1, b"")


def test_a_refusal_does_not_say_how_many_names_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = ask(A, B, ["x"])
    monkeypatch.setattr(intersection, "MOST", 16)
    with pytest.raises(Malformed, match="too many names to intersect at once; at most 16") as told:
        answer(asked, B, [f"名{k}" for k in range(19)])
    assert "19" not in str(told.value)
