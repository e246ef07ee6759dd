"""The coordinator: who is asked what, what sums become, and what a lost, refused or forged answer does."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lepton_fed.coordinator import State, begin, join, readmitted
from lepton_fed.errors import ConfigError, PolicyError, RoundError
from lepton_fed.hub import Hub, advanced
from lepton_fed.messages import (
    PARTS,
    Addend,
    Done,
    HubState,
    Joined,
    Message,
    Refused,
    Release,
    Reply,
    Summed,
    Work,
)
from lepton_fed.models import build
from lepton_fed.secagg.roster import Roster
from lepton_fed.seeds import derive
from lepton_fed.settings import (
    Aggregation,
    Coupling,
    DepartmentSettings,
    Grant,
    Rounds,
    ServerOptimiser,
    Settings,
    Weights,
)
from lepton_fed.tally import Mean
from lepton_fed.transport import drive
from tests.couplings.small import (
    COUNTS,
    EVERYBODY,
    NAMES,
    PERMIT,
    Small,
    close_to,
    federation,
    mean,
    proximal,
    settings,
)
from tests.secure.builder import FOUR as SECURE_NAMES
from tests.secure.builder import federation as secured
from tests.secure.builder import secure

Bend = Callable[[str, Message, Reply], Reply | None]


def secure_federation(**tables: Any) -> Any:
    """Four departments whose sums are secure, and whatever the tables say."""
    return secured(secure(SECURE_NAMES, **tables))


def disturbed(ours: Small, bend: Bend) -> Small:
    """Every reply passes through `bend`; None loses it."""
    exchange = ours.transport.exchange

    def bent(messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        for name, reply in exchange(messages, on_reply):
            changed = bend(name, messages[name], reply)
            if changed is not None:
                yield name, changed

    ours.transport.exchange = bent  # type: ignore[method-assign,assignment]
    return ours


def forged(name: str, **changes: Any) -> Bend:
    """One department's addends, changed."""

    def bend(who: str, _: Message, reply: Reply) -> Reply:
        if who != name or not isinstance(reply, Done):
            return reply
        return replace(reply, addends={hub: replace(part, **changes) for hub, part in reply.addends.items()})

    return bend


# ---------------------------------------------------------------- beginning


def test_everybody_begins_with_the_model_that_departments_build_themselves() -> None:
    chosen = settings()
    ours = federation(chosen)
    module = build(chosen.model, chosen.data, derive(11, "model"))
    assert torch.equal(ours.hub(), torch.nn.utils.parameters_to_vector(module.parameters()).detach())
    assert torch.equal(ours.hub(), ours.departments["内科"].bench.model.shared)


def test_hubs_of_clusters_begin_differently_and_the_first_as_everywhere() -> None:
    state = begin(settings(coupling=Coupling(kind="clusters", hubs=3)))
    models = [hub.state.model for hub in state.hubs.values()]
    assert np.array_equal(models[0], next(iter(begin(settings()).hubs.values())).state.model)
    assert not np.array_equal(models[0], models[1])
    assert not np.array_equal(models[1], models[2])


def test_a_round_goes_to_nobody_who_refused_to_join() -> None:
    ours = federation(settings())
    ours.departments["外科"].fingerprint = "another"
    with pytest.raises(PolicyError, match="外科 refused: the coordinator's federation file differs"):
        drive(join(ours.settings, ours.state), ours.transport)


@pytest.mark.parametrize(
    ("bend", "message"),
    [
        (lambda n, m, r: None if n == "儿科" else r, "儿科 did not answer whether it takes part"),
        (lambda n, m, r: Joined("other") if n == "儿科" else r, "departments have built different models"),
    ],
)
def test_joining_needs_every_answer_and_one_model(bend: Bend, message: str) -> None:
    ours = disturbed(federation(settings()), bend)
    with pytest.raises(RoundError, match=message):
        drive(join(ours.settings, ours.state), ours.transport)


def test_who_is_absent_when_a_deployed_run_begins_comes_to_a_later_round() -> None:
    ours = disturbed(federation(settings()), lambda n, m, r: None if n == "儿科" else r)
    assert drive(join(ours.settings, ours.state, absent=True), ours.transport) == ours.state


