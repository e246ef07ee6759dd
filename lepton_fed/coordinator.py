"""The coordinator's side of a federation: who is asked what in a round, and what the sums become.

    state = begin(settings)
    drive(join(settings, state), transport)
    for each round:  state, news = drive(play(settings, state), transport)
    news = drive(close(settings, state), transport)

Each is a generator of exchanges (see `transport`); a round's state is a frozen value that can be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.department import bench
from lepton_fed.errors import PolicyError, RoundError
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.hub import Hub, advanced
from lepton_fed.messages import Declare, Declared, HubState, Join, Joined, Message, Refused, Work
from lepton_fed.models import build
from lepton_fed.parameters import FlatModel
from lepton_fed.seeds import derive, draw
from lepton_fed.settings import Settings
from lepton_fed.tally import Mean, Tally
from lepton_fed.transport import Flow, Replies, in_order


@dataclass(frozen=True, eq=False)
class State:
    """After `round` rounds: the hubs by name, and under `clusters` who declared which."""

    round: int
    plans: tuple[HubPlan, ...]
    hubs: Mapping[str, Hub]
    declared: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def visible(self) -> dict[str, HubState]:
        """The hubs as departments see them."""
        return {name: hub.state for name, hub in self.hubs.items()}


@dataclass(frozen=True, eq=False)
class News:
    """What one exchange brought besides the sums. `measurements` are about the round before."""

    measurements: tuple[Measurement, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()


# ---------------------------------------------------------------- beginning


def begin(settings: Settings, code: tuple[str, ...] = (), fingerprint: str = "") -> State:
    """Hubs with their initial models; m hubs of `clusters` begin differently, or nobody could choose.

    `fingerprint`: of the federation file, which every department compares with its own copy's.
    """
    plans = hubs(settings)
    models = {plan.name: _initial(settings, k, code) for k, plan in enumerate(plans)}
    return State(0, plans, models, fingerprint=fingerprint)


def _initial(settings: Settings, place: int, code: tuple[str, ...]) -> Hub:
    if settings.coupling.kind == "distill":
        return Hub(HubState(np.zeros(0, np.float32)))
    if settings.coupling.kind == "clusters" and place:
        seed = derive(settings.federation.seed, "model", place)
        module = build(settings.model, settings.data, seed, code)
        model = FlatModel(module, settings.model.shared, settings.model.private)
    else:
        model = bench(settings, code=code).model
    return Hub(HubState(model.shared.to(torch.float32).numpy()), buffers=model.layout.trained.start)


def join(settings: Settings, state: State) -> Flow[None]:
    """Asks every department whether it takes part; PolicyError with the first refusal."""
    replies = dict((yield {name: Join(state.fingerprint) for name in settings.names}))
    for name in settings.names:
        reply = replies.get(name)
        if isinstance(reply, Refused):
            raise PolicyError(name, reply.reason)
        if not isinstance(reply, Joined):
            raise RoundError(f"{name} did not answer whether it takes part")
    layouts = {r.layout for r in replies.values() if isinstance(r, Joined)}
    if settings.coupling.kind != "distill" and len(layouts) > 1:
        raise RoundError("departments have built different models from the same file; do their versions differ?")


# ---------------------------------------------------------------- one round


def play(settings: Settings, state: State) -> Flow[tuple[State, News]]:
    """One round. The news holds the measurements of the round before."""
    number, plans = state.round + 1, state.plans
    writers = tuple(n for n in settings.names if any(n in p.may_write for p in plans))
    chosen = draw(
        writers, settings.rounds.participants or len(writers), settings.federation.seed, "participants", number
    )
    unwilling: dict[str, str] = {}
    if settings.coupling.kind == "clusters" and (state.round % settings.coupling.freeze == 0 or not state.declared):
        state, unwilling = yield from _declare(state, number, writers)
    report = state.round % settings.rounds.evaluate_every == 0
    replies = yield _work(settings, state, chosen, report)
    tally = _tallied(settings, state, replies)
    tally.refusals = unwilling | tally.refusals
    if chosen and not tally.answered:
        raise RoundError(_nobody(number, tally.refusals))
    after = replace(state, round=number, hubs={p.name: _after(settings, state, tally, p) for p in plans})
    return after, _news(settings, state, tally, report, chosen)


def close(settings: Settings, state: State) -> Flow[News]:
    """The last report: nobody trains, everybody measures what it has now."""
    replies = yield _work(settings, state, (), report=True)
    return _news(settings, state, _tallied(settings, state, replies), report=True)


def _declare(state: State, number: int, writers: tuple[str, ...]) -> Flow[tuple[State, dict[str, str]]]:
    replies = yield {name: Declare(number, state.visible, state.fingerprint) for name in writers}
    declared, unwilling = dict(state.declared), {}
    for name, reply in in_order(replies, writers):
        if isinstance(reply, Declared) and reply.hub in state.hubs:
            declared[name] = reply.hub
        elif isinstance(reply, Declared):
            unwilling[name] = f"declared the hub {reply.hub!r}, which does not exist"
        elif isinstance(reply, Refused):
            unwilling[name] = reply.reason
    return replace(state, declared=declared), unwilling


def _work(settings: Settings, state: State, chosen: tuple[str, ...], report: bool) -> dict[str, Message]:
    """Work for those who train, and a report from every target when one is due."""
    messages: dict[str, Message] = {}
    for department in settings.departments:
        name = department.name
        if name in chosen or (report and department.is_target):
            write = _writes(settings, state, name) if name in chosen else ()
            needed = {p.name: state.hubs[p.name].state for p in _needed(settings, state, name, write)}
            messages[name] = Work(state.round + 1, needed, write, report and department.is_target, state.fingerprint)
    return messages


def _writes(settings: Settings, state: State, name: str) -> tuple[str, ...]:
    if settings.coupling.kind == "clusters":
        return (state.declared[name],) if name in state.declared else ()
    return tuple(p.name for p in state.plans if name in p.may_write)


def _needed(settings: Settings, state: State, name: str, write: tuple[str, ...]) -> list[HubPlan]:
    """The hubs a department must see: the one it starts from and those it writes to; under `clusters`, all."""
    if settings.coupling.kind == "clusters":
        return list(state.plans)
    start = home(name, state.plans)
    return [p for p in state.plans if p is start or p.name in write]


def _tallied(settings: Settings, state: State, replies: Replies) -> Tally:
    """The replies added up in the file's order: the order of every sum, whichever reply came first."""
    tally = Tally(settings, {p.name: p for p in state.plans}, state.hubs)
    for name, reply in in_order(replies, settings.names):
        tally.take(name, reply)
        del reply  # The next update is made while this loop waits; hold no other meanwhile.
    return tally


