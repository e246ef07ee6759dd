"""Can released sums be combined into something about fewer departments than agreed? The differencing audit.

    W has a row per released sum: its public weight at each member, 0 elsewhere.
    support:  every non-zero combination of rows involves at least K = k + max(c, 1) departments, so that a
    member,
              or c of them together, that take away their own parts still face k others;
    leverage: no department makes up more than 1 / k_soft of the squared length of any combination.

Support is the cogirth of a matroid, NP-hard in general and easy at our sizes. Sufficient rules are tried
first (atoms, new members, overlap, leverage), then an exact search. Everything is rational, so every
department and the coordinator find the same verdict. (Chin and Ozsoyoglu, TSE 1982; Denning, Denning and
Schwartz, "The Tracker", TODS 1979.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from lepton_fed.secagg import linear
from lepton_fed.translation import sentence

EFFORT = 20_000
"""Steps of the exact search before a plan counts as not proved safe; a few seconds at most."""

MERGE_EFFORT = 100
"""Steps for each candidate when a merge that passes is looked for; one that is not settled by then does not
count.
"""

MERGES = 100
"""Candidate merges that are looked at."""


@dataclass(frozen=True)
class Released:
    """One sum that somebody sees: its name and the non-zero weight of each department in it, sorted by
    name.
    """

    name: str
    weights: tuple[tuple[str, Fraction], ...]

    @classmethod
    def of(cls, name: str, members: Sequence[str], weights: Sequence[Fraction] | None = None) -> Released:
        """A released sum; all weights are 1 unless given."""
        values = weights if weights is not None else [Fraction(1)] * len(members)
        return cls(name, tuple(sorted(zip(members, values, strict=True))))

    @property
    def members(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.weights)

    def among(self, survivors: frozenset[str]) -> Released:
        """The same sum when only the survivors are in it."""
        return replace(self, weights=tuple(item for item in self.weights if item[0] in survivors))


@dataclass(frozen=True)
class Rule:
    """What a plan must satisfy: K of the support rule, k_soft of the leverage rule, ratio of the secret
    weights' band.
    """

    least: int
    soft: Fraction = Fraction(5, 4)
    band: Fraction = Fraction(1)

    @classmethod
    def of(cls, crowd: int, colluders: int, soft: Fraction = Fraction(5, 4), band: Fraction = Fraction(1)) -> Rule:
        """K = k + max(c, 1): a member that receives a sum knows its own part of it, so one is always taken
        away.
        """
        return cls(crowd + max(colluders, 1), soft, band)


@dataclass(frozen=True)
class Exposure:
    """Departments that a combination of released sums singles out."""

    departments: tuple[str, ...]
    combination: tuple[tuple[str, Fraction], ...]

    def __str__(self) -> str:
        terms = " ".join(f"{'+' if factor > 0 else '-'} {abs(factor)} x {name}" for name, factor in self.combination)
        return f"{terms.removeprefix('+ ')} involves only {', '.join(self.departments)}"


@dataclass(frozen=True)
class Finding:
    """Whether released sums are safe together: by which rule, or what breaks it."""

    safe: bool
    reason: str
    leverage: Fraction = Fraction(0)
    exposure: Exposure | None = None


@dataclass(frozen=True)
class Verdict:
    """How a group's cohorts may be summed: "atom", "cohort" or "refused", with the reason.

    When refused: `finding.exposure` says who is exposed and how, `merge` the smallest merge of cohorts that
    passes (None if none does).
    """

    mode: str
    finding: Finding
    atoms: tuple[tuple[str, ...], ...]
    merge: tuple[tuple[str, ...], ...] | None = None

    def __str__(self) -> str:
        if self.mode != "refused":
            return f"{self.mode} mode: {self.finding.reason}"
        way_out = "no merge of these cohorts passes"
        if self.merge is not None:
            way_out = "it passes with " + " and ".join("+".join(names) for names in self.merge)
        return f"refused: {self.finding.reason}; {way_out}"


def verdict(cohorts: tuple[Released, ...], rule: Rule) -> Verdict:
    """The verdict on a group's cohorts: mask within atoms if those are large enough, else by cohort, else
    not at all.
    """
    blocks = atoms(cohorts)
    names = tuple(tuple(name for name, _ in block.weights) for block in blocks)
    if min(map(len, names)) >= rule.least and (by_atom := examine(blocks, rule)).safe:
        return Verdict("atom", by_atom, names)
    by_cohort = examine(distinct(cohorts), rule)
    if by_cohort.safe:
        return Verdict("cohort", by_cohort, names)
    return Verdict("refused", by_cohort, names, smallest_merge(cohorts, rule))


def atoms(cohorts: Sequence[Released]) -> tuple[Released, ...]:
    """Departments with parallel columns, which no combination can tell apart; each atom with its relative
    weights.
    """
    columns: dict[tuple[int, ...], dict[str, Fraction]] = {}
    for name in sorted(frozenset[str]().union(*(cohort.members for cohort in cohorts))):
        column = tuple(dict(cohort.weights).get(name, Fraction(0)) for cohort in cohorts)
        first = next(entry for entry in column if entry)
        columns.setdefault(linear.integer_row(column), {})[name] = first
    return tuple(Released(f"atom of {min(block)}", tuple(sorted(block.items()))) for block in columns.values())


def distinct(released: Sequence[Released]) -> tuple[Released, ...]:
    """The sums without those that are multiples of an earlier one, and without empty ones."""
    kept: dict[tuple[tuple[str, ...], tuple[int, ...]], Released] = {}
    for one in released:
        if one.weights:
            names, weights = zip(*one.weights, strict=True)
            kept.setdefault((names, linear.integer_row(weights)), one)
    return tuple(kept.values())


@lru_cache(256)
def examine(released: tuple[Released, ...], rule: Rule) -> Finding:
    """Whether these sums are safe when all of them are seen together."""
    rows = distinct(released)
    if not rows:
        return Finding(True, "nothing is released")
    blocks, names = atoms(rows), _departments(rows)
    by_rule, support = _support_rule(rows, blocks, names, rule.least, EFFORT)
    if support is not None:
        return _exposed(rows, names, blocks, rule, support)
    if by_rule is None:
        return Finding(False, f"that {rule.least} departments stand behind every combination could not be proved")
    return _graded(by_rule, _matrix(rows, names), names, rule)


def _support_rule(
    rows: tuple[Released, ...], blocks: tuple[Released, ...], names: tuple[str, ...], least: int, effort: int
) -> tuple[str | None, frozenset[str] | None]:
    """By which rule K departments stand behind every combination, or fewer than K that one singles out, or
    neither.
    """
    by_rule = _sufficient(rows, blocks, least)
    if by_rule is not None:
        return by_rule, None
    matrix = _matrix(rows, names)
    if linear.rank(matrix) > len(names) - least + 1:
        return None, frozenset(names[: least - 1])
    if sum(sorted(linear.leverages(matrix))[len(names) - least + 1 :]) < 1:
        return "leverage", None
    try:
        support = _light(rows, blocks, least - 1, effort)
    except linear.TooHard:
        return None, None
    return ("exact search", None) if support is None else (None, support)


def _departments(rows: Sequence[Released]) -> tuple[str, ...]:
    return tuple(sorted(frozenset[str]().union(*(row.members for row in rows))))


def worst_leverage(leverage: Fraction, band: Fraction) -> Fraction:
    """Largest leverage when the column's secret weight is `band` times everybody else's."""
    squared = band * band
    return squared * leverage / (1 + (squared - 1) * leverage)


def coalition_leverage(released: tuple[Released, ...], colluders: int) -> Fraction:
    """Largest leverage left after a coalition takes its own columns away, one greedy choice at a time (a
    lower bound).
    """
    rows, worst = distinct(released), Fraction(0)
    for _ in range(colluders + 1):
        names = _departments(rows)
        if not names:
            break
        values = linear.leverages(_matrix(rows, names))
        worst = max(worst, *values)
        victim = values.index(max(values))
        order = sorted(range(len(names)), key=lambda index: (index == victim, -values[index]))
        rows = distinct([row.among(frozenset(names) - {names[order[0]]}) for row in rows])
    return worst


def smallest_merge(cohorts: tuple[Released, ...], rule: Rule) -> tuple[tuple[str, ...], ...] | None:
    """The partition of the cohorts with fewest merges that passes, each part summed as one cohort; None if
    none passes.

    Among equally many merges, the one that adds fewest departments to cohorts. Beyond 6 cohorts only pairs
    merged greedily.
    """
    by_name = {cohort.name: cohort for cohort in cohorts}
    parts: list[Partition] = [frozenset((name,) for name in by_name)]
    left = MERGES
    while parts and left > 0:
        merged = {merge for part in parts for merge in _merges(part)}
        nearest = sorted(merged, key=lambda part: _added(part, by_name))[:left]
        for part in nearest:
            if _passes([_union(names, by_name) for names in sorted(part)], rule):
                return tuple(sorted(part))
        left -= len(nearest)
        parts = nearest if len(cohorts) <= 6 else nearest[:1]
    return None


Partition = frozenset[tuple[str, ...]]


def _merges(part: Partition) -> Iterator[Partition]:
    for left, right in combinations(sorted(part), 2):
        yield (part - {left, right}) | {tuple(sorted(left + right))}


def _union(names: tuple[str, ...], by_name: dict[str, Released]) -> Released:
    """One cohort in the place of several; a department keeps the weight of the first that has it."""
    weights: dict[str, Fraction] = {}
    for name in names:
        for member, weight in by_name[name].weights:
            weights.setdefault(member, weight)
    return Released("+".join(names), tuple(sorted(weights.items())))


def _added(part: Partition, by_name: dict[str, Released]) -> tuple[int, list[tuple[str, ...]]]:
    added = 0
    for names in part:
        union = len(_union(names, by_name).members)
        added += sum(union - len(by_name[name].members) for name in names)
    return added, sorted(part)


def _passes(cohorts: list[Released], rule: Rule) -> bool:
    """Whether they pass as cohorts; whatever passes by atoms does."""
    rows = distinct(cohorts)
    names = _departments(rows)
    by_rule, _ = _support_rule(rows, atoms(rows), names, rule.least, MERGE_EFFORT)
    return by_rule is not None and _graded(by_rule, _matrix(rows, names), names, rule).safe


def _sufficient(rows: tuple[Released, ...], blocks: tuple[Released, ...], least: int) -> str | None:
    """The first cheap rule that proves the support rule, in words, or None."""
    smallest = min(len(block.members) for block in blocks)
    if smallest >= least:
        return sentence(
            "every atom has at least {smallest} departments, {least} are needed", smallest=smallest, least=least
        )
    if _new_members(rows, least):
        return sentence("each cohort brings at least {least} departments that no other before it has", least=least)
    sizes = [len(row.members) for row in rows]
    overlap = max((len(a.members & b.members) for a, b in combinations(rows, 2)), default=0)
    if _equal_weights(rows) and (len(rows) - 1) * overlap <= min(sizes) - least:
        return sentence(
            "cohorts of at least {smallest} departments overlap in at most {overlap}",
            smallest=min(sizes), overlap=overlap,
        )  # fmt: skip
    return None


def _new_members(rows: tuple[Released, ...], least: int) -> bool:
    """Whether the cohorts can be ordered so that each brings `least` new members; taking any that can come
    last is optimal.
    """
    left = list(rows)
    while left:
        for row in left:
            others = frozenset[str]().union(*(other.members for other in left if other is not row))
            if len(row.members - others) >= least:
                left.remove(row)
                break
        else:
            return False
    return True


def _equal_weights(rows: tuple[Released, ...]) -> bool:
    """Whether each department has one weight wherever it occurs, so that the rows are 0/1 up to column
    scaling.
    """
    seen: dict[str, Fraction] = {}
    return all(seen.setdefault(name, weight) == weight for row in rows for name, weight in row.weights)


def _graded(rule_name: str, matrix: linear.Matrix, names: tuple[str, ...], rule: Rule) -> Finding:
    """The support rule holds by `rule_name`; now nobody may dominate a combination."""
    values = linear.leverages(matrix)
    worst = worst_leverage(max(values), rule.band)
    if worst * rule.soft <= 1:
        return Finding(True, rule_name, worst)
    name = names[values.index(max(values))]
    reason = f"{name} can make up {float(worst):.3%} of one combination, more than 1/{float(rule.soft):g} of it"
    if rule.band > 1:
        reason += f" when its weight is {float(rule.band):g} times the others'"
    return Finding(False, reason, worst, Exposure((name,), ()))


def _exposed(
    rows: tuple[Released, ...],
    names: tuple[str, ...],
    blocks: tuple[Released, ...],
    rule: Rule,
    known: frozenset[str],
) -> Finding:
    """The smallest set of departments that some combination singles out (or the `known` one), and the
    combination.
    """
    support = _smallest(rows, blocks, len(known) - 1) or known
    matrix = _matrix(rows, names)
    outside = [column for column, name in enumerate(names) if name not in support]
    zeroing = linear.null_left(tuple(tuple(row[column] for column in outside) for row in matrix))
    coefficients = next(u for u in zeroing if any(_combine(u, matrix)))
    factors = linear.integer_row(coefficients)
    combination = tuple((row.name, Fraction(f)) for row, f in zip(rows, factors, strict=True) if f)
    involved = tuple(name for name, value in zip(names, _combine(coefficients, matrix), strict=True) if value)
    exposure = Exposure(involved, combination)
    return Finding(False, f"{exposure}; {rule.least} departments are needed", Fraction(1), exposure)


def _smallest(rows: tuple[Released, ...], blocks: tuple[Released, ...], budget: int) -> frozenset[str] | None:
    """The smallest exposed set, if it is found quickly."""
    for size in range(1, budget + 1):
        try:
            support = _light(rows, blocks, size, MERGE_EFFORT)
        except linear.TooHard:
            break
        if support is not None:
            return support
    return None


def _light(rows: tuple[Released, ...], blocks: tuple[Released, ...], budget: int, effort: int) -> frozenset[str] | None:
    """A union of whole atoms, of at most `budget` departments, that carries a combination."""
    heads = tuple(min(block.members) for block in blocks)
    sizes = [len(block.members) for block in blocks]
    support = linear.light_support(_matrix(rows, heads), sizes, budget, effort)
    return None if support is None else frozenset[str]().union(*(blocks[index].members for index in support))


def _matrix(rows: Sequence[Released], names: tuple[str, ...]) -> linear.Matrix:
    lookups = [dict(row.weights) for row in rows]
    return tuple(tuple(lookup.get(name, Fraction(0)) for name in names) for lookup in lookups)


def _combine(coefficients: linear.Row, matrix: linear.Matrix) -> linear.Row:
    columns = zip(*matrix, strict=True)
    return tuple(sum((u * w for u, w in zip(coefficients, column, strict=True)), Fraction(0)) for column in columns)
