"""The coordinator's side of a federation: who is asked what in a round, and what the sums become.

    state = begin(settings)
    state = drive(join(settings, state), transport)
    for each round:  state, news = drive(play(settings, state), transport)
    news = drive(close(settings, state), transport)

Each is a generator of exchanges (see `transport`); a round's state is a frozen value that can be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from lepton_fed.accounts import Account
from lepton_fed.cohorts import HubPlan, home, hubs
from lepton_fed.digests import hub_digest
from lepton_fed.errors import ConfigError, PolicyError, RoundError
from lepton_fed.first_hubs import hub_of, reference
from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.hub import Hub, advanced
from lepton_fed.messages import PARTS, Declare, Declared, HubState, Join, Joined, Message, Refused, Vector, Work
from lepton_fed.models import build
from lepton_fed.parameters import shared_of
from lepton_fed.secagg.messages import SignedKeys
from lepton_fed.secagg.roster import Roster
from lepton_fed.secure import gather
from lepton_fed.seeds import derive, draw
from lepton_fed.settings import Settings
from lepton_fed.sums import Scheme, Turnout, squared_norm
from lepton_fed.tally import Gathered, Tally
from lepton_fed.training.losses import loss
from lepton_fed.translation import Sentence, joined, sentence
from lepton_fed.transport import Flow, Replies, in_order
from lepton_fed.weighting import beta


@dataclass(frozen=True, eq=False)
class State:
    """After `round` rounds: the hubs by name, and under `clusters` who declared which."""

    round: int
    plans: tuple[HubPlan, ...]
    hubs: Mapping[str, Hub]
    declared: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    roster: Roster | None = None
    """Who belongs to it, by which keys: for secure sums."""
    scheme: Scheme | None = None
    """What is summed securely; known once departments have joined."""
    reference: Vector | None = None
    """The first model, which updates to several hubs are relative to in a secure sum."""
    keys: Mapping[str, SignedKeys] = field(default_factory=dict)
    """Departments' keys for the next round, as far as they are here already."""
    threads: int = 1
    """For unmasking."""
    attempt: int = 0
    """Number of the next secure attempt at the round, where earlier ones came to nothing."""
    models: Mapping[str, bytes] = field(default_factory=dict)
    """Where sums are sealed: digests by hub of what departments hold."""

    @property
    def visible(self) -> dict[str, HubState]:
        """The hubs as departments see them."""
        return {name: hub.state for name, hub in self.hubs.items()}


