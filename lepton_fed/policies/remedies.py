"""What would turn a denial into a permit, found by trying: other circumstances, one more grant, one forbid less.

Nothing is derived from what a policy seems to mean. Candidates are the numbers and words that the rules
themselves hold and their neighbours; each is put to the same policies, and the first that is permitted counts.
Each change must lift a forbid or be the last that was needed, so that a few hundred decisions are enough.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from lepton_fed.policies.book import Policies
from lepton_fed.policies.grants import KNOWLEDGE
from lepton_fed.policies.request import MICRO, Decision, Request, said
from lepton_fed.policies.rules import Rule
from lepton_fed.policy import CHINESE, action
from lepton_fed.settings import Grant
from lepton_fed.translation import Sentence, joined, sentence, term

_GRANTED = {entity: kind for kind, entity in KNOWLEDGE.items()}

_CHANGES = 4
"""More circumstances than that at once are no advice."""

_NEAREST = 24
"""Values tried for one attribute: as many as a day has hours."""

_WORDS = ("purpose", "code", "federation", "plan", "part")
_COUNTS = ("crowd", "round", "rounds")


@dataclass(frozen=True)
class Change:
    """One circumstance of a request, said otherwise."""

    field: str
    value: str | int | float

    def made(self, request: Request) -> Request:
        if self.field == "role":
            return replace(request, role=str(self.value))
        changed: dict[str, Any] = {self.field: self.value}
        return replace(request, context=replace(request.context, **changed))

    def says(self, request: Request) -> Sentence:
        """`crowd 3 instead of 2`."""
        now = request.role if self.field == "role" else getattr(request.context, self.field)
        return sentence(
            "{field} {then} instead of {now}",
            field=term(self.field.replace("_", " ")),
            then=_word(self.value),
            now=_word(now),
        )


def remedy(policies: Policies, decision: Decision) -> str | None:
    """One sentence on what would have been permitted, or None if nothing that was tried would."""
    request = decision.request
    if decision.permitted or decision.broken:
        return None
    changes = tuple(_changes(policies, request))
    granted = _granted(policies, request)
    found = _search(policies, request, changes)
    if found is not None:
        return _would_pass(change.says(request) for change in found)
    found = None if granted is None else _search(granted, request, changes)
    if found is not None:
        return _would_pass((_grant_words(request), *(change.says(request) for change in found)))
    return _without(policies, granted, decision)


def _would_pass(with_what: Iterable[Sentence]) -> Sentence:
    return sentence("It would pass with {what}", what=joined(" and ", with_what))


def _search(policies: Policies, request: Request, changes: Sequence[Change]) -> tuple[Change, ...] | None:
    """Changes under which `policies` permit it, each of which lifts a forbid or is the last; None if there are none."""
    made: list[Change] = []
    decision = policies.decide(request)
    while not decision.permitted and len(made) < _CHANGES:
        left = [change for change in changes if change.field not in {one.field for one in made}]
        tried = [(change, policies.decide(change.made(decision.request))) for change in left]
        better = [(c, d) for c, d in tried if not d.broken and (d.permitted or set(d.rules) < set(decision.rules))]
        if not better:
            return None
        change, decision = min(better, key=lambda one: (not one[1].permitted, len(one[1].rules)))
        made.append(change)
    return tuple(made) if decision.permitted else None


def _granted(policies: Policies, request: Request) -> Policies | None:
    if request.action not in CHINESE.values():
        return None
    verb: Any = request.action
    kind: Any = _GRANTED.get(request.kind, "data")
    try:
        grant = Grant(what=request.what, who=(request.who,), action=verb, owner=(request.owner,), kind=kind)
    except ValueError:  # no file can name what cannot be printed
        return None
    return policies.with_grant(grant)


def _grant_words(request: Request) -> Sentence:
    words: dict[str, object] = {"kind": _GRANTED[request.kind]} if request.kind in _GRANTED else {}
    words |= {"what": request.what, "who": [request.who], "action": request.verb, "owner": [request.owner]}
    written = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in words.items())
    return sentence("one more [[access]]: {written}", written=written)


def _without(policies: Policies, granted: Policies | None, decision: Decision) -> str | None:
    """Without the rules that forbade it, and with one more grant where that alone is not enough."""
    rules = joined(" and ", decision.rules)
    if policies.without(decision.rules).decide(decision.request).permitted:
        return sentence("It would pass without rule {rules}", rules=rules)
    if granted is not None and granted.without(decision.rules).decide(decision.request).permitted:
        grant = _grant_words(decision.request)
        return sentence("It would pass without rule {rules} and with {grant}", rules=rules, grant=grant)
    return None


# ---------------------------------------------------------------- what is tried


def _changes(policies: Policies, request: Request) -> Iterator[Change]:
    """Values that rules about this owner hold, and their neighbours, nearest first."""
    rules = policies.rules(request.owner)
    numbers, texts = _constants(rules)
    context = request.context
    for field in _COUNTS:
        now: int = getattr(context, field)
        near = {n + step for n in numbers for step in (-1, 0, 1) if n + step >= 0} - {now}
        yield from (Change(field, n) for n in sorted(near, key=lambda n: abs(n - now))[:_NEAREST])
    assert context.hour is not None
    assert context.epsilon_spent is not None
    yield from (Change("hour", (context.hour + later) % 24) for later in range(1, 24))
    spent = context.epsilon_spent * MICRO
    lower = {n - step for n in numbers for step in (0, 1) if 0 <= n - step < spent}
    yield from (Change("epsilon_spent", n / MICRO) for n in sorted(lower, reverse=True)[:_NEAREST])
    for field in _WORDS:
        first = [policies.purpose] if field == "purpose" else []
        others = dict.fromkeys(text for text in (*first, *texts) if text != getattr(context, field))
        yield from (Change(field, text) for text in islice(others, _NEAREST))
    yield from (Change("role", text) for text in islice(texts, _NEAREST) if text not in ("", request.role))


def _constants(rules: Iterable[Rule]) -> tuple[list[int], list[str]]:
    """Whole numbers and texts in the conditions of the rules, each once, in their order."""
    numbers: dict[int, None] = {}
    texts: dict[str, None] = {}
    for rule in rules:
        for value in _values(rule.policy["conditions"]):
            if isinstance(value, str):
                texts.setdefault(value)
            elif not isinstance(value, bool):
                numbers.setdefault(value)
    return list(numbers), list(texts)


def _values(node: object) -> Iterator[str | int]:
    if isinstance(node, list):
        for child in node:
            yield from _values(child)
    if isinstance(node, dict):
        for key, child in node.items():
            if key == "Value" and isinstance(child, str | int):
                yield child
            else:
                yield from _values(child)


def _word(value: object) -> str:
    return said(repr(value) if isinstance(value, str) else value)


def permitted_verbs(policies: Policies, request: Request) -> Iterator[Decision]:
    """What else may be done with the same thing under the same circumstances, in the language of the request."""
    chinese = request.verb in CHINESE
    for word, english in CHINESE.items():
        if english != action(request.verb):
            decision = policies.decide(replace(request, verb=word if chinese else english))
            if decision.permitted:
                yield decision
