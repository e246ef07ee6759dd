"""Policy: default deny, forbid beats permit, only the owner's own rules count, in two languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.policy import CHINESE, Decision, action, decide, names
from lepton_fed.settings import Grant

ASK = {"owner": "内科", "who": "外科", "verb": "train", "what": "更新"}


def grant(**changes: object) -> Grant:
    return Grant(**({"what": "更新", "who": ("外科",), "action": "train"} | changes))  # type: ignore[arg-type]


def test_without_a_rule_nothing_is_permitted_and_the_reason_says_so() -> None:
    assert decide([], **ASK) == Decision(False, "no rule of 内科 permits 外科 to train '更新'")


def test_a_permit_permits_what_it_names() -> None:
    assert decide([grant()], **ASK) == Decision(True, "内科 permits 外科 to train '更新'")


@pytest.mark.parametrize(
    "other",
    [
        {"who": ("药房",)},
        {"action": "read"},
        {"what": "病历"},
        {"owner": ("外科",)},
    ],
)
def test_a_permit_for_something_else_permits_nothing(other: dict[str, object]) -> None:
    assert not decide([grant(**other)], **ASK).permitted


@pytest.mark.parametrize("star", [{"who": ("*",)}, {"owner": ("*",)}, {"who": ("药房", "*"), "owner": ("*", "药房")}])
def test_a_star_stands_for_everybody(star: dict[str, object]) -> None:
    assert decide([grant(**star)], **ASK).permitted


@pytest.mark.parametrize("order", [1, -1])
def test_forbid_beats_permit_whichever_comes_first(order: int) -> None:
    rules = [grant(), grant(who=("*",), effect="forbid")][::order]
    assert decide(rules, **ASK) == Decision(False, "内科 forbids 外科 to train '更新'")


def test_another_owners_forbid_does_not_count() -> None:
    assert decide([grant(), grant(owner=("外科",), effect="forbid")], **ASK).permitted


@pytest.mark.parametrize(("chinese", "english"), CHINESE.items())
def test_actions_mean_the_same_in_both_languages(chinese: str, english: str) -> None:
    assert action(chinese) == action(english) == english
    for verb in (chinese, english):
        for written in (chinese, english):
            assert decide([grant(action=written)], **(ASK | {"verb": verb})).permitted
            both = [grant(action=english), grant(action=written, effect="forbid")]
            assert not decide(both, **(ASK | {"verb": verb})).permitted


people = st.sampled_from(["内科", "外科", "药房"])
lists = st.lists(st.sampled_from(["内科", "外科", "药房", "*"]), min_size=1, max_size=3).map(tuple)
grants = st.builds(
    Grant,
    what=st.sampled_from(["更新", "病历"]),
    who=lists,
    owner=lists,
    action=st.sampled_from(["train", "训练", "read"]),
    effect=st.sampled_from(["permit", "forbid"]),
)


@given(st.lists(grants, max_size=6), people, people)
def test_more_forbids_never_permit_more_and_more_permits_never_less(rules: list[Grant], owner: str, who: str) -> None:
    ask = {"owner": owner, "who": who, "verb": "train", "what": "更新"}
    before = decide(rules, **ask).permitted
    assert not decide([*rules, grant(who=("*",), owner=("*",), effect="forbid")], **ask).permitted
    after = decide([*rules, grant(who=("*",), owner=("*",))], **ask).permitted
    assert after >= before
    assert decide(rules[::-1], **ask).permitted == before


def test_an_empty_list_names_nobody() -> None:
    assert not names((), "内科")
    assert not names(("内",), "内科")
