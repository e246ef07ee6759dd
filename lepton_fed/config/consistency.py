"""What a type cannot say of a federation file: names exist, the graph has no cycle, each target a teacher.

    names --> graph --> compatibility (settings that must fit each other) --> teaching (what is in E) --> pipeline

A stage is asked only where the one before it found nothing, since it relies on what that one promises.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator

from lepton_fed.cohorts import denied, sources
from lepton_fed.config.compatibility import misfits
from lepton_fed.config.pipeline_steps import steps
from lepton_fed.config.places import Path, words
from lepton_fed.config.spelling import did_you_mean, folded
from lepton_fed.errors import ConfigError
from lepton_fed.policy import names
from lepton_fed.settings import EVERYONE, Settings
from lepton_fed.weighting import beta

Problem = tuple[Path, str]
"""Where in the file, and the sentence about it."""


def problems(settings: Settings) -> tuple[Problem, ...]:
    """Everything wrong that the first stage with a complaint can see; empty if the settings are sound."""
    for stage in (_names, _graph, misfits, _teaching, steps):
        found = tuple(stage(settings))
        if found:
            return found
    return ()


def require_consistent(settings: Settings) -> None:
    """ConfigError with the first problem; for settings that were made in Python, not read from a file."""
    found = problems(settings)
    if found:
        raise ConfigError(found[0][1] + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))


# ---------------------------------------------------------------- names


def _names(settings: Settings) -> Iterator[Problem]:
    yield from _duplicates(settings)
    for k, edge in enumerate(settings.graph):
        yield from _unknown(("graph", k, "from"), (edge.from_,), settings)
        yield from _unknown(("graph", k, "to"), (edge.to,), settings)
    for k, flow in enumerate(settings.sharing):
        yield from _list(("sharing", k, "from"), flow.from_, settings)
        yield from _list(("sharing", k, "to"), flow.to, settings)
    shared = tuple(dict.fromkeys(flow.what for flow in settings.sharing))
    for k, grant in enumerate(settings.access):
        yield from _list(("access", k, "who"), grant.who, settings)
        yield from _list(("access", k, "owner"), grant.owner, settings)
        if grant.kind == "data" and grant.what not in shared:
            rest = did_you_mean(grant.what, shared) or "; name what a [[sharing]] lets flow"
            sentence = f"access[{k + 1}].what is {grant.what!r}, which no [[sharing]] names{rest}"
            yield ("access", k, "what"), sentence
    for k, step in enumerate(settings.pipeline):
        yield from _list(("pipeline", k, "department"), step.department, settings)
        if step.gate is not None:
            yield from _list(("pipeline", k, "gate", "at"), step.gate.at, settings)
    yield from _weights(settings)


def _duplicates(settings: Settings) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    files: dict[str, str] = {}
    for k, department in enumerate(settings.departments):
        name, file = department.name, department.file
        first = seen.get(folded(name))
        seen.setdefault(folded(name), name)
        if first is not None:
            alike = f"two departments are called {name!r}"
            if first != name:
                alike = f"the departments {first!r} and {name!r} differ only in width or case"
            yield ("departments", k, "name"), f"{alike}; give each its own name"
        if file is not None and files.setdefault(file, name) != name:
            sentence = f"{files[file]!r} and {name!r} have the same file {file!r}; give each its own"
            yield ("departments", k, "file"), sentence


def _list(place: Path, listed: tuple[str, ...], settings: Settings) -> Iterator[Problem]:
    """Complaints about a list of names that may be '*'."""
    if EVERYONE in listed and len(listed) > 1:
        yield place, f"{words(place)} lists '*' beside other names; '*' alone already means every department"
    twice = next((n for n in listed if listed.count(n) > 1), None)
    if twice is not None:
        yield place, f"{words(place)} lists {twice!r} twice; once is enough"
    yield from _unknown(place, (n for n in listed if n != EVERYONE), settings)


def _unknown(place: Path, listed: Iterable[str], settings: Settings) -> Iterator[Problem]:
    for name in listed:
        if name not in settings.names:
            hint = _suggestion(name, settings.names)
            yield place, f"{words(place)} names {name!r}, which is no department{hint}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return did_you_mean(name, known) or f"; there are {listed}"


def _weights(settings: Settings) -> Iterator[Problem]:
    givers = [d.name for d in settings.departments if d.is_source]
    takers = [d.name for d in settings.departments if d.is_target]
    for key, table, known, role in (
        ("alpha", settings.weights.alpha, givers, "source"),
        ("beta", settings.weights.beta, takers, "target"),
    ):
        for name in table if isinstance(table, dict) else ():
            if name in known:
                continue
            what = f"no {role}" if name in settings.names else "no department"
            hint = "" if name in settings.names else _suggestion(name, known)
            yield ("weights", key, name), f"weights.{key} names {name!r}, which is {what}{hint}"
    alpha = settings.weights.alpha
    if isinstance(alpha, dict):
        left_out = [name for name in givers if name not in alpha]
        if left_out:
            sentence = f"weights.alpha leaves out the source {left_out[0]!r}; give it a number (or 0)"
            yield ("weights", "alpha"), sentence
    if takers and all(beta(settings.weights, name) == 0 for name in takers):
        yield ("weights", "beta"), "weights: beta is zero for everybody, so nobody would learn from anybody"


# ---------------------------------------------------------------- graph


def _graph(settings: Settings) -> Iterator[Problem]:
    seen = set()
    for k, edge in enumerate(settings.graph):
        if edge.from_ == edge.to:
            yield ("graph", k), f"graph[{k + 1}]: {edge.from_!r} depends on itself; name two departments"
        if edge in seen:
            sentence = f"graph[{k + 1}]: {edge.from_} → {edge.to} for {edge.needs!r} is listed twice; leave one"
            yield ("graph", k), sentence
        seen.add(edge)
    for k, flow in enumerate(settings.sharing):
        if flow.from_ == flow.to and len(flow.from_) == 1 and EVERYONE not in flow.from_:
            sentence = f"sharing[{k + 1}]: {flow.what!r} flows from {flow.from_[0]!r} to itself; name another in to"
            yield ("sharing", k), sentence
    cycle = _cycle(settings)
    if cycle:
        k = next(k for k, e in enumerate(settings.graph) if (e.from_, e.to) == cycle[:2])
        around = " → ".join(cycle)
        yield (
            ("graph", k),
            f"[[graph]] has a cycle, so there is no order of work: {around}; take one edge out",
        )


def _cycle(settings: Settings) -> tuple[str, ...]:
    """A cycle of the collaboration graph, its first department again at its end; empty if there is none."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for edge in settings.graph:
        if edge.from_ != edge.to:
            sorter.add(edge.from_, edge.to)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        around = tuple(reversed(error.args[1]))[:-1]
        # Who comes first in the file begins, so that the sentence does not depend on the search.
        first = min(range(len(around)), key=lambda k: settings.names.index(around[k]))
        return (*around[first:], *around[:first], around[first])
    return ()


