"""Cedar, behind this one file: checks policy text, prepares policies with their entities, asks for a verdict.

    text ──translated──► policies (Cedar's JSON form) ──prepared──► Prepared.verdict(...) ──► Verdict

Cedar skips a policy that fails while it is evaluated, a forbid as well, and decides by the rest. Here an error is
no: whatever Cedar complains of, the verdict is not a permit. Names go in as data of requests and entities, or as
values of the JSON form; nothing here puts text together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lepton_fed.translation import joined, sentence

if TYPE_CHECKING:
    import cedarpy

Policy = Mapping[str, Any]
"""One policy in Cedar's JSON form: effect, principal, action, resource, conditions, annotations."""

Uid = dict[str, str]
"""`{"type": "Department", "id": "研发部门"}`."""

Entity = dict[str, Any]
"""`{"uid": ..., "attrs": {...}, "parents": [...]}`."""

LONGEST = 32 * 1024
"""Characters of one policy. Longer chains of operators can end the process: Cedar's parser calls itself."""

DEEPEST = 30
"""Brackets within brackets in one policy, for the same reason."""

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n\r]*', re.DOTALL)
_PLACE = re.compile(r"for policy `policy(\d+)`, ")
_ACTION = re.compile(r' for Action::"[a-z]+"')
_EQUALS_GROUP = re.compile(r'==\s*Action::"[^"\x00-\x7f]')
_MANY = 3


class Unusable(ValueError):
    """Policy text that Cedar or the schema refuses; says why in one sentence."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True)
class Verdict:
    """What Cedar came to: the names of the policies that decided, or what went wrong (then it is no permit)."""

    permitted: bool
    policies: tuple[str, ...] = ()
    error: str = ""


def uid(kind: str, name: str) -> Uid:
    """The identifier of an entity."""
    return {"type": kind, "id": name}


def reference(kind: str, name: str) -> dict[str, Uid]:
    """An entity as the value of another one's attribute."""
    return {"__entity": uid(kind, name)}


@lru_cache(maxsize=1)
def schema_text() -> str:
    """The schema that every policy, entity and request must fit."""
    return resources.files("lepton_fed.policies").joinpath("policies.cedarschema").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _schema() -> cedarpy.Schema:
    import cedarpy

    return cedarpy.Schema.from_str(schema_text())


def schema_of(text: str) -> cedarpy.Schema:
    """A schema other than the federation's, for whoever decides about other things than its data."""
    import cedarpy

    return cedarpy.Schema.from_str(text)


def translated(text: str, schema: cedarpy.Schema | None = None) -> tuple[Policy, ...]:
    """The policies of a text, in its order; Unusable where Cedar or the schema refuses one, or it could never apply.

    `schema`: what they speak of; default: the federation's.
    """
    schema = schema or _schema()
    _require_shallow(text)
    try:
        policies = _parsed(text, schema)
        dead = [number for number, policy in enumerate(policies, 1) if _never(policy, schema)]
    except Unusable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unusable(
            sentence("it cannot be taken apart, for deep nesting or letters that are none: {error}", error=str(error))
        ) from None
    if dead:
        raise Unusable(
            sentence("policy {number} could never apply: nothing of the schema meets its conditions", number=dead[0])
        )
    return policies


def _require_shallow(text: str) -> None:
    """Unusable unless Cedar's parser, which calls itself for every level, comes back from this text."""
    for policy in _LITERAL.sub('""', text).split(";"):
        if len(policy) > LONGEST:
            raise Unusable(sentence("a policy has more than {most} characters; write it as several", most=LONGEST))
        depth = 0
        for bracket in re.findall(r"[(\[{)\]}]", policy):
            depth += 1 if bracket in "([{" else -1
            if depth > DEEPEST:
                raise Unusable(
                    sentence(
                        "a policy has more than {most} brackets within brackets; write it as several", most=DEEPEST
                    )
                )


def _parsed(text: str, schema: cedarpy.Schema) -> tuple[Policy, ...]:
    """The policies that Cedar reads and the schema allows; other errors of Cedar's than Unusable go through."""
    import cedarpy

    checked = cedarpy.validate_policies(text, schema)
    if not checked.validation_passed:
        raise Unusable(_complaint([error.error for error in checked.errors], text))
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    if parsed["templates"]:
        raise Unusable(
            sentence("it holds a template (?principal, ?resource), which permits and forbids nothing by itself")
        )
    # What Cedar reads as text it may refuse in the form that rules are kept in, which nests less deeply.
    cedarpy.PolicySet.from_json_str(json.dumps(parsed))
    numbered: Mapping[str, Policy] = parsed["staticPolicies"]
    return tuple(numbered[key] for key in sorted(numbered, key=lambda key: int(key.removeprefix("policy"))))