def _after(settings: Settings, state: State, tally: Tally, plan: HubPlan) -> Hub:
    mean = tally.sums.get(plan.name, Mean())
    return advanced(settings, state.hubs[plan.name], mean.release(), mean.count / len(plan.writers))


def _news(settings: Settings, state: State, tally: Tally, report: bool, asked: tuple[str, ...] = ()) -> News:
    measured = _measurements(settings, state, tally) if report else ()
    return News(measured, tally.refusals, tally.seconds, asked, tuple(tally.answered))


def _nobody(number: int, refusals: Mapping[str, str]) -> str:
    why = "; ".join(f"{n}: {r}" for n, r in refusals.items()) or "nobody answered"
    return f"round {number} has no update to aggregate ({why})"


# ---------------------------------------------------------------- measurements


def _measurements(settings: Settings, state: State, tally: Tally) -> tuple[Measurement, ...]:
    """What departments disclosed, and the federation's totals, all about round `state.round`."""
    number, sums = state.round, tally.totals
    found = []
    for name, disclosed in tally.disclosed.items():
        for key, value in disclosed.items():
            part, _, metric = key.partition("/")
            found.append(Measurement(number, name, part, metric, value))
    for metric in settings.report.metrics:
        weight = sums.get(f"weight of {metric}", 0.0)
        if weight:
            found.append(Measurement(number, FEDERATION, "federation", metric, sums[f"sum of {metric}"] / weight))
    joint = _joint_of_hubs(state) if settings.coupling.kind == "clusters" else sums.get("joint_loss")
    if joint is not None and number:
        found.append(Measurement(number, FEDERATION, "federation", "joint_loss", joint))
    return tuple(found)


def _joint_of_hubs(state: State) -> float | None:
    """Σ_r Σ_i α_i ½‖θ_i - hub_r‖² at each hub's mean: ½ (Σα‖Δ‖² - ‖Σα Δ‖²)."""
    releases = [h.state.release for h in state.hubs.values() if h.state.release is not None]
    if not releases:
        return None
    return sum(0.5 * (r.spread - float(np.square(r.mean, dtype=np.float64).sum())) for r in releases)
