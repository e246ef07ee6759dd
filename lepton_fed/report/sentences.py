"""What a run's sums hid from whom, in sentences: for the page, the model cards and the terminal.

    in_short(sums)       one line
    promises(content)    (about whom or what, sentences), for an auditor and for a department's engineer

Nothing stronger is said than what holds in every round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Context
from math import isfinite

from lepton_fed.history import FEDERATION
from lepton_fed.report.content import AuditLog, ReportContent, Sums

SIMULATED = ("inprocess", "flower")
"""Engines that run all departments on one machine."""

_MOST_NAMED = 6


def in_short(sums: Sums) -> str:
    """One line for a terminal."""
    if not sums.secure:
        return "plain (the coordinator could see single updates)"
    said = f"secure, each department hidden among at least {_others(sums.crowd)}"
    if sums.sealed:
        said += "; the coordinator could not open them"
    if _exposed(sums):
        said += "; departments could work out one another's numbers"
    return f"{said}; noise: {_spent(sums)}" if sums.epsilon is not None else said


def updates(sums: Sums) -> str:
    """What became of single updates, in one sentence or two."""
    if not sums.secure:
        return "Plain sums: the coordinator could see single updates."
    if sums.sealed:
        said = "Sealed sums: the coordinator could open no sum of updates, and saw no single update."
    else:
        said = "Secure sums: the coordinator saw sums over departments, and no single update."
    said += f" Each department hid among at least {_others(sums.crowd)}."
    return f"{said} {_SO_FEW}" if _exposed(sums) else said


def counts(sums: Sums) -> str:
    """What became of the counts of examples that weigh departments."""
    if not sums.secure:
        return "with plain sums the coordinator could see them"
    said = "only sums of them were known to anyone else"
    if sums.counts is None:
        return said
    low, high = sums.counts
    return f"{said}; each was brought between {low:g} and {high:g} before it weighed"


def noise(sums: Sums) -> str:
    """What noise promises, with all that an epsilon needs beside it; empty without noise."""
    if sums.epsilon is None:
        return ""
    rounds = "its one round" if sums.rounds == 1 else f"all {sums.rounds:,} rounds"
    return (
        f"Noise was added to every sum: over every word that sums released in {rounds}, the run is differentially "
        f"private with {_spent(sums)}, for one department's contribution set to zero."
    )


def promises(content: ReportContent) -> list[tuple[str, str]]:
    """What each could see, in order."""
    said = list(_secure(content) if content.sums.secure else _plain())
    if _shown(content):
        said.append(("Measurements", "Departments showed their own, beside the sums: the coordinator saw them."))
    if content.sums.secure and content.engine in SIMULATED:
        said.append(("This simulation", _THROW_AWAY))
    return said


def logged(log: AuditLog) -> str:
    """How far the audit log had come, and who stands by it."""
    said = f"{log.name}, {log.entries:,} entries, "
    signed = ", ".join(log.countersigned[:_MOST_NAMED])
    more = len(log.countersigned) - _MOST_NAMED
    said += f"countersigned by {signed}" if signed else "countersigned by no department"
    said += f" and {more:,} more" if more > 0 else ""
    if log.refused:
        return f"{said}; NOT by {', '.join(log.refused[:_MOST_NAMED])}"
    return f"{said}; to check it: lepton-fed audit verify"


def facts(content: ReportContent) -> list[tuple[str, str]]:
    """The protocol's numbers, for an engineer."""
    sums, drawn = content.sums, content.settings.rounds.participants
    if not sums.secure:
        return []
    modes = [(f"Sums of {group}", _MODES.get(mode, mode)) for group, mode in sums.modes.items()]
    return [
        ("Departments, n", f"{sums.members:,}" + (f"; {drawn:,} are drawn to train in each round" if drawn else "")),
        ("May collude, c", f"{sums.colluders:,}"),
        ("Hidden among, k", _crowds(sums)),
        ("Smallest sum", f"over {sums.fewest:,} departments"),
        ("Largest share", f"{sums.largest_share:.0%} of anything that the sums tell, by squared weights"),
        *modes,
        *([("Noise", _spent(sums))] if sums.epsilon is not None else []),
    ]


_MODES = {
    "atom": "atom mode: departments that are always summed together are masked together",
    "cohort": "cohort mode: each sum is masked by itself; no combination of them singles anybody out",
}

_SO_FEW = (
    "With so small a crowd departments could work out one another's numbers: it protects from the coordinator only."
)

