"""What is said of a department and of an edge of the collaboration graph, as frozen values that check themselves.

    Node        a department: its resources, its people and their skills, its goals, its needs
    Terms       of an edge: what for, in which artefacts, with which weight at most, until when
    Dependence  an edge a -> b of the graph: a depends on b for `what`

They are tables of plain text and numbers, as a federation file could hold them; wrong ones raise ValueError, one
sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, cast

from lepton_fed.collaboration.hours import Hours
from lepton_fed.settings import DepartmentSettings, Dependency
from lepton_fed.translation import Sentence, sentence

Artefact = Literal[
    "table", "statistic", "update", "model", "prediction", "document", "表", "统计", "更新", "模型", "预测", "文档"
]
CHINESE_ARTEFACTS = {
    "表": "table",
    "统计": "statistic",
    "更新": "update",
    "模型": "model",
    "预测": "prediction",
    "文档": "document",
}


class _Table:
    """Read by pydantic when it validates one of these: unknown keys are errors."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class Node(_Table):
    """A department as the graph knows it. What is not said limits nothing."""

    name: str
    roles: tuple[Literal["source", "target"], ...] | None = None
    """Its part in training; without, what the permitted flows make of it."""
    devices: int | None = None
    """Accelerators that its work may use at a time."""
    memory: float | None = None
    """GiB."""
    cores: int | None = None
    hours: str | None = None
    """Opening hours in its local time, such as "Mon-Fri 08:00-18:00"."""
    people: int | None = None
    """How many can approve, check and answer; a number, never names."""
    skills: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Data sets or other things that it needs from whoever has them; from one department: an edge of the graph."""
    description: str = ""

    def __post_init__(self) -> None:
        DepartmentSettings(name=self.name, roles=self.roles or ())
        for key, least in (("devices", 0), ("cores", 1), ("people", 0)):
            number = getattr(self, key)
            _require(number is None or number >= least, f"{key} must be at least {least}, not {number}")
        _require(self.memory is None or self.memory > 0, f"memory is in GiB and must be positive, not {self.memory}")
        for key in ("skills", "goals", "needs"):
            _require_list(key, getattr(self, key))
        if self.hours is not None:
            Hours.parse(self.hours)

    @cached_property
    def opening(self) -> Hours | None:
        """Its opening hours; None where it is always open."""
        return None if self.hours is None else Hours.parse(self.hours)


@dataclass(frozen=True, kw_only=True)
class Terms(_Table):
    """On which terms an edge holds. What is not said limits nothing."""

    purpose: str = ""
    artefacts: tuple[Artefact, ...] = ()
    """What it may carry, in Chinese or English; empty: anything."""
    weight_cap: float | None = None
    """The largest share that one department may have in what another learns over this edge, in (0, 1]."""
    expires: str | None = None
    """The last day on which it holds, as 2026-12-31."""

    def __post_init__(self) -> None:
        _require(self.purpose.replace("\u3000", " ").isprintable(), f"purpose must be one line: {self.purpose!r}")
        _require_list("artefacts", self.carries)
        cap = self.weight_cap
        fits = cap is None or (math.isfinite(cap) and 0 < cap <= 1)
        _require(fits, f"weight_cap must be above 0 and at most 1, not {cap}")
        _ = self.last_day

    @property
    def carries(self) -> tuple[str, ...]:
        """Kinds of artefact by their English names."""
        return tuple(CHINESE_ARTEFACTS.get(kind, kind) for kind in self.artefacts)

    @property
    def last_day(self) -> date | None:
        """`expires` as a date."""
        if self.expires is None:
            return None
        try:
            return date.fromisoformat(self.expires)
        except ValueError:
            raise ValueError(f"expires is {self.expires!r}, which is no day; write it as 2026-12-31") from None

    def expired(self, day: date | None) -> bool:
        """Whether the edge no longer holds on `day`; nothing expires where no day is given."""
        return day is not None and self.last_day is not None and self.last_day < day


@dataclass(frozen=True)
class Dependence:
    """`dependent` depends on `on` for `what`: nothing of it can begin before `on` has done its part."""

    dependent: str
    on: str
    what: str
    terms: Terms = field(default_factory=Terms)

    def __post_init__(self) -> None:
        Dependency(from_=self.dependent, to=self.on, needs=self.what)

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> Sentence:
        """Who depends on whom."""
        return sentence("{dependent} depends on {on} for {what}", dependent=self.dependent, on=self.on, what=self.what)


def checked(kind: type[Any], about: str, given: Mapping[str, Any]) -> Any:
    """A `kind` of these attributes; ConfigError about `about`, one sentence, if one is wrong.

    Dates may be given as dates, lists as lists or tuples.
    """
    import json

    from pydantic import ValidationError

    from lepton_fed.config import wording
    from lepton_fed.errors import ConfigError

    tree = {key: _plain(value) for key, value in given.items()}
    try:
        # Strict JSON: the mode of pydantic that reads lists as tuples and guesses nothing.
        return _adapter(cast(Any, kind)).validate_json(json.dumps(tree, ensure_ascii=False), strict=True)
    except ValidationError as error:
        found = wording.problems(error.errors(include_url=False), kind, tree, secret=False)
        raise ConfigError(f"{about}: {found[0][1]}") from None
    except TypeError:
        raise ConfigError(f"{about}: attributes must be texts, numbers, days, or lists of them") from None


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_list(key: str, listed: tuple[str, ...]) -> None:
    """Words without blanks and doubles."""
    _require(all(word.strip() for word in listed), f"{key} may hold no blank word")
    twice = next((word for word in listed if listed.count(word) > 1), None)
    _require(twice is None, f"{key} lists {twice!r} twice; once is enough")