@pytest.mark.parametrize(
    ("bend", "error", "message"),
    [
        (lambda n, m, r: None, RoundError, "no department answered"),
        (lambda n, m, r: Refused("not today") if n == "外科" else None, PolicyError, "外科 refused: not today"),
        (lambda n, m, r: Joined(n) if n != "儿科" else None, RoundError, "departments have built different models"),
    ],
)
def test_absence_excuses_nobody_who_is_there(bend: Bend, error: type[Exception], message: str) -> None:
    ours = disturbed(federation(settings()), bend)
    with pytest.raises(error, match=message):
        drive(join(ours.settings, ours.state, absent=True), ours.transport)


@pytest.mark.parametrize("away", SECURE_NAMES)
def test_secure_sums_are_laid_out_without_whoever_is_absent(away: str) -> None:
    ours = secure_federation()
    ours.transport.lost = lambda name, message: name == away
    state = drive(join(ours.settings, ours.state, absent=True), ours.transport)
    assert state.scheme is not None
    assert state.scheme.length == ours.departments[away].sizes.added


def test_secure_sums_need_one_source_that_says_how_long_they_are() -> None:
    departments = (
        *(DepartmentSettings(name=n) for n in SECURE_NAMES),
        DepartmentSettings(name="研发", roles=("target",)),
    )
    ours = secure_federation(departments=departments)
    ours.transport.lost = lambda name, message: name != "研发"
    with pytest.raises(RoundError, match="no source answered whether it takes part"):
        drive(join(ours.settings, ours.state, absent=True), ours.transport)


# ---------------------------------------------------------------- a newer membership


def roster(names: tuple[str, ...]) -> Roster:
    """Of these departments, with some keys."""
    return Roster.of("三科", {name: bytes([k]) * 32 for k, name in enumerate(names)}, 0)


def marked(state: State) -> State:
    """After three rounds, each hub with a model by which it is known again."""
    hubs = {n: replace(h, state=HubState(np.full(31, k, np.float32))) for k, (n, h) in enumerate(state.hubs.items(), 1)}
    return replace(state, round=3, hubs=hubs)


def models(state: State) -> dict[str, float]:
    return {name: float(hub.state.model[0]) for name, hub in state.hubs.items()}


FORBID = Grant(what="更新", who=("外科",), action="train", owner=("儿科",), effect="forbid")
"""外科 reads another hub then: 内科、外科, where the others read 内科、外科、儿科."""


def test_a_hub_that_the_file_still_has_keeps_its_model_and_the_round() -> None:
    state = marked(begin(settings(), roster=roster(NAMES)))
    after = readmitted(settings(), state, begin(settings(), roster=roster(NAMES[:2])))
    assert (after.round, after.hubs) == (3, state.hubs)
    assert after.roster == roster(NAMES[:2])
    assert (after.keys, after.scheme) == ({}, None)


def test_a_hub_that_gains_a_reader_is_the_one_that_most_of_its_readers_had() -> None:
    state = marked(begin(settings(access=(*PERMIT, FORBID))))
    assert models(state) == {"内科、儿科": 1.0, "外科": 2.0}
    chosen = settings((*NAMES, "药房"), access=(*PERMIT, FORBID))
    fresh = begin(chosen)
    assert set(fresh.hubs) == {"内科、儿科、药房", "外科"}
    assert models(readmitted(chosen, state, fresh)) == {"内科、儿科、药房": 1.0, "外科": 2.0}


def test_a_hub_that_nobody_read_before_begins_anew() -> None:
    state = marked(begin(settings(access=(*PERMIT, FORBID))))
    alone = Grant(what="更新", who=("药房",), action="train", owner=("儿科",), effect="forbid")
    both = Grant(what="更新", who=("药房",), action="train", owner=("内科",), effect="forbid")
    chosen = settings((*NAMES, "药房"), access=(*PERMIT, FORBID, alone, both))
    fresh = begin(chosen)
    after = readmitted(chosen, state, fresh)
    (own,) = [plan.name for plan in after.plans if plan.may_read == {"药房"}]
    assert after.hubs[own] is fresh.hubs[own]
    assert {name for name in after.hubs if name != own} == {"内科、儿科", "外科"}


