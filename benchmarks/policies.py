"""What a decision costs when there are a thousand policies, in CPU milliseconds (the machine may be shared).

    python -m benchmarks.policies                the table
    python -m benchmarks.policies --smoke        fifty policies, to see that it runs
    python -m benchmarks.policies --json

grants      [[access]] of as many data sets, five to each
one set     [[access]] of one data set for as many departments: one policy over one set of names
scoped      a department's own file, each policy about one other department, one action and one data set
loose       a department's own file, each policy about everybody and everything: Cedar reads all of them each time

`first` is a decision whose rules are not prepared yet, `median` and `p95` those that follow, as in a run. Questions
go round over departments, actions and data sets.

The second table is of a department from which as many others learn: the first message of a run, and what each later one
costs with an own rule that asks for this or that. `calls` are questions to Cedar.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from benchmarks.arguments import begin, integer
from benchmarks.machine import machine
from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.enforcement import Guard, Moment
from lepton_fed.policies import CedarFile, Context, Policies, Request
from lepton_fed.policies.engine import Prepared
from lepton_fed.policy import CHINESE
from lepton_fed.settings import (
    Column,
    DataContract,
    DepartmentSettings,
    Flow,
    Grant,
    Identity,
    Label,
    ModelSettings,
    Rounds,
    Settings,
)

OWNER = "生产车间"
VERBS = tuple(CHINESE.values())
CONTEXT = Context(
    purpose="质检",
    crowd=5,
    epsilon_spent=0.5,
    code="",
    federation="",
    plan="",
    part="",
    hour=9,
    round=1,
    rounds=9,
)


@dataclass(frozen=True)
class Timed:
    """Milliseconds a decision."""

    case: str
    policies: int
    compile_ms: float
    first_ms: float
    median_ms: float
    p95_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--policies", type=integer(5), default=1000, metavar="N")
    parser.add_argument("--decisions", type=integer(1), default=2000, metavar="N", help="timed, for each case")
    parser.add_argument("--smoke", action="store_true", help="50 policies, 40 decisions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    count, decisions = (50, 40) if options.smoke else (options.policies, options.decisions)
    found = [timed(name, make, count, decisions) for name, make in CASES.items()]
    rounds = [enforced(name, text, 50 if options.smoke else count) for name, text in ENFORCED.items()]
    if options.json:
        said = {"decisions": [vars(one) for one in found], "rounds": [vars(one) for one in rounds]}
        print(json.dumps({"machine": machine(), **said}, ensure_ascii=False))
        return
    print("  ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"{'case':10}{'policies':>9}{'compile':>10}{'first':>9}{'median':>9}{'p95':>9}   ms")
    for one in found:
        times = f"{one.compile_ms:10.1f}{one.first_ms:9.3f}{one.median_ms:9.3f}{one.p95_ms:9.3f}"
        print(f"{one.case:10}{one.policies:9}{times}")
    print(f"\n{'own rule about':14}{'readers':>9}{'first':>9}{'calls':>7}{'a round':>10}{'calls':>8}   ms, us")
    for row in rounds:
        first = f"{row.first_ms:9.2f}{row.calls_first:7}"
        print(f"{row.case:14}{row.readers:9}{first}{row.round_us:10.1f}{row.calls_round:8.2f}")


@dataclass(frozen=True)
class Enforced:
    """What enforcement costs a department that is asked to train; `calls`: questions to Cedar."""

    case: str
    readers: int
    first_ms: float
    calls_first: int
    round_us: float
    calls_round: float


ENFORCED = {
    "no own files": "",
    "the hour": 'forbid (principal, action == Action::"train", resource) unless { context.hour >= 20 };',
    "the crowd": 'forbid (principal, action == Action::"train", resource) when { context.crowd < 3 };',
    "the round": 'forbid (principal, action == Action::"train", resource) when { context.round > 1000 };',
}
"""Own policies by what they ask for: it decides how often Cedar is asked."""

ROUNDS = 100


def enforced(case: str, text: str, readers: int) -> Enforced:
    """A hundred rounds of one department whose update everybody learns from, by day and night."""
    chosen = settings(readers, (Grant(what="数据", who=("*",), action="train"),))
    chosen = replace(chosen, sharing=(Flow(what="数据", from_=("*",), to=("*",)),), rounds=Rounds(count=ROUNDS))
    own = {OWNER: (CedarFile("own.cedar", text),)} if text else {}
    hour, calls = [21], [0]
    guard = Guard(OWNER, chosen, Policies.of(chosen, own), hour=lambda: hour[0])
    (plan,) = hubs(chosen)
    ask = Prepared.verdict

    def counted(self: Prepared, *question: Any) -> Any:
        calls[0] += 1
        return ask(self, *question)

    with patch.object(Prepared, "verdict", counted):
        first = _asked(guard, plan, 1)
        before, calls[0] = calls[0], 0
        later = []
        for number in range(2, ROUNDS + 1):
            hour[0] = 20 + number // 30  # Some rounds an hour, as in a run that takes the evening.
            later.append(_asked(guard, plan, number))
    return Enforced(case, readers, 1e3 * first, before, 1e6 * statistics.mean(later), calls[0] / len(later))


def _asked(guard: Guard, plan: HubPlan, number: int) -> float:
    """Seconds for one message that would let its update reach the readers."""
    start = time.thread_time()
    reason = guard.training([(plan, Moment(number, 5))])
    spent = time.thread_time() - start
    assert reason is None, reason
    return spent


def settings(departments: int, access: tuple[Grant, ...]) -> Settings:
    names = (OWNER, *(f"部门{k}" for k in range(departments)))
    return Settings(
        federation=Identity(name="bench", purpose="bench"),
        departments=tuple(DepartmentSettings(name=name) for name in names),
        data=DataContract(label=Label(meaning="x", classes=("0", "1")), columns=(Column(name="x"),)),
        model=ModelSettings(name="linear"),
        access=access,
    )


def grants(count: int) -> Policies:
    """Entry k is about data set k // 5 and action k % 5, for two departments of ten."""
    made = tuple(
        Grant(what=f"数据{k // 5}", who=(f"部门{k % 10}", f"部门{(k + 3) % 10}"), action=_verb(k), owner=(OWNER,))
        for k in range(count)
    )
    return Policies.of(settings(10, made))