_THROW_AWAY = (
    "It made everybody's keys itself, for this run: what is said above is what a coordinator elsewhere could have "
    "seen, and whoever ran it could read everything."
)

_SENT = "They were sent the common models that they learn from"


def _plain() -> Iterator[tuple[str, str]]:
    yield (
        "The coordinator",
        "Plain sums: it could see single updates, each with its weight, and what each department added to totals of "
        "the report.",
    )
    yield (
        "Departments",
        f"{_SENT}, and no single update; where only two write to a model, each could work out the other's update.",
    )
    yield "To change that", "aggregation.secure = true in the federation file hides single updates."


def _secure(content: ReportContent) -> Iterator[tuple[str, str]]:
    sums = content.sums
    yield "The coordinator", " ".join(_coordinator(sums))
    yield "Departments", _departments(sums)
    yield "Those who work together", _collusion(sums) + (_SEAL if sums.sealed else "")
    yield "Not hidden", " ".join(_open(content))
    yield "Noise", " ".join(_noise(content))
    yield "From round to round", _ROUNDS[sums.across_rounds]
    yield "Always", _ALWAYS


_ROUNDS = {
    "off": "Departments did not compare the sums of different rounds: who joins or leaves could show in a difference.",
    "warn": "Departments compared the sums of different rounds; where somebody could be singled out, it is a warning.",
    "enforce": "Departments compared the sums of different rounds, and refused those that would single somebody out.",
}

_SEAL = " One of those who could open the sums was enough to show them to the coordinator."

_ALWAYS = (
    "The settings decide how sums are made, from the first round to the last. A round in which too few departments "
    "are left fails and gives nothing."
)


def _coordinator(sums: Sums) -> Iterator[str]:
    if sums.sealed:
        yield f"It could open no sum of updates and held no trained model: only {_named(sums.recipients)} could."
        yield "It saw totals of the report over departments."
    else:
        yield "It saw sums over departments, and no single update or count of examples."
    yield f"Every sum was over at least {sums.fewest:,} departments, so each hid among at least {_crowds(sums)}."
    yield f"By squared weights no department made up more than {sums.largest_share:.0%} of anything that sums tell."


def _departments(sums: Sums) -> str:
    if _exposed(sums):
        return f"{_SENT}. {_SO_FEW}"
    return (
        f"{_SENT}. Less its own part, each could work out sums over at least {sums.fewest - 1:,} others, and no single "
        "update."
    )


def _collusion(sums: Sums) -> str:
    c, k = sums.colluders, sums.crowd
    if not c or k == 1:
        return "Nothing is promised against departments that help the coordinator, or one another."
    return (
        f"{'A department' if c == 1 else f'Up to {c:,} departments'} that told the coordinator or another department "
        f"everything would still leave sums over at least {k:,} departments, though one of them may be most of such a "
        "sum. Against more nothing is promised."
    )


def _open(content: ReportContent) -> Iterator[str]:
    yield "Who took part in which round, who was away, and how long each took."
    if content.settings.coupling.kind == "clusters":
        yield "Each department also declared in public which hub it would write to."


def _noise(content: ReportContent) -> Iterator[str]:
    yield noise(content.sums) or "None was added: sums are exact, and tell what a sum over so many tells."
    declared = content.settings.coupling.kind == "clusters"
    outside = [what for what, so in (("declared hubs", declared), ("measurements", _shown(content))) if so]
    if content.sums.epsilon is not None and outside:
        yield f"It does not cover the {' and '.join(outside)} that departments showed beside the sums."


def _shown(content: ReportContent) -> bool:
    """Whether departments gave measurements of their own, as they do in a simulation."""
    return any(m.department != FEDERATION for m in content.history)


def _exposed(sums: Sums) -> bool:
    """Whether a single department may be left once another takes its own part away."""
    return sums.fewest <= 2


def _crowds(sums: Sums) -> str:
    """k, and that of a full round where it is larger."""
    said = _others(sums.crowd)
    return f"{said} ({sums.full_crowd:,} where all take part)" if sums.full_crowd > sums.crowd else said


def _others(count: int) -> str:
    return "1 other" if count == 1 else f"{count:,} others"


def _named(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED:,} more departments"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _spent(sums: Sums) -> str:
    return f"ε at most {_upwards(sums.epsilon or 0.0, 3)} at δ = {_upwards(sums.delta or 0.0, 6)}"


def _upwards(value: float, digits: int) -> str:
    """So many digits, rounded up: what is said may be weaker than what holds, never stronger."""
    if not isfinite(value):
        return "∞"
    return f"{float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(value))):.{digits}g}"
