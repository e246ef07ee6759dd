"""Has a model measured on other departments' rows, at those departments, for one department that is permitted to ask.

    findings = drive(evaluate(settings, state, asker="研发部门", departments=("生产车间-L",), purpose="..."), transport)

Each department decides for itself (policy action 评估), shows metrics and no row, and does not know who else was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lepton_fed.cohorts import HubPlan, home
from lepton_fed.coordinator import State
from lepton_fed.messages import Evaluate, Evaluated, Message, Refused
from lepton_fed.settings import Settings
from lepton_fed.transport import Flow

SILENT = "it did not answer"


@dataclass(frozen=True)
class Finding:
    """What one department measured, by hub and metric, or why it did not.

    `rows`: on at least so many rows; the exact number is the department's own.
    """

    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rows: int = 0
    refused: str = ""


def evaluate(
    settings: Settings,
    state: State,
    *,
    asker: str,
    departments: Iterable[str],
    purpose: str | None = None,
    part: str = "test",
) -> Flow[dict[str, Finding]]:
    """The hub that `asker` reads (under `clusters`: all), as each department finds it. Never raises for a refusal."""
    asked = tuple(dict.fromkeys(departments))
    hubs = _shown(settings, state, asker)
    messages: dict[str, Message] = {}
    for name in asked:
        shown = {plan.name: state.hubs[plan.name].state for plan in hubs if name in plan.may_read | plan.may_write}
        if shown:
            said = settings.federation.purpose if purpose is None else purpose
            number = min(state.round, settings.rounds.count)
            messages[name] = Evaluate(
                {} if settings.aggregation.sealed else shown, asker, said, state.fingerprint, number, part
            )
    replies = dict((yield messages))
    found = {name: _finding(replies.get(name)) for name in messages}
    hidden = Finding(refused=f"it takes no part in the model that {asker} learns, so it is not shown to it")
    return {name: found.get(name, hidden) for name in asked}


def _shown(settings: Settings, state: State, asker: str) -> tuple[HubPlan, ...]:
    if settings.coupling.kind == "clusters":
        return tuple(plan for plan in state.plans if asker in plan.may_read)
    start = home(asker, state.plans)
    return (start,) if start is not None and asker in start.may_read else ()


def _finding(reply: object) -> Finding:
    if isinstance(reply, Refused):
        return Finding(refused=reply.reason)
    if not isinstance(reply, Evaluated):
        return Finding(refused=SILENT)
    metrics: dict[str, dict[str, float]] = {}
    for key, value in reply.metrics.items():
        hub, _, metric = key.rpartition("/")
        metrics.setdefault(hub, {})[metric] = value
    return Finding(metrics, reply.rows)
