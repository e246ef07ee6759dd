"""[[access]] and [[sharing]] of the federation file as policies that hold no name: names are data beside them.

    [[access]]  what, who, action, owner, effect   ──►  permit | forbid  (action == read | train | ...)
    [[sharing]] what, from, to                     ──►  permit           (action == receive)

Entries that differ only in `who` become one policy over one set of names, so that thousands of grants for one
data set cost what one costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lepton_fed.policies.engine import Entity, Policy, reference, uid
from lepton_fed.policies.request import said
from lepton_fed.policies.rules import Line, Rule
from lepton_fed.policy import action
from lepton_fed.settings import EVERYONE, Flow, Grant

KNOWLEDGE = {"relation": "Relation", "type": "EntityType"}
"""Kinds of [[access]] that are about the knowledge graph, and what they are about in Cedar."""

_NAMED = 4
"""How many names of a list a sentence holds."""


@dataclass(frozen=True)
class _Entry:
    """One entry of the file, of either table."""

    place: str
    effect: str
    verb: str
    what: str
    who: tuple[str, ...]
    owners: tuple[str, ...]
    kind: str = "data"

    @property
    def alike(self) -> tuple[str, str, str, str, frozenset[str]]:
        """Entries with the same key differ in `who` alone."""
        return (self.effect, self.verb, self.kind, self.what, frozenset(self.owners))


def grant_rules(access: Sequence[Grant], source: str, first: int = 1) -> tuple[Rule, ...]:
    """The rules of [[access]]; `source` is what the file is called, `first` the number of its first entry."""
    return _rules(
        (
            _Entry(f"access[{k}] of {source}", g.effect, action(g.action), g.what, g.who, g.owner, g.kind)
            for k, g in enumerate(access, first)
        )
    )


def flow_rules(sharing: Sequence[Flow], source: str) -> tuple[Rule, ...]:
    """The rules of [[sharing]]: what may flow is what may be received."""
    return _rules(
        _Entry(f"sharing[{k}] of {source}", "permit", "receive", f.what, f.to, f.from_)
        for k, f in enumerate(sharing, 1)
    )


def _rules(entries: Iterable[_Entry]) -> tuple[Rule, ...]:
    alike: dict[object, list[_Entry]] = {}
    for entry in entries:
        alike.setdefault(entry.alike, []).append(entry)
    return tuple(_rule(some) for some in alike.values())


def _rule(entries: Sequence[_Entry]) -> Rule:
    first = entries[0]
    who = tuple(dict.fromkeys(name for entry in entries for name in entry.who))
    lines = tuple(Line(entry.place, _sentence(entry), entry.who) for entry in entries)
    entity = _entity(first.place, first.what, who, first.owners)
    return Rule(_policy(first, who), first.owners, lines, entity=entity)


def _policy(entry: _Entry, who: Sequence[str]) -> Policy:
    """The policy, which finds the names in the entity of the same name; '*' needs no condition."""
    held = {"Value": reference("Rule", entry.place)}
    return {
        "effect": entry.effect,
        "principal": {"op": "All"},
        "action": {"op": "==", "entity": uid("Action", entry.verb)},
        "resource": {"op": "is", "entity_type": KNOWLEDGE[entry.kind]} if entry.kind in KNOWLEDGE else {"op": "All"},
        "conditions": list(_conditions(held, entry.owners, who)),
        "annotations": {"id": entry.place},
    }


def _conditions(rule: object, owners: Sequence[str], who: Sequence[str]) -> Iterator[dict[str, Any]]:
    resource, principal = {"Var": "resource"}, {"Var": "principal"}
    yield _when({"==": {"left": _of(resource, "name"), "right": _of(rule, "what")}})
    if EVERYONE not in owners:
        yield _when({"contains": {"left": _of(rule, "owners"), "right": _of(resource, "owner")}})
    if EVERYONE not in who:
        yield _when({"contains": {"left": _of(rule, "who"), "right": principal}})


def _when(body: object) -> dict[str, Any]:
    return {"kind": "when", "body": body}


def _of(left: object, attribute: str) -> dict[str, Any]:
    return {".": {"left": left, "attr": attribute}}


def _entity(place: str, what: str, who: Iterable[str], owners: Iterable[str]) -> Entity:
    listed = {"who": who, "owners": owners}
    sets = {key: [reference("Department", n) for n in some if n != EVERYONE] for key, some in listed.items()}
    return {"uid": uid("Rule", place), "attrs": {"what": what, **sets}, "parents": []}


def _sentence(entry: _Entry) -> str:
    """`生产车间 permits 研发部门 to read 生产线数据`."""
    owners = _listed(entry.owners, "every owner")
    verb = "permits" if entry.effect == "permit" else "forbids"
    verb = verb if len(entry.owners) == 1 else verb.removesuffix("s")
    return f"{owners} {verb} {_listed(entry.who, 'everybody')} to {entry.verb} {said(entry.what)}"


def _listed(some: Sequence[str], everybody: str) -> str:
    if EVERYONE in some:
        return everybody
    more = f" and {len(some) - _NAMED} more" if len(some) > _NAMED else ""
    return ", ".join(said(name) for name in some[:_NAMED]) + more
