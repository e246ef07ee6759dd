"""One rule, wherever it was written: its policy, the names it holds as data, and how it is called to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lepton_fed.policies.engine import Entity, Policy
from lepton_fed.policies.request import WORDS
from lepton_fed.policy import names
from lepton_fed.settings import EVERYONE

CHINESE_OF = {english: chinese for chinese, english in WORDS.items()}


@dataclass(frozen=True)
class Line:
    """One entry of [[access]] or [[sharing]]: its name, as in `access[2] of federation.toml`, and whom it names."""

    name: str
    says: str
    who: tuple[str, ...] = (EVERYONE,)


@dataclass(frozen=True)
class Rule:
    """A policy and what belongs to it. `owners` are those whose data it is about; `lines` say where it was written."""

    policy: Policy
    owners: tuple[str, ...]
    lines: tuple[Line, ...]
    reason: str = ""
    """What its author gives as the reason (`@reason`)."""
    entity: Entity | None = None
    """The names of a rule of the federation file, as data."""

    @property
    def name(self) -> str:
        """By which Cedar tells that it decided; unique."""
        return self.lines[0].name

    @property
    def forbids(self) -> bool:
        return bool(self.policy["effect"] == "forbid")

    def about(self, who: str) -> tuple[str, ...]:
        """The names of those lines that are about `who`."""
        return tuple(line.name for line in self.lines if names(line.who, who))


@dataclass(frozen=True)
class Scope:
    """What a request is about, as far as the first line of a policy can ask: enough to leave other policies aside."""

    owner: str
    action: str
    what: str
    kind: str
    uids: frozenset[tuple[str, str]]
    """Of who asks, of what is asked for, of what this was made from, and of the action in two languages."""

    def reaches(self, policy: Policy) -> bool:
        """Whether the policy's scope may hold; true where in doubt, since Cedar decides again."""
        return (
            _covers(policy["action"], "Action", self.uids)
            and _covers(policy["resource"], self.kind, self.uids)
            and _covers(policy["principal"], "Department", self.uids)
        )


def _covers(constraint: dict[str, Any], kind: str, uids: frozenset[tuple[str, str]]) -> bool:
    """Whether `== E`, `in E`, `in [E, ...]`, `is K` or `is K in E` may hold of something with these names."""
    operator = constraint["op"]
    if operator == "is":
        return bool(constraint["entity_type"] == kind) and _among(constraint.get("in", {}), uids)
    return operator not in ("==", "in") or _among(constraint, uids)


def _among(constraint: dict[str, Any], uids: frozenset[tuple[str, str]]) -> bool:
    listed: Iterable[dict[str, str]] = constraint.get("entities", [])
    if "entity" in constraint:
        listed = [constraint["entity"]]
    elif "entities" not in constraint:
        return True
    return any((one["type"], one["id"]) in uids for one in listed)
