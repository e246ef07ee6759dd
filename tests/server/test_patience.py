"""What a coordinator waits for, and what departments say of how long they took, are numbers that make sense."""

from __future__ import annotations

import math

import pytest

from lepton_fed.coordinator import News
from lepton_fed.errors import ConfigError
from server.patience import Patience
from server.run_account import RunAccount
from server.watcher import Watcher


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["wait", "grace"])
def test_a_wait_without_end_or_before_its_beginning_is_one_sentence(name: str, seconds: float) -> None:
    with pytest.raises(ConfigError, match=f"--{name} must be a number of seconds from 0 up, not") as caught:
        Patience(**{name: seconds})
    assert f"{seconds:g}" in str(caught.value)


def test_nobody_need_be_waited_for() -> None:
    assert (Patience(wait=0.0).wait, Patience(grace=0).grace) == (0.0, 0.0)


class Unkept:
    """A record that keeps nothing."""

    def keep_round(self, *_: object, **__: object) -> None:
        pass


def test_only_seconds_of_known_phases_that_can_be_added_are_added() -> None:
    account = RunAccount(Unkept(), Watcher())  # type: ignore[arg-type]
    said = {
        "内科": {"training": 1.5, "evaluating": 0.5, "lying": 9.0},
        "外科": {"training": math.inf, "evaluating": -1.0},
        "儿科": {"training": math.nan, "evaluating": 0.25},
    }
    for _ in range(2):
        account.take(1, 2.0, News(seconds=said))
    assert account.timing == {"training (内科)": 3.0, "evaluating (内科)": 1.0, "evaluating (儿科)": 0.5}
