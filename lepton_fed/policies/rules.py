"""One rule, wherever it was written: its policy, the names it holds as data, and how it is called to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lepton_fed.policies.engine import Entity, Policy
from lepton_fed.policies.request import ATTRIBUTES, WORDS
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

    @cached_property
    def named(self) -> frozenset[str]:
        """The departments that it can tell from others: it names them, in its text or as data beside it."""
        listed = [uid["__entity"] for uid in self.entity["attrs"]["who"]] if self.entity is not None else []
        return frozenset(name for kind, name in literals([self.policy, listed]) if kind == "Department")

    @cached_property
    def circumstances(self) -> frozenset[str]:
        """The fields of a `Context` that it asks for; all of them where it takes the context as a whole."""
        return frozenset(ATTRIBUTES.values()) if _taken_whole(self.policy) else frozenset(_asked(self.policy))


def literals(node: object) -> Iterator[tuple[str, str]]:
    """The type and name of every entity that a policy names."""
    if isinstance(node, list):
        for child in node:
            yield from literals(child)
    if isinstance(node, dict):
        kind, name = node.get("type"), node.get("id")
        if node.keys() == {"type", "id"} and isinstance(kind, str) and isinstance(name, str):
            yield kind, name
        for child in node.values():
            yield from literals(child)


_CONTEXT = {"Var": "context"}


def _asked(node: object) -> Iterator[str]:
    """The fields behind `context.hour` and `context has hour`, wherever they stand."""
    for child in _children(node):
        if isinstance(child, dict) and child.get("left") == _CONTEXT and child.get("attr") in ATTRIBUTES:
            yield ATTRIBUTES[child["attr"]]
        else:
            yield from _asked(child)


def _taken_whole(node: object) -> bool:
    """Whether the context stands anywhere but before one of its attributes: then nothing is known of what is asked."""
    if node == _CONTEXT:
        return True
    known = isinstance(node, dict) and node.get("left") == _CONTEXT and node.get("attr") in ATTRIBUTES
    return not known and any(_taken_whole(child) for child in _children(node))


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


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
        return self.concerns(policy) and _covers(policy["principal"], "Department", self.uids)

    def concerns(self, policy: Policy) -> bool:
        """The same, whoever asks."""
        return _covers(policy["action"], "Action", self.uids) and _covers(policy["resource"], self.kind, self.uids)


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