@dataclass(frozen=True, eq=False)
class News:
    """What one exchange brought besides the sums. `measurements`: of the round before; `accounts`: of the sums."""

    measurements: tuple[Measurement, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()


# ---------------------------------------------------------------- beginning


def begin(settings: Settings, code: tuple[str, ...] = (), fingerprint: str = "", roster: Roster | None = None) -> State:
    """Hubs with their initial models; m hubs of `clusters` begin differently, or nobody could choose.

    `fingerprint`: of the federation file, which every department compares with its own copy's. `roster`: needed
    where sums are secure (ConfigError without).
    """
    if settings.aggregation.secure and roster is None:
        raise ConfigError(
            "secure sums need a roster of the departments' keys; without one, say aggregation.secure = false"
        )
    plans = hubs(settings)
    models = {plan.name: _initial(settings, k, code) for k, plan in enumerate(plans)}
    first = reference(settings, plans, models[plans[0].name])
    return State(0, plans, models, fingerprint=fingerprint, roster=roster, reference=first)


def _initial(settings: Settings, place: int, code: tuple[str, ...]) -> Hub:
    """The hub of this place as everybody builds it from the seed. No bench is made: nobody trains here."""
    another = settings.coupling.kind == "clusters" and place
    seed = derive(settings.federation.seed, "model", *((place,) if another else ()))
    module = build(settings.model, settings.data, seed, code)
    loss(settings.training.loss, settings.data, code)  # Complains where there is none of that name.
    initial, layout = shared_of(module, settings.model.shared, settings.model.private)
    if settings.coupling.kind == "distill":
        return Hub(HubState(np.zeros(0, np.float32)))
    return hub_of(initial.to(torch.float32), layout)


def join(settings: Settings, state: State, absent: bool = False) -> Flow[State]:
    """Asks every department whether it takes part; PolicyError with the first refusal.

    `absent`: departments may be away, and come to a later round; otherwise RoundError names the first.
    """
    asked = [name for name in settings.names if _present(state, name)]
    replies = dict((yield {name: Join(state.fingerprint) for name in asked}))
    for name in asked:
        reply = replies.get(name)
        if isinstance(reply, Refused):
            raise PolicyError(name, reply.reason)
        if not (isinstance(reply, Joined) or absent):
            raise RoundError(sentence("{name} did not answer whether it takes part", name=name))
    joined = {n: r for n, r in replies.items() if isinstance(r, Joined)}
    if not joined:
        raise RoundError(sentence("no department answered whether it takes part"))
    if settings.coupling.kind != "distill" and len({r.layout for r in joined.values()}) > 1:
        raise RoundError(
            sentence("departments have built different models from the same file; do their versions differ?")
        )
    if not settings.aggregation.secure:
        return state
    lengths = {reply.length for n, reply in joined.items() if any(n in p.may_write for p in state.plans)}
    if len(lengths) > 1:
        raise RoundError(
            sentence("departments would add vectors of different lengths; do their versions or common sets differ?")
        )
    if not lengths:
        raise RoundError(sentence("no source answered whether it takes part"))
    return replace(state, scheme=Scheme(settings, state.plans, lengths.pop(), state.reference))


def _present(state: State, name: str) -> bool:
    """Whether a department of the file still belongs to the federation: who was taken out left the roster only."""
    return state.roster is None or name in state.roster.names


def readmitted(settings: Settings, state: State, fresh: State) -> State:
    """The state as it goes on under a newer membership; `settings` and `fresh` (as `begin` gives it) are the newer.

    A hub keeps its model where the file still has it, or where most of its readers went; others begin anew.
    Departments join and advertise again. ConfigError where departments hold the models themselves.
    """
    if state.round and settings.aggregation.sealed and fresh.fingerprint != state.fingerprint:
        raise ConfigError("a department cannot join while sealed sums are under way; add it before a run")
    hubs_now = {plan.name: state.hubs.get(_ancestor(plan, state), hub) for plan, hub in _with_hubs(fresh)}
    declared = {name: hub for name, hub in state.declared.items() if hub in hubs_now and _present(fresh, name)}
    return replace(fresh, round=state.round, hubs=hubs_now, declared=declared, models=state.models)


def _with_hubs(state: State) -> list[tuple[HubPlan, Hub]]:
    return [(plan, state.hubs[plan.name]) for plan in state.plans]


def _ancestor(plan: HubPlan, state: State) -> str:
    """The hub of an earlier membership that a hub goes on from; empty if there is none."""
    if plan.name in state.hubs:
        return plan.name
    alike = {old.name: len(old.may_read & plan.may_read) for old in state.plans}
    nearest = max(alike, key=lambda name: alike[name], default="")
    return nearest if alike.get(nearest) else ""


# ---------------------------------------------------------------- one round


def play(settings: Settings, state: State) -> Flow[tuple[State, News]]:
    """One round. The news holds the measurements of the round before."""
    number, plans = state.round + 1, state.plans
    writers = tuple(n for n in settings.names if any(n in p.may_write for p in plans) and _present(state, n))
    chosen = draw(
        writers, settings.rounds.participants or len(writers), settings.federation.seed, "participants", number
    )
    unwilling: dict[str, str] = {}
    if settings.coupling.kind == "clusters" and (state.round % settings.coupling.freeze == 0 or not state.declared):
        state, unwilling = yield from _declare(state, number, writers)
    report = state.round % settings.rounds.evaluate_every == 0
    state, gathered = yield from _gather(settings, state, chosen, report)
    gathered.refusals = unwilling | gathered.refusals
    if chosen and not gathered.answered:
        raise RoundError(_nobody(number, gathered.refusals))
    after = {p.name: _after(settings, state, gathered, p) for p in plans}
    return replace(state, round=number, attempt=0, hubs=after), _news(settings, state, gathered, report, chosen)


def close(settings: Settings, state: State) -> Flow[News]:
    """The last report: nobody trains, everybody measures what it has now."""
    state, gathered = yield from _gather(settings, state, (), report=True)
    return _news(settings, state, gathered, report=True)


def _gather(settings: Settings, state: State, chosen: tuple[str, ...], report: bool) -> Flow[tuple[State, Gathered]]:
    """Has the departments work and sums what comes of it: in the clear, or securely."""
    if settings.aggregation.secure:
        return (yield from _gather_securely(settings, state, chosen, report))
    writes = {name: _writes(settings, state, name) for name in chosen}
    replies = yield _work(settings, state, writes, report)
    return state, _tallied(settings, state, replies).gathered(state.round + 1)


def _gather_securely(
    settings: Settings, state: State, chosen: tuple[str, ...], report: bool
) -> Flow[tuple[State, Gathered]]:
    assert state.roster is not None
    assert state.scheme is not None
    scheme = state.scheme
    reporters = tuple(name for name in scheme.reporters if _present(state, name))
    turnout = Turnout(_secure_writes(settings, state, chosen), reporters if report else ())
    writes = {name: tuple(h for h, members in turnout.writes.items() if name in members) for name in chosen}
    models = state.models or {name: hub_digest(hub) for name, hub in state.visible.items()}
    keys, gathered = yield from gather(
        scheme,
        state.roster,
        state.keys,
        turnout,
        _work(settings, state, writes, report),
        models,
        state.round + 1,
        state.visible,
        state.threads,
        state.attempt,
    )
    return replace(state, keys=keys, models=gathered.models), gathered


def _secure_writes(settings: Settings, state: State, chosen: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    assert state.scheme is not None
    if settings.coupling.kind == "clusters":
        return state.scheme.assigned({n: hub for n, hub in state.declared.items() if n in chosen})
    return {p.name: found for p in state.plans if (found := state.scheme.writers(p, chosen))}


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


def _work(settings: Settings, state: State, writes: Mapping[str, tuple[str, ...]], report: bool) -> dict[str, Message]:
    """Work for those who train, and a report from every target when one is due."""
    messages: dict[str, Message] = {}
    for department in settings.departments:
        name = department.name
        if name in writes or (report and department.is_target and _present(state, name)):
            write = writes.get(name, ())
            # Where sums are sealed, departments hold the hubs themselves.
            shown = [] if settings.aggregation.sealed else _needed(settings, state, name, write)
            needed = {p.name: state.hubs[p.name].state for p in shown}
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


def _after(settings: Settings, state: State, gathered: Gathered, plan: HubPlan) -> Hub:
    # Who weighs nothing is not in a secure sum, and so not missing from it either.
    writers = plan.writers if state.scheme is None else state.scheme.writers(plan, plan.writers)
    share = gathered.counts.get(plan.name, 0) / max(len(writers), 1)
    return advanced(settings, state.hubs[plan.name], gathered.releases.get(plan.name), share)


def _news(settings: Settings, state: State, gathered: Gathered, report: bool, asked: tuple[str, ...] = ()) -> News:
    measured = _measurements(settings, state, gathered) if report else ()
    told = gathered.refusals, gathered.seconds, asked, gathered.answered, gathered.warnings, gathered.accounts
    return News(measured, *told)


def _nobody(number: int, refusals: Mapping[str, str]) -> Sentence:
    why = sentence("nobody answered")
    if refusals:
        why = joined("; ", (sentence("{name}: {problem}", name=n, problem=r) for n, r in refusals.items()))
    return sentence("round {number} has no update to aggregate ({why})", number=number, why=why)


# ---------------------------------------------------------------- measurements


def _measurements(settings: Settings, state: State, gathered: Gathered) -> tuple[Measurement, ...]:
    """What departments disclosed, and the federation's totals, all about round `state.round`."""
    number, sums = state.round, gathered.totals
    found = []
    for name in settings.names:  # Not in the order in which replies came, which is the network's.
        for key, value in gathered.disclosed.get(name, {}).items():
            part, _, metric = key.partition("/")
            if part not in PARTS or metric not in settings.report.metrics:
                continue  # Nobody asked for it, and it would be in every curve and table.
            found.append(Measurement(number, name, part, metric, value))
    for metric in settings.report.metrics:
        weight = sums.get(f"weight of {metric}", 0.0)
        if weight:
            found.append(Measurement(number, FEDERATION, "federation", metric, sums[f"sum of {metric}"] / weight))
    joint = _joint_of_hubs(state) if settings.coupling.kind == "clusters" else sums.get("joint_loss")
    if joint is not None and settings.aggregation.secure:
        joint += _rows_without_examples(settings, state)
    if joint is not None and number and settings.aggregation.noise is None:
        found.append(Measurement(number, FEDERATION, "federation", "joint_loss", joint))
    return tuple(found)


def _rows_without_examples(settings: Settings, state: State) -> float:
    """Joint-loss rows of targets without rows of their own, which follow from the hubs' sums: β_j ½ Σα‖Δ‖²."""
    if settings.coupling.kind not in ("average", "proximal"):
        return 0.0
    total = 0.0
    for department in settings.departments:
        hub = home(department.name, state.plans) if not department.is_source else None
        release = state.hubs[hub.name].state.release if hub is not None else None
        total += 0.5 * beta(settings.weights, department.name) * release.spread if release is not None else 0.0
    return total


def _joint_of_hubs(state: State) -> float | None:
    """Σ_r Σ_i α_i ½‖θ_i - hub_r‖² at each hub's mean: ½ (Σα‖Δ‖² - ‖Σα Δ‖²)."""
    releases = [h.state.release for h in state.hubs.values() if h.state.release is not None]
    if not releases:
        return None
    return sum(0.5 * (r.spread - squared_norm(r.mean)) for r in releases)
