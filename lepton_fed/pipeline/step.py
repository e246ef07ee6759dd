"""A step of a pipeline as a frozen value: whose it is, what it needs and makes, how it is tried, who approves it.

    Step(department="研发部门", description="训练", makes=("模型",), work=train)
    Step(department="生产车间", description="验收", needs=("模型",), approve="质量经理")

Work is a function of its `Call`, or of nothing, that returns what JSON can hold. It may be begun more than once (a
worker can be killed), and what it returns is recorded once: `Call.key` is the same whenever the same try begins again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal, TypeAlias

from lepton_fed.errors import ConfigError, DataError, LeptonError, PolicyError
from lepton_fed.translation import sentence

Result: TypeAlias = Any
"""What JSON can hold: None, numbers, text, lists, tables."""

Kind = Literal["manual", "work", "train", "validate", "iterate", "publish"]

LONGEST = 300
"""Characters of a description: it is a name, and stands in every line about the step."""

NOT_RETRIED = (ConfigError, DataError, PolicyError)
"""Errors of ours that another try cannot help."""


class GiveUp(LeptonError):
    """Raised by work whose failure another try cannot help."""


@dataclass(frozen=True)
class Call:
    """What work is called with. `results`: of the steps that are over, by name. `last`: of its own pass before."""

    run: str
    step: str
    department: str
    turn: int
    """Which pass of its loop, from 1."""
    attempt: int
    """Which try of this pass, from 1."""
    results: Mapping[str, Result]
    last: Result
    stopping: Event = field(default_factory=Event, compare=False)
    """Set when nobody waits for the work any longer; work that takes long looks at it now and then."""

    @property
    def key(self) -> str:
        """Idempotency key: two calls with the same one are the same try, begun twice."""
        return f"{self.run}/{self.step}/{self.turn}/{self.attempt}"


Work: TypeAlias = Callable[[Call], Result]


@dataclass(frozen=True)
class Recorded:
    """A result whose effect is written in the very transaction that records the step as done: `within(connection)`."""

    result: Result
    within: Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often a failed step is tried again, and after how many seconds: first, first·factor, ... up to `cap`."""

    times: int = 2
    first: float = 1.0
    factor: float = 2.0
    cap: float = 300.0
    jitter: float = 0.2
    """Share of a pause by which it is made longer or shorter, so that many do not come back at once."""

    def __post_init__(self) -> None:
        _require(self.times >= 0, f"retries may not be negative: {self.times}")
        _require(self.first >= 0 and self.cap >= 0, "the pauses between tries may not be negative")
        _require(self.factor >= 1, f"the factor of pauses is at least 1, not {self.factor}")
        _require(0 <= self.jitter < 1, f"jitter is a share of a pause, in [0, 1), not {self.jitter}")

    def pause(self, failed: int, key: str) -> float:
        """Seconds to wait after the `failed`-th failure (from 1). The key decides the jitter: no random state."""
        # An exponent that a float cannot hold is beyond any cap.
        grown = self.cap if failed > 64 else min(self.cap, self.first * self.factor ** (failed - 1))
        share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
        return grown * (1 + self.jitter * (2 * share - 1))


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What a step takes of its department while it runs; a step that does not say takes all of it."""

    devices: int = 0
    cores: int = 0
    memory: float = 0.0
    """GiB."""

    def __post_init__(self) -> None:
        for key in ("devices", "cores", "memory"):
            _require(getattr(self, key) >= 0, f"a step cannot take {getattr(self, key)} {key}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `needs` and `makes` are names of artefacts or data sets; `after` are names of steps.

    `when` is asked with the results so far; false skips the step. `until` is asked with the result of each pass, and
    a step that has one is done over, at most `budget` times, until it is true.
    """

    department: str
    description: str
    kind: Kind = "manual"
    work: Work | None = field(default=None, repr=False)
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    when: Callable[[Mapping[str, Result]], bool] | None = field(default=None, repr=False)
    until: Callable[[Result], bool] | None = field(default=None, repr=False)
    budget: int = 1
    approve: str | None = None
    """The role that must approve it before it begins."""
    retries: Retries = field(default_factory=Retries)
    timeout: float | None = None
    """Seconds that one try may take."""
    duration: float = 1.0
    """About how long it takes, in seconds: what the critical path is reckoned with."""
    takes: Takes | None = None
    action: str = "读取"
    """What it does with data sets of others that it needs."""
    terms: str = ""
    """Whatever else defines it, as text: settings of work of ours."""

    def __post_init__(self) -> None:
        for key in ("department", "description"):
            text = getattr(self, key)
            printable = text.replace("\u3000", " ").isprintable()
            _require(bool(text.strip()) and printable, f"a step's {key} is one line of text, not {text!r}")
            _require(
                len(text) <= LONGEST,
                sentence(
                    "a step's {key} has at most {most} characters, not {count}", key=key, most=LONGEST, count=len(text)
                ),
            )
        _require("/" not in self.department, f"a department's name holds no '/': {self.department!r}")
        for key in ("needs", "makes", "after"):
            listed = getattr(self, key)
            _require(
                len(set(listed)) == len(listed),
                sentence("{step}: {key} lists something twice; once is enough", step=self.name, key=key),
            )
            _require(
                all(word.strip() for word in listed),
                sentence("{step}: {key} may hold no blank word", step=self.name, key=key),
            )
        _require((self.kind == "manual") == (self.work is None), f"{self.name}: a step by hand is one without work")
        by_hand = self.kind == "manual" and (self.when is not None or self.until is not None)
        _require(not by_hand, f"{self.name}: a step by hand has no condition and no loop; give it work")
        _require(self.budget >= 1, f"{self.name}: budget must be at least 1, not {self.budget}")
        loops = self.until is not None or self.budget == 1
        _require(loops, f"{self.name}: budget counts the passes of a loop; say `until` what it goes on")
        _require(self.approve is None or bool(self.approve.strip()), f"{self.name}: approve names a role")
        _require(self.timeout is None or self.timeout > 0, f"{self.name}: timeout must be positive, not {self.timeout}")
        fits = math.isfinite(self.duration) and self.duration >= 0
        _require(fits, f"{self.name}: duration may not be negative: {self.duration}")

    @property
    def name(self) -> str:
        """`研发部门/训练`: department names hold no "/"."""
        return f"{self.department}/{self.description}"

    @property
    def unbound(self) -> bool:
        """Whether it says nothing of what it comes after."""
        return not (self.needs or self.makes or self.after)

    @property
    def definition(self) -> dict[str, object]:
        """What makes it this step and no other; estimates are not part of it, and of functions only their names."""
        plain = ("department", "description", "kind", "needs", "makes", "after", "budget", "approve", "action", "terms")
        said = {key: getattr(self, key) for key in plain}
        calls = {key: called(getattr(self, key)) for key in ("work", "when", "until")}
        return {**said, **calls}


def called(function: object) -> str:
    """How a function is known: its module and name."""
    if function is None:
        return ""
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
