"""A step checks itself; pauses between tries grow, are capped, and need no random state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import Call, Retries, Step, Takes
from lepton_fed.pipeline.descriptions import PHRASES, recognised
from tests.pipeline.small import nothing, step


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"department": "a/b"}, "holds no '/'"),
        ({"description": " "}, "one line of text"),
        ({"description": "a\nb"}, "one line of text"),
        ({"needs": ("a", "a")}, "lists something twice"),
        ({"budget": 0, "until": bool}, "budget must be at least 1"),
        ({"budget": 2}, "say `until`"),
        ({"timeout": 0.0}, "timeout must be positive"),
        ({"duration": float("nan")}, "duration may not be negative"),
        ({"approve": " "}, "approve names a role"),
        ({"kind": "manual"}, "a step by hand is one without work"),
        ({"kind": "manual", "work": None, "when": bool}, "no condition and no loop"),
    ],
)
def test_what_makes_no_step_is_refused_in_a_sentence(given_: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Step(**{"department": "a", "description": "b", "kind": "work", "work": nothing} | given_)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [{"times": -1}, {"factor": 0.5}, {"jitter": 1.0}, {"first": -1.0}])
def test_retries_check_themselves(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Retries(**bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot take -1 cores"):
        Takes(cores=-1)


@given(st.integers(1, 2000), st.text(max_size=20))
def test_a_pause_grows_up_to_its_cap_within_its_jitter(failed: int, key: str) -> None:
    retries = Retries(first=2.0, factor=3.0, cap=100.0, jitter=0.25)
    plain = min(100.0, 2.0 * 3.0 ** min(failed - 1, 20))
    assert 0.75 * plain <= retries.pause(failed, key) <= 1.25 * plain
    assert retries.pause(failed, key) == retries.pause(failed, key)


def test_pauses_of_different_steps_differ() -> None:
    assert len({Retries().pause(1, f"run/{k}") for k in range(20)}) == 20


def test_the_key_is_the_same_for_the_same_try_and_for_no_other() -> None:
    def key(turn: int, attempt: int) -> str:
        return Call("p#1", "a/b", "a", turn, attempt, {}, None).key

    assert key(1, 2) == key(1, 2) == "p#1/a/b/1/2"
    assert len({key(turn, attempt) for turn in (1, 2) for attempt in (1, 2)}) == 4


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("完成模型开发", "train"),
        ("验证模型", "validate"),
        ("迭代优化", "iterate"),
        ("发布", "publish"),
        ("Train the model", "train"),
        ("validate", "validate"),
        ("publish the model", "publish"),
        ("开发文档", None),
        ("验证数据", None),
        ("训练新员工", None),
        ("train the new staff", None),
        ("release the brake", None),
    ],
)
def test_only_the_listed_phrases_mean_work_of_ours(description: str, kind: str | None) -> None:
    assert recognised(description) == kind


def test_no_phrase_means_two_kinds_of_work() -> None:
    phrases = [phrase for listed in PHRASES.values() for phrase in listed]
    assert len(phrases) == len(set(phrases))


def test_a_step_is_known_by_its_department_and_description() -> None:
    assert step("研发部门", "训练 v2/3").name == "研发部门/训练 v2/3"