def test_declarations_of_who_left_are_gone_and_the_others_stay() -> None:
    chosen = settings(coupling=Coupling(kind="clusters", hubs=2))
    state = begin(chosen, roster=roster(NAMES))
    first, second = state.hubs
    state = replace(state, round=1, declared={"内科": first, "外科": second, "儿科": second})
    after = readmitted(chosen, state, begin(chosen, roster=roster(NAMES[:2])))
    assert after.declared == {"内科": first, "外科": second}


def test_who_was_revoked_is_asked_for_nothing_in_plain_rounds() -> None:
    ours = federation(settings()).play()
    fresh = begin(ours.settings, fingerprint=ours.state.fingerprint, roster=roster(NAMES[:2]))
    ours.state = readmitted(ours.settings, ours.state, fresh)
    ours.state = drive(join(ours.settings, ours.state, absent=True), ours.transport)
    ours.play()
    assert all(set(messages) == set(NAMES[:2]) for messages, _ in ours.transport.heard[-2:])
    assert ours.news[-1].answered == NAMES[:2]
    assert ours.news[-1].refusals == {}


def test_nobody_joins_under_way_where_departments_hold_the_model_themselves() -> None:
    sealed = settings(
        SECURE_NAMES, aggregation=Aggregation(coordinator_sees="nothing"), weights=Weights(alpha="uniform")
    )
    members = roster(SECURE_NAMES)
    state, fresh = begin(sealed, (), "old", members), begin(sealed, (), "new", members)
    assert readmitted(sealed, state, fresh).fingerprint == "new"
    with pytest.raises(ConfigError, match="cannot join while sealed sums are under way"):
        readmitted(sealed, replace(state, round=1), fresh)
    # Whoever leaves changes no file.
    left = begin(sealed, (), "old", roster(SECURE_NAMES[:3]))
    digests = dict.fromkeys(state.hubs, b"d" * 32)
    after = readmitted(sealed, replace(state, round=1, models=digests), left)
    assert (after.round, after.models) == (1, digests)


# ---------------------------------------------------------------- one round


def test_a_lost_answer_leaves_the_mean_of_the_others() -> None:
    ours = disturbed(federation(settings()), lambda n, m, r: None if n == "儿科" and isinstance(m, Work) else r).play()
    parts = {n: theta for n, (theta, _) in ours.uploads(1).items() if n != "儿科"}
    assert close_to(ours.hub(), mean(parts))
    assert ours.news[-1].asked == NAMES
    assert ours.news[-1].answered == NAMES[:2]


def test_a_refusal_leaves_the_mean_of_the_others_and_its_reason() -> None:
    ours = disturbed(
        federation(settings()),
        lambda n, m, r: Refused("not today") if n == "内科" and isinstance(m, Work) else r,
    ).play()
    assert ours.news[-1].refusals == {"内科": "not today"}
    parts = {n: theta for n, (theta, _) in ours.uploads(1).items()}
    assert close_to(ours.hub(), mean({n: parts[n] for n in NAMES[1:]}))


def test_a_round_without_any_update_is_an_error_with_the_reasons() -> None:
    ours = disturbed(federation(settings()), lambda n, m, r: Refused("not today") if isinstance(m, Work) else r)
    with pytest.raises(RoundError, match=r"round 1 has no update to aggregate .*内科: not today"):
        ours.play()
    silent = disturbed(federation(settings()), lambda n, m, r: None if isinstance(m, Work) else r)
    with pytest.raises(RoundError, match="nobody answered"):
        silent.play()


def test_the_order_of_replies_changes_no_bit() -> None:
    plain, shuffled = federation(settings()), federation(settings())
    exchange = shuffled.transport.exchange

    def backwards(messages: Mapping[str, Message], on_reply: Any = None) -> Iterator[tuple[str, Reply]]:
        return reversed(list(exchange(messages, on_reply)))

    shuffled.transport.exchange = backwards  # type: ignore[method-assign,assignment]
    assert torch.equal(plain.play(3).hub(), shuffled.play(3).hub())


