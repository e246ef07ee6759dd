"""One round's sums, secure: the coordinator's four exchanges, carried as messages to departments.

    keys, gathered = yield from gather(scheme, roster, keys, turnout, works, ...)

Departments that are in no sum of the round and only measure at home are asked in the same exchange as the
others' masked numbers. A department that refuses or is away costs the round that department; where too few are
left the round fails, and is tried once more without those who refused if nobody's numbers were out yet (with
everybody where they would be too few).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from lepton_fed.digests import models_hash, shown_hash
from lepton_fed.errors import RoundError
from lepton_fed.messages import Advertise, Advertised, Done, HubState, Message, Refused, Reply, Sum, Summed, Work
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed, RoundFailed
from lepton_fed.secagg.messages import Delivery, Refusal, SignedKeys
from lepton_fed.secagg.plan import Plan, verdicts
from lepton_fed.secagg.roster import Roster
from lepton_fed.secagg.server import Outcome, secure_sum
from lepton_fed.sums import MEASUREMENTS, UPDATES, Scheme, Turnout, scores_in
from lepton_fed.tally import Gathered
from lepton_fed.transport import Flow, Replies

Keys = Mapping[str, SignedKeys]

ATTEMPTS = 2


def gather(
    scheme: Scheme,
    roster: Roster,
    keys: Keys,
    turnout: Turnout,
    works: Mapping[str, Message],
    models: Mapping[str, bytes],
    round: int,
    hubs: Mapping[str, HubState],
    threads: int = 1,
    first: int = 0,
) -> Flow[tuple[Keys, Gathered]]:
    """The sums of one round and the keys for the next; RoundError where they cannot be had.

    `first`: number of the first attempt, where earlier ones at this round came to nothing.
    `works`: by department. `models`: digest of every hub. `hubs`: as the coordinator holds them.
    """
    gathered = Gathered(models=models if scheme.sealed else {})
    if not turnout.members:
        yield from _onlookers(dict(works), gathered)
        return keys, gathered
    for attempt in range(first, first + ATTEMPTS):
        try:
            plan = scheme.plan(
                roster, turnout, model=models_hash(models), shown=shown_hash(models), round=round, attempt=attempt
            )
            keys = yield from _with_keys(keys, {*plan.members, *plan.recipients}, Advertise(round, attempt), gathered)
            outcome = yield from _carried(plan, roster, keys, works, models, gathered, threads)
        except Malformed as error:
            raise RoundError(f"round {round} cannot be summed securely: {error}{_said(gathered.refusals)}") from None
        except RoundFailed as failure:
            gathered.refusals |= failure.reasons
            gone = {n: why for n, why in gathered.refusals.items() if n in plan.members}
            if failure.spent or attempt + 1 == first + ATTEMPTS or not gone:
                before = {n: why for n, why in gathered.refusals.items() if n not in failure.reasons}
                raise RoundError(f"round {round}: {failure}{_said(before)}") from None
            turnout = _second(scheme, roster, turnout, gone)
            keys = {n: k for n, k in keys.items() if n not in plan.members}
        else:
            break
    try:
        taken_in(scheme, outcome, gathered, hubs)
    except Malformed as error:
        raise RoundError(f"round {round}: {error}") from None
    gathered.models = _commonest(gathered.held.values()) or gathered.models
    used = {*plan.members, *plan.recipients}
    return {**{n: k for n, k in keys.items() if n not in used}, **outcome.next_keys}, gathered


def _said(refusals: Mapping[str, str]) -> str:
    """Who is missing and why, to end a sentence with."""
    return f" ({'; '.join(f'{n}: {why}' for n, why in sorted(refusals.items()))})" if refusals else ""


def _second(scheme: Scheme, roster: Roster, turnout: Turnout, gone: Mapping[str, str]) -> Turnout:
    """Who is asked a second time: who was there, or everybody once more where those would be too few."""
    smaller = without(turnout, gone)
    try:
        plan = scheme.plan(roster, smaller, model=bytes(32), round=0)
    except Malformed:
        return turnout  # A coordinator that starts anew in the middle of a round is refused its first attempt by all.
    # Among too few, one may make up most of a sum: every department would refuse.
    return turnout if any(verdict.mode == "refused" for _, verdict in verdicts(plan)) else smaller


def without(turnout: Turnout, names: Mapping[str, str]) -> Turnout:
    """The same round without these."""
    writes = {hub: tuple(n for n in members if n not in names) for hub, members in turnout.writes.items()}
    reports = tuple(n for n in turnout.reports if n not in names)
    return Turnout({hub: members for hub, members in writes.items() if members}, reports)


def _commonest(held: Iterable[Mapping[str, bytes]]) -> Mapping[str, bytes]:
    """What most departments hold: who reports something else is out of step by its own fault, and alone."""
    counts = Counter(tuple(sorted(digests.items())) for digests in held)
    return dict(counts.most_common(1)[0][0]) if counts else {}


def taken_in(scheme: Scheme, outcome: Outcome, gathered: Gathered, hubs: Mapping[str, HubState]) -> None:
    """Adds what the sums say."""
    plan, survivors = outcome.plan, frozenset(outcome.survivors)
    written = scheme.turnout_of(plan).writes
    gathered.counts = {hub: len(survivors.intersection(members)) for hub, members in written.items()}
    in_sums = survivors & frozenset[str]().union(*written.values())
    gathered.answered = tuple(n for n in scheme.settings.names if n in in_sums)
    reasons = gathered.refusals | outcome.reasons
    gathered.refusals = {n: why for n, why in reasons.items() if n not in survivors}
    gathered.warnings += tuple(
        f"{n} is in the sums of round {plan.round} and took no part in opening them: {why}"
        for n, why in outcome.reasons.items()
        if n in survivors
    )
    if plan.sealed:
        gathered.totals = next((found for (group, _), found in outcome.opened.items() if group == MEASUREMENTS), {})
    else:
        gathered.clamped = sum(total.clipped or 0 for (group, _), total in outcome.sums.items() if group == UPDATES)
        gathered.totals = scores_in(plan, outcome.sums)
        gathered.releases = scheme.releases(plan, outcome.sums, outcome.survivors, hubs)
    if gathered.clamped:
        gathered.warnings += (
            f"entries of updates larger than aggregation.clip were cut off ({gathered.clamped} in round {plan.round})",
        )


# ---------------------------------------------------------------- exchanges


def _with_keys(keys: Keys, needed: set[str], question: Advertise, gathered: Gathered) -> Flow[Keys]:
    """Keys of everybody who has none ready; who refuses or is away is left out, and said."""
    missing = sorted(needed - set(keys))
    if not missing:
        return keys
    found = dict(keys)
    silent = dict.fromkeys(missing, "did not answer")
    for name, reply in (yield dict.fromkeys(missing, question)):
        if isinstance(reply, Advertised):
            found[name] = reply.keys
        elif isinstance(reply, Refused):
            gathered.refusals[name] = reply.reason
        silent.pop(name, None)
    gathered.refusals |= silent
    return found


def _onlookers(works: dict[str, Message], gathered: Gathered) -> Flow[None]:
    """Departments that only measure what they have, for themselves."""
    for name, reply in (yield works):
        _heard(name, reply, gathered)


def _carried(
    plan: Plan,
    roster: Roster,
    keys: Keys,
    works: Mapping[str, Message],
    models: Mapping[str, bytes],
    gathered: Gathered,
    threads: int,
) -> Flow[Outcome]:
    """`secure_sum` with its requests as our messages and our replies as its own."""
    flow = secure_sum(plan, roster, [keys[n] for n in sorted(keys)], threads=threads)
    onlookers = {n: w for n, w in works.items() if n not in plan.members and isinstance(w, Work) and not w.write}
    try:
        requests = next(flow)
        while True:
            messages: dict[str, Message] = {
                name: _asked(request, works.get(name), models) for name, request in requests.items()
            }
            if any(isinstance(request, Delivery) for request in requests.values()):
                messages |= onlookers
            requests = flow.send(_answers((yield messages), gathered))
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


def _asked(request: Wire, work: Message | None, models: Mapping[str, bytes]) -> Message:
    if not isinstance(request, Delivery) or not isinstance(work, Work):
        return Sum(request)
    return Sum(request, work, {name: digest for name, digest in models.items() if name not in work.hubs})


def _answers(replies: Replies, gathered: Gathered) -> Iterator[tuple[str, Wire]]:
    """Each reply as the protocol's own, as it comes; what else it says is kept."""
    for name, reply in replies:
        _heard(name, reply, gathered)
        if isinstance(reply, Summed):
            yield name, reply.reply
        elif isinstance(reply, Refused):
            yield name, Refusal(name, reply.reason)
        del reply  # The next masked vector is made while this loop waits; hold no other meanwhile.


def _heard(name: str, reply: Reply, gathered: Gathered) -> None:
    if isinstance(reply, (Summed, Done)):
        if reply.disclosed:
            gathered.disclosed[name] = reply.disclosed
        if reply.seconds:
            gathered.seconds[name] = reply.seconds
    if isinstance(reply, Summed):
        if reply.warning:
            gathered.warnings += (f"{name}: {reply.warning}",)
        if reply.models:
            gathered.held[name] = reply.models
    elif isinstance(reply, Refused):
        gathered.refusals[name] = reply.reason