# ---------------------------------------------------------------- who teaches whom


def _teaching(settings: Settings) -> Iterator[Problem]:
    """Every target has a teacher, and one that weighs something."""
    taught = sources(settings)
    alpha = settings.weights.alpha
    for k, department in enumerate(settings.departments):
        if not department.is_target:
            continue
        teachers = taught.get(department.name)
        if not teachers:
            why = _why_untaught(settings, department.name)
            yield ("departments", k), f"nobody may teach the target {department.name!r}: {why}"
        elif isinstance(alpha, dict) and not any(alpha[name] for name in teachers):
            listed = ", ".join(teachers)
            sentence = f"weights.alpha is zero for all that teach {department.name!r}: {listed}; give one more"
            yield ("weights", "alpha"), sentence


def _why_untaught(settings: Settings, target: str) -> str:
    reasons = [d.reason for d in denied(settings) if d.target == target]
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return f"{reasons[0]}{more}; add an [[access]] with action 'train', or take its role target away"
    givers = [d for d in settings.departments if d.name != target and _gives(settings, d.name, target)]
    if givers:
        listed = ", ".join(d.name for d in givers)
        return f"only {listed} shares with it, which is no source; let a source share with it"
    return "no [[sharing]] reaches it; add one from a source, or take its role target away"


def _gives(settings: Settings, source: str, target: str) -> bool:
    return any(names(f.from_, source) and names(f.to, target) for f in settings.sharing)