def test_only_departments_with_something_to_do_are_asked() -> None:
    departments = (
        DepartmentSettings(name="内科", roles=("source",)),
        DepartmentSettings(name="外科"),
        DepartmentSettings(name="研发", roles=("target",)),
        DepartmentSettings(name="药房", roles=()),
    )
    chosen = settings(
        departments=departments, sharing=EVERYBODY, access=PERMIT, rounds=Rounds(count=4, evaluate_every=2)
    )
    ours = federation(chosen).play(3)
    asked = [set(messages) for messages, _ in ours.transport.heard[1:]]
    assert asked == [{"内科", "外科", "研发"}, {"内科", "外科"}, {"内科", "外科", "研发"}]
    for messages, _ in ours.transport.heard[1:]:
        for name, message in messages.items():
            assert isinstance(message, Work)
            assert message.write == (() if name == "研发" else ("外科、研发",))
            assert not (name == "内科" and message.report)
    assert {m.round for n in ours.news for m in n.measurements} == {0, 2}


def test_a_department_sees_the_hubs_it_needs_and_no_other() -> None:
    forbid = Grant(what="更新", who=("外科",), action="train", owner=("儿科",), effect="forbid")
    ours = federation(settings(access=(*PERMIT, forbid))).play()
    messages, _ = ours.transport.heard[-1]
    seen = {n: set(m.hubs) for n, m in messages.items() if isinstance(m, Work)}
    assert seen == {"内科": {"内科、儿科", "外科"}, "外科": {"内科、儿科", "外科"}, "儿科": {"内科、儿科"}}


# ---------------------------------------------------------------- sums


def test_a_sum_is_the_weighted_mean_with_its_mass_and_spread() -> None:
    mean = Mean()
    for part in (Addend(np.float32([1, 2]), 3.0, 5.0), Addend(np.float32([5, -2]), 1.0, 29.0)):
        mean.add(part)
    release = mean.release()
    assert release is not None
    assert release.mean.tolist() == [2.0, 1.0]
    assert (release.mass, release.spread) == (4.0, 11.0)
    assert Mean().release() is None
    nothing = Mean()
    nothing.add(Addend(np.float32([1, 2]), 0.0, 5.0))
    assert nothing.release() is None


def test_a_hub_whose_answering_writers_weigh_nothing_stays_as_it_is() -> None:
    weights = Weights(alpha={"内科": 0.0, "外科": 0.0, "儿科": 1.0})
    ours = federation(settings(weights=weights))
    before = ours.hub()
    disturbed(ours, lambda n, m, r: None if n == "儿科" and isinstance(m, Work) else r).play()
    assert torch.equal(ours.hub(), before)


BAD: dict[str, dict[str, Any]] = {
    "NaN": {"vector": np.full(31, np.nan, np.float32)},
    "infinite": {"vector": np.full(31, np.inf, np.float32)},
    "too short": {"vector": np.zeros(30, np.float32)},
    "one number": {"vector": np.ones(1, np.float32)},
    "two dimensions": {"vector": np.ones((31, 1), np.float32)},
    "NaN weight": {"weight": math.nan},
    "negative weight": {"weight": -5.0},
    "infinite weight": {"weight": math.inf},
    "NaN spread": {"spread": math.nan},
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["内科", "儿科"])
def test_an_addend_that_cannot_be_summed_costs_its_sender_the_round_and_nobody_else(name: str, bad: str) -> None:
    ours = disturbed(federation(settings()), forged(name, **BAD[bad])).play()
    ((who, why),) = ours.news[-1].refusals.items()
    assert who == name
    assert why.startswith("sent an update to hub")
    fine = disturbed(federation(settings()), lambda n, m, r: Refused("no") if n == name and isinstance(m, Work) else r)
    assert torch.equal(ours.hub(), fine.play().hub())


def test_an_update_to_a_hub_that_its_sender_may_not_write_to_is_refused() -> None:
    forbid = Grant(what="更新", who=("外科",), action="train", owner=("儿科",), effect="forbid")

    def bend(who: str, _: Message, reply: Reply) -> Reply:
        if who != "儿科" or not isinstance(reply, Done):
            return reply
        return replace(reply, addends={"外科": next(iter(reply.addends.values()))})

    ours = disturbed(federation(settings(access=(*PERMIT, forbid))), bend)
    assert ours.play().news[-1].refusals == {"儿科": "sent an update to hub '外科', to which it may not write"}


