"""The coordinator's side of a federation: who is asked what in a round, and what the sums become.

    state = begin(settings)
    drive(join(settings, ...), transport)
    for each round:  state, news = drive(play(settings, state), transport)
    news = drive(close(settings, state), transport)

Each is a generator over {department: message}; a round's state is a frozen value that can be stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.department import bench
from lepton_fed.errors import PeerError, PolicyError, RoundError
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.messages import (
    Addend,
    Declare,
    Declared,
    Done,
    HubState,
    Join,
    Joined,
    Message,
    Refused,
    Release,
    Vector,
    Work,
)
from lepton_fed.models import build
from lepton_fed.parameters import FlatModel
from lepton_fed.seeds import derive, draw
from lepton_fed.server_optimiser import Moments, advance
from lepton_fed.settings import Settings
from lepton_fed.transport import Flow, Replies


@dataclass(frozen=True, eq=False)
class Hub:
    """A hub with what only the coordinator needs of it."""

    state: HubState
    moments: Moments = field(default_factory=Moments)
    buffers: int = 0
    """How many entries at the front are buffers: they are averaged, never stepped by a server optimiser."""


@dataclass(frozen=True, eq=False)
class State:
    """After `round` rounds: the hubs by name, and under `clusters` who declared which."""

    round: int
    plans: tuple[HubPlan, ...]
    hubs: Mapping[str, Hub]
    declared: Mapping[str, str] = field(default_factory=dict)

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


def begin(settings: Settings, code: tuple[str, ...] = ()) -> State:
    """Hubs with their initial models; m hubs of `clusters` begin differently, or nobody could choose."""
    plans = hubs(settings)
    return State(0, plans, {plan.name: _initial(settings, k, code) for k, plan in enumerate(plans)})


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


def join(settings: Settings, fingerprint: str) -> Flow[None]:
    """Asks every department whether it takes part; PolicyError with the first refusal."""
    replies = yield {name: Join(fingerprint) for name in settings.names}
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
    if settings.coupling.kind == "clusters" and (state.round % settings.coupling.freeze == 0 or not state.declared):
        state = yield from _declare(state, number, writers)
    report = state.round % settings.rounds.evaluate_every == 0
    messages = _work(settings, state, chosen, report)
    replies = yield messages
    done, refusals = _sorted_out(settings, replies)
    new = {
        p.name: _released(settings, state.hubs[p.name], _addends(settings, state, done, p), len(p.writers))
        for p in plans
    }
    if chosen and not any(d.addends for d in done.values()):
        raise RoundError(_nobody(number, refusals))
    news = News(
        _measurements(settings, state, done) if report else (),
        refusals,
        {n: d.seconds for n, d in done.items()},
        chosen,
        tuple(n for n, d in done.items() if d.addends),
    )
    return replace(state, round=number, hubs=new), news


def close(settings: Settings, state: State) -> Flow[News]:
    """The last report: nobody trains, everybody measures what it has now."""
    replies = yield _work(settings, state, (), report=True)
    done, refusals = _sorted_out(settings, replies)
    return News(_measurements(settings, state, done), refusals, {n: d.seconds for n, d in done.items()})


def _declare(state: State, number: int, writers: tuple[str, ...]) -> Flow[State]:
    replies = yield {name: Declare(number, state.visible) for name in writers}
    declared = {n: r.hub for n, r in replies.items() if isinstance(r, Declared)}
    for name, hub in declared.items():
        if hub not in state.hubs:
            raise PeerError(name, f"declared the hub {hub!r}, which does not exist")
    return replace(state, declared={**state.declared, **declared})


def _work(settings: Settings, state: State, chosen: tuple[str, ...], report: bool) -> dict[str, Message]:
    """Work for those who train, and a report from every target when one is due."""
    messages: dict[str, Message] = {}
    for department in settings.departments:
        name = department.name
        if name in chosen or (report and department.is_target):
            write = _writes(settings, state, name) if name in chosen else ()
            needed = {p.name: state.hubs[p.name].state for p in _needed(settings, state, name, write)}
            messages[name] = Work(state.round + 1, needed, write, report and department.is_target)
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


def _sorted_out(settings: Settings, replies: Replies) -> tuple[dict[str, Done], dict[str, str]]:
    """Work done and refusals, in the file's order: the order of every sum, whichever reply came first."""
    ordered = [(n, replies[n]) for n in settings.names if n in replies]
    done = {n: r for n, r in ordered if isinstance(r, Done)}
    return done, {n: r.reason for n, r in ordered if isinstance(r, Refused)}


