"""How a model came to be, collected from a log: who, which code, which data contracts, which policies, how much ε.

    ModelMade(digest) ─► its run ─► RunBegun, Decided, Planned, Survived, Released, Spent before it, RunEnded after it

What departments tell of themselves comes with the next head, and so may stand behind the model that it is about: there
its time counts, by the department's own clock.

It is as true as the log: verify that first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lepton_fed.accounts import MEASURED
from lepton_fed.audit.entries import (
    Decided,
    Digests,
    Entry,
    ModelMade,
    Planned,
    Released,
    RunBegun,
    RunEnded,
    Spent,
    Survived,
    spoken,
)
from lepton_fed.audit.record import Record
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.translation import sentence

Placed = tuple[int, Entry]
"""An entry and its index."""


@dataclass(frozen=True)
class Epsilon:
    """What a data set's ledger booked for the model, and the set's total afterwards; millionths of ε."""

    department: str
    data_set: str
    micro_epsilon: int
    total_micro_epsilon: int
    delta: float


@dataclass(frozen=True)
class Provenance:
    """How one run made the model. `departments`: in how many released rounds each one's addends are; `policies`: every
    version that decided; `refused`: who said no to whom, to what; `entries`: indexes of those that say all this.
    """

    model: bytes
    run: str
    federation: str
    purpose: str
    fingerprint: bytes
    targets: tuple[str, ...]
    round: int
    began: int
    made: int
    status: str
    departments: tuple[tuple[str, int], ...]
    code: Digests
    contracts: Digests
    policies: Digests
    rosters: tuple[bytes, ...]
    allowed: int
    refused: tuple[str, ...]
    epsilon: tuple[Epsilon, ...]
    entries: tuple[int, ...]

    @property
    def text(self) -> str:
        """For a person."""
        return "\n".join(_said(self))


def prove(records: Iterable[Record], model: bytes) -> tuple[Provenance, ...]:
    """Of each run in which the model came out, by digest (32 bytes) of its file or of its parameters, in order.

    ConfigError: no entry names it. Malformed: an entry cannot be read; verify the log.
    """
    placed = [(record.index, Entry.read(record.body)) for record in records]
    runs = dict.fromkeys(entry.run for _, entry in placed if _is_of(entry, model))
    if not runs:
        raise ConfigError(f"no entry of the log names a model {model.hex()}; check the digest, or use another log")
    return tuple(_of_run([one for one in placed if one[1].run == run], model) for run in runs)


def names(records: Iterable[Record], model: bytes) -> bool:
    """Whether an entry names the model; one that cannot be read names none."""
    return any(_names(record, model) for record in records)


def _names(record: Record, model: bytes) -> bool:
    try:
        return model in record.body and _is_of(Entry.read(record.body), model)
    except Malformed:
        return False


def _is_of(entry: Entry, model: bytes) -> bool:
    return isinstance(entry, ModelMade) and model in (entry.model, entry.parameters)


def _of_run(entries: Sequence[Placed], model: bytes) -> Provenance:
    made = [(index, entry) for index, entry in entries if isinstance(entry, ModelMade) and _is_of(entry, model)]
    last = made[-1][0]
    then = made[-1][1].time
    about = [(i, e) for i, e in entries if i < last or (isinstance(e, Decided | Spent) and e.time <= then)]
    before = [entry for _, entry in about]
    begun = [entry for entry in before if isinstance(entry, RunBegun)]
    if not begun:
        raise ConfigError(
            sentence(
                "the log has the model's entry {last} and not the beginning of its run; use the whole log", last=last
            )
        )
    ended = [(index, entry) for index, entry in entries if isinstance(entry, RunEnded) and index > last]
    decided = [entry for entry in before if isinstance(entry, Decided)]
    used = [i for i, e in about if not isinstance(e, ModelMade)]
    return Provenance(
        model=model,
        run=begun[-1].run,
        federation=begun[-1].federation,
        purpose=begun[-1].purpose,
        fingerprint=begun[-1].fingerprint,
        targets=tuple(sorted({entry.target for _, entry in made})),
        round=made[-1][1].round,
        began=begun[0].time,
        made=made[-1][1].time,
        status=ended[-1][1].status if ended else "running",
        departments=_taking_part(before),
        code=_merged(entry.code for entry in begun),
        contracts=_merged(entry.contracts for entry in begun),
        policies=_merged([*(e.policies for e in begun), *(((e.department, e.policy),) for e in decided)]),
        rosters=tuple(dict.fromkeys(entry.roster for entry in before if isinstance(entry, Planned))),
        allowed=sum(entry.allowed for entry in decided),
        refused=tuple(_refusal(entry) for entry in decided if not entry.allowed),
        epsilon=_epsilon(before),
        entries=tuple(sorted([*used, *(index for index, _ in made), *(index for index, _ in ended)])),
    )


def _taking_part(entries: Sequence[Entry]) -> tuple[tuple[str, int], ...]:
    """In how many rounds each department's updates came out; where no sum is told, in how many it delivered."""
    sums = [e for e in entries if isinstance(e, Released) and not e.group.startswith(MEASURED)]
    released = {(e.round, name) for e in sums for name in e.departments}
    delivered = {(e.round, name) for e in entries if isinstance(e, Survived) for name in e.survivors}
    return tuple(sorted(Counter(name for _, name in released or delivered).items()))


def _merged(tables: Iterable[Digests]) -> Digests:
    """All that differ; one name twice means that it changed on the way."""
    return tuple(sorted({one for table in tables for one in table}))


def _refusal(entry: Decided) -> str:
    rules = ", ".join(entry.rules) or "default deny"
    return f"{entry.department} to {entry.principal}: {entry.action} {entry.resource} ({rules})"


def _epsilon(entries: Sequence[Entry]) -> tuple[Epsilon, ...]:
    found: dict[tuple[str, str], Epsilon] = {}
    for entry in entries:
        if isinstance(entry, Spent):
            key = (entry.department, entry.data_set)
            so_far = found[key].micro_epsilon if key in found else 0
            found[key] = Epsilon(*key, so_far + entry.micro_epsilon, entry.total_micro_epsilon, entry.delta)
    return tuple(found[key] for key in sorted(found))


def _said(p: Provenance) -> Iterator[str]:
    yield f"model {p.model.hex()} of {', '.join(p.targets)}"
    yield f"  made in round {p.round} of run {p.run}, {spoken(p.made)}; the run began {spoken(p.began)}: {p.status}"
    yield f"  federation {p.federation}, its file {p.fingerprint.hex()}"
    yield f"  purpose {p.purpose}"
    yield "who"
    yield from (f"  {name}, in {rounds} {_plural('round', rounds)}" for name, rounds in p.departments)
    for title, table in (("code", p.code), ("data contracts", p.contracts), ("policies", p.policies)):
        yield title
        yield from [f"  {name} {digest.hex()}" for name, digest in table] or ["  none recorded"]
    yield "decisions"
    yield f"  {p.allowed} allowed, {len(p.refused)} refused"
    yield from (f"  refused by {one}" for one in p.refused)
    yield "ε"
    yield from [_booked(one) for one in p.epsilon] or ["  none was booked"]
    yield f"from {len(p.entries)} entries of the log, {p.entries[0]} to {p.entries[-1]}"


def _booked(one: Epsilon) -> str:
    spent, total = one.micro_epsilon / 1e6, one.total_micro_epsilon / 1e6
    return f"  {one.department}, {one.data_set}: {spent:g} for this model, {total:g} in all, at δ {one.delta:g}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