def one_set(count: int) -> Policies:
    made = tuple(Grant(what="数据0", who=(f"部门{k}",), action="train", owner=(OWNER,)) for k in range(0, 2 * count, 2))
    return Policies.of(settings(2 * count, made))


def scoped(count: int) -> Policies:
    text = "\n".join(
        f'permit (principal == Department::"部门{k % 10}", action == Action::"{_verb(k)}", '
        f'resource == DataSet::"{OWNER}/数据{k // 5}") when {{ context.crowd >= 3 }};'
        for k in range(count)
    )
    return Policies.of(settings(10, ()), {OWNER: (CedarFile("own.cedar", text),)})


def loose(count: int) -> Policies:
    text = "\n".join(
        f"{'forbid' if k % 2 else 'permit'} (principal, action, resource) when {{ context.crowd == {k + 5} }};"
        for k in range(count)
    )
    return Policies.of(settings(10, ()), {OWNER: (CedarFile("own.cedar", text),)})


CASES: dict[str, Callable[[int], Policies]] = {"grants": grants, "one set": one_set, "scoped": scoped, "loose": loose}


def _verb(k: int) -> Any:
    """One of the five, as a grant's type wants it."""
    return VERBS[k % len(VERBS)]


def questions(count: int) -> Iterator[Request]:
    """Forty of them, round and round: what a run asks."""
    for k in range(count):
        yield Request(
            who=f"部门{k % 10}", role="department", verb=VERBS[k % 5], what=f"数据{k % 8}", owner=OWNER, context=CONTEXT
        )


def timed(name: str, make: Callable[[int], Policies], count: int, decisions: int) -> Timed:
    start = time.thread_time()
    policies = make(count)
    compiled = time.thread_time() - start
    assert not policies.problems
    first = [_clock(policies, request) for request in questions(40)]
    later = sorted(_clock(policies, request) for request in questions(decisions))
    return Timed(
        name,
        count,
        1e3 * compiled,
        statistics.median(first),
        statistics.median(later),
        later[int(0.95 * len(later))],
    )


def _clock(policies: Policies, request: Request) -> float:
    start = time.thread_time()
    decision = policies.decide(request)
    spent = 1e3 * (time.thread_time() - start)
    assert not decision.broken
    return spent


if __name__ == "__main__":
    begin(main)