# ---------------------------------------------------------------- measurements


def test_the_federations_metric_is_the_mean_over_all_test_rows() -> None:
    ours = federation(settings(coupling=proximal("mr-mtl"))).play(2)
    rows = {n: len(ours.departments[n].rows.test or ()) for n in NAMES}
    for metric in ("loss", "accuracy"):
        own = {n: ours.measured(metric, 2, n) for n in NAMES}
        expected = sum(rows[n] * own[n] for n in NAMES) / sum(rows.values())
        assert ours.measured(metric, 2) == pytest.approx(expected, rel=1e-12)
    assert sum(COUNTS[n] for n in NAMES) == 72


@pytest.mark.parametrize("secure_sums", [False, True], ids=["plain", "secure"])
def test_of_what_a_department_says_of_itself_only_what_was_asked_is_a_measurement(secure_sums: bool) -> None:
    more = {"test/salary": 1.0, "train/loss": 2.0, "secret/accuracy": 3.0, "loss": 4.0, "test/loss/": 5.0, "": 6.0}

    def bend(who: str, _: Message, reply: Reply) -> Reply:
        return replace(reply, disclosed={**reply.disclosed, **more}) if isinstance(reply, Done | Summed) else reply

    ours = disturbed(secure_federation() if secure_sums else federation(settings()), bend)
    found = [m for m in ours.play(2).close().measurements if m.department]
    asked = ours.settings.report.metrics
    assert {(m.part, m.metric) for m in found} <= {(part, metric) for part in PARTS for metric in asked}
    assert {m.value for m in found}.isdisjoint(more.values())
    assert secure_sums or {m.department for m in found} == set(NAMES)


def test_the_joint_loss_of_hubs_is_the_double_sum_over_those_who_wrote_to_each() -> None:
    ours = federation(settings(coupling=Coupling(kind="clusters", hubs=2))).play(2)
    expected = 0.0
    for k in range(len(ours.state.plans)):
        parts = ours.uploads(2, k)
        mass = sum(w for _, w in parts.values())
        middle = mean({n: theta for n, (theta, _) in parts.items()}, {n: w for n, (_, w) in parts.items()})
        expected += sum(w / mass * 0.5 * float((theta - middle).square().sum()) for theta, w in parts.values())
    assert expected > 1e-4
    assert ours.measured("joint_loss", 2) == pytest.approx(expected, rel=1e-4)


def test_round_zero_is_measured_before_any_training() -> None:
    chosen: Settings = settings()
    ours = federation(chosen).play()
    assert {m.round for m in ours.news[0].measurements} == {0}
    fresh = federation(chosen)
    assert fresh.close().measurements == tuple(m for m in ours.news[0].measurements)


def test_pfedmes_anchor_moves_a_part_of_the_way_and_takes_no_further_vector() -> None:
    ours = settings(coupling=proximal("pfedme", server_mix=0.25))
    size = 1 << 18
    hub = Hub(HubState(np.ones(size, np.float32)), buffers=2)
    update = np.full(size, 2.0, np.float32)
    tracemalloc.start()
    moved = advanced(ours, hub, Release(update, 1.0, 0.0), 1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(moved.state.model, np.full(size, 1.5))
    assert np.array_equal(hub.state.model, np.ones(size))
    assert np.array_equal(update, np.full(size, 2.0)), "the mean is shown to departments"
    assert peak < 1.5 * update.nbytes


def test_a_server_optimiser_steps_parameters_and_only_averages_buffers() -> None:
    ours = settings(server=ServerOptimiser(optimiser="adam", learning_rate=0.5))
    hub = Hub(HubState(np.ones(4, np.float32)), buffers=2)
    update = np.array([-0.25, 0.5, -0.25, 0.5], np.float32)
    moved = advanced(ours, hub, Release(update, 1.0, 0.0), 1.0)
    assert moved.state.model[:2].tolist() == [0.75, 1.5]
    assert moved.state.model[2] < 0 < moved.state.model[3] - 1
    assert moved.buffers == 2
    assert moved.moments.first is not None
    assert moved.moments.first.shape == (2,)