def _nobody(number: int, refusals: Mapping[str, str]) -> str:
    why = "; ".join(f"{n}: {r}" for n, r in refusals.items()) or "nobody answered"
    return f"round {number} has no update to aggregate ({why})"


# ---------------------------------------------------------------- sums


def _addends(settings: Settings, state: State, done: Mapping[str, Done], plan: HubPlan) -> list[Addend]:
    """What was written to a hub, in the file's order; PeerError where it may not be or cannot be summed."""
    found = {name: reply.addends[plan.name] for name, reply in done.items() if plan.name in reply.addends}
    plain = settings.coupling.kind != "distill" and settings.training.correction == "none"
    first = next(iter(found.values())).vector.size if found else 0
    size = state.hubs[plan.name].state.model.size if plain else first
    for name, addend in found.items():
        if name not in plan.may_write:
            raise PeerError(name, f"sent an update to hub {plan.name!r}, to which it may not write")
        if not _sound(addend, size):
            raise PeerError(name, f"sent an update to hub {plan.name!r} that is not finite or has the wrong size")
    return list(found.values())


def _sound(addend: Addend, size: int) -> bool:
    """Whether an addend can enter a sum; its numbers are finite wherever its squared norm is."""
    if addend.vector.shape != (size,) or not addend.weight >= 0.0:
        return False
    return all(math.isfinite(n) for n in (float(addend.vector @ addend.vector), addend.spread, addend.weight))


def summed(addends: list[Addend]) -> Release | None:
    """The weighted mean of updates: Σ w·vector / Σ w and Σ w·spread / Σ w, added in the order given."""
    mass = sum(a.weight for a in addends)
    if mass <= 0.0:
        return None
    total = torch.zeros(addends[0].vector.size)
    for addend in addends:
        total.add_(torch.from_numpy(addend.vector), alpha=addend.weight)
    mean: Vector = total.div_(mass).numpy()
    return Release(mean, mass, sum(a.weight * a.spread for a in addends) / mass)


def _released(settings: Settings, hub: Hub, addends: list[Addend], writers: int) -> Hub:
    """The hub after its sum; unchanged where nobody wrote to it."""
    release = summed(addends)
    if release is None:
        return replace(hub, state=replace(hub.state, release=None))
    if settings.coupling.kind == "distill":
        return Hub(HubState(release.mean, release))
    size = hub.state.model.size
    update, control = release.mean[:size], hub.state.control
    if settings.training.correction == "scaffold":
        change = release.mean[size:] * np.float32(len(addends) / writers)
        control = change if control is None else control + change
    if settings.coupling.kind == "proximal" and settings.coupling.method == "pfedme":
        update = update * np.float32(settings.coupling.server_mix)
    averaged = hub.state.model[: hub.buffers] + update[: hub.buffers]
    stepped, moments = advance(settings.server, hub.state.model[hub.buffers :], update[hub.buffers :], hub.moments)
    model = np.concatenate([averaged, stepped]) if hub.buffers else stepped
    return Hub(HubState(model, replace(release, mean=release.mean[:size]), control), moments, hub.buffers)


# ---------------------------------------------------------------- measurements


def _measurements(settings: Settings, state: State, done: Mapping[str, Done]) -> tuple[Measurement, ...]:
    """What departments disclosed, and the federation's totals, all about round `state.round`."""
    number = state.round
    found = []
    for name, reply in done.items():
        for key, value in reply.disclosed.items():
            part, _, metric = key.partition("/")
            found.append(Measurement(number, name, part, metric, value))
    sums: dict[str, float] = {}
    for reply in done.values():
        for key, value in reply.scores.items():
            sums[key] = sums.get(key, 0.0) + value
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
