"""A decision in a few lines for a person: what was decided, by which rules, and what would make it pass.

研发部门 may not 读取 生产线数据 of 生产车间: no rule of 生产车间 permits it
It may 训练 it: rule access[1] of federation.toml
It would pass with one more [[access]]: what = "生产线数据", who = ["研发部门"], action = "读取", owner = ["生产车间"]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lepton_fed.policies.book import Policies
from lepton_fed.policies.grants import KNOWLEDGE
from lepton_fed.policies.remedies import permitted_verbs, remedy
from lepton_fed.policies.request import Decision
from lepton_fed.translation import joined, sentence, term


def explain(policies: Policies, decision: Decision) -> tuple[str, ...]:
    """Lines to print, the decision first; trying what would make a denial pass may take some tenths of a second."""
    more = _beside(policies, decision) if decision.permitted else _instead(policies, decision)
    return (*decision.reasons, *more)


def _beside(policies: Policies, decision: Decision) -> Iterator[str]:
    """What a permit alone does not bring about."""
    request = decision.request
    if request.kind in KNOWLEDGE.values():
        return  # No [[sharing]] is about facts.
    flow = policies.decide(replace(request, verb="receive"))
    if request.action != "receive" and request.who != request.owner and not flow.permitted:
        yield sentence("But no [[sharing]] lets it flow from {owner} to {who}", owner=request.owner, who=request.who)


def _instead(policies: Policies, decision: Decision) -> Iterator[str]:
    """What is permitted, and what would be; nothing where nothing was decided."""
    if decision.broken:
        return
    for other in permitted_verbs(policies, decision.request):
        yield sentence("It may {verb} it: rule {rules}", verb=term(other.request.verb), rules=joined(", ", other.rules))
    found = remedy(policies, decision)
    if found:
        yield found