def _complaint(errors: Iterable[str], text: str) -> str:
    """What Cedar found, each thing once and not once for each action, counting policies from 1 as people do."""
    alike = (_PLACE.sub(lambda place: f"policy {int(place[1]) + 1}: ", _ACTION.sub("", one)) for one in errors)
    complaints = sorted(set(alike)) or [sentence("it does not fit the schema")]
    found: str = joined("; ", complaints[:_MANY])
    if len(complaints) > _MANY:
        found = sentence("{complaints} (and {more} more)", complaints=found, more=len(complaints) - _MANY)
    if _EQUALS_GROUP.search(text):
        return sentence('{complaints}; a Chinese action is a group: write `action in Action::"读取"`', complaints=found)
    return found


def _never(policy: Policy, schema: cedarpy.Schema) -> bool:
    """Whether the schema alone makes the conditions false: `context has croud`, `principal == DataSet::"..."`.

    Cedar's validator only warns of this, which its binding does not pass on; but it leaves out what stands behind a
    condition that is false by its type. So if an attribute that no schema has passes there, it is never reached.
    """
    import cedarpy

    if not policy["conditions"]:
        return False
    met: Any = {"Value": True}
    for condition in policy["conditions"]:
        body = condition["body"] if condition["kind"] == "when" else {"!": {"arg": condition["body"]}}
        met = {"&&": {"left": met, "right": body}}
    beyond = {".": {"left": {"Var": "context"}, "attr": "an attribute that no schema has"}}
    probe = {"if-then-else": {"if": met, "then": beyond, "else": {"Value": True}}}
    text = written({**policy, "conditions": [{"kind": "when", "body": probe}]})
    return bool(cedarpy.validate_policies(text, schema).validation_passed)


def written(policy: Policy) -> str:
    """A policy as Cedar writes it, for people to read."""
    import cedarpy

    return cedarpy.policies_from_json_str(_set({"policy0": policy})).strip()


@dataclass(frozen=True)
class Prepared:
    """Policies and the entities they speak of, parsed once."""

    policies: cedarpy.PolicySet
    entities: cedarpy.Entities
    schema: cedarpy.Schema

    def verdict(
        self, who: Uid, action: Uid, what: Uid, about: Sequence[Entity], context: Mapping[str, object]
    ) -> Verdict:
        """What the policies say; `about` are the entities of this request. Anything but a clean permit is none."""
        import cedarpy

        request = {"principal": who, "action": action, "resource": what, "context": dict(context)}
        try:
            entities = self.entities.with_added_json_str(json.dumps(about), self.schema)
            return _verdict(cedarpy.is_authorized(request, self.policies, entities, self.schema))
        except Exception as error:  # whatever the engine fails with: no
            return Verdict(False, error=f"{type(error).__name__}: {error}")

    def verdicts(
        self, who: Uid, action: Uid, whats: Sequence[Uid], about: Sequence[Entity], context: Mapping[str, object]
    ) -> list[Verdict]:
        """The same for many at once, in a quarter of the time: what they have in common is read once."""
        import cedarpy

        same = {"principal": who, "action": action, "context": dict(context)}
        try:
            entities = self.entities.with_added_json_str(json.dumps(about), self.schema)
            requests = [{**same, "resource": what} for what in whats]
            found = cedarpy.is_authorized_batch(requests, self.policies, entities, self.schema)
            return [_verdict(one) for one in found]
        except Exception as error:  # whatever the engine fails with: no
            return [Verdict(False, error=f"{type(error).__name__}: {error}")] * len(whats)


def _verdict(result: cedarpy.AuthzResult) -> Verdict:
    import cedarpy

    decision, decided, errors = result.decision, result.diagnostics.reasons, result.diagnostics.errors
    if errors or decision is cedarpy.Decision.NoDecision:
        return Verdict(False, error="; ".join(errors[:_MANY]) or "no decision was reached")
    return Verdict(decision is cedarpy.Decision.Allow, tuple(decided))


def prepared(
    policies: Mapping[str, Policy], entities: Iterable[Entity], schema: cedarpy.Schema | None = None
) -> Prepared:
    """Policies by name and entities of the schema, ready to be asked; ValueError if Cedar cannot take them."""
    import cedarpy

    schema = schema or _schema()
    return Prepared(
        cedarpy.PolicySet.from_json_str(_set(policies)),
        cedarpy.Entities.from_json_str(json.dumps(list(entities)), schema),
        schema,
    )


def _set(policies: Mapping[str, Policy]) -> str:
    return json.dumps({"staticPolicies": dict(policies), "templates": {}, "templateLinks": []})
