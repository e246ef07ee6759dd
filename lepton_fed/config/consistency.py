"""What a type cannot say of a federation file: names exist, the graph has no cycle, each target a teacher.

    names --> graph --> compatibility (settings that must fit each other) --> teaching (what is in E) --> pipeline

A stage is asked only where the one before it found nothing, since it relies on what that one promises.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator

from lepton_fed.cohorts import Denied, denied, sources
from lepton_fed.config.compatibility import misfits
from lepton_fed.config.pipeline_steps import steps
from lepton_fed.config.places import Path, words
from lepton_fed.config.spelling import folded, hinted
from lepton_fed.errors import ConfigError
from lepton_fed.policy import names
from lepton_fed.settings import EVERYONE, Settings
from lepton_fed.translation import Sentence, joined, sentence, term
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
            place = ("access", k, "what")
            problem = sentence("{key} is {what!r}, which no [[sharing]] names", key=words(place), what=grant.what)
            yield place, hinted(problem, grant.what, shared, sentence("name what a [[sharing]] lets flow"))
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
            alike = sentence("two departments are called {name!r}; give each its own name", name=name)
            if first != name:
                alike = sentence(
                    "the departments {first!r} and {name!r} differ only in width or case; give each its own name",
                    first=first, name=name,
                )  # fmt: skip
            yield ("departments", k, "name"), alike
        if file is not None and files.setdefault(file, name) != name:
            problem = sentence(
                "{first!r} and {name!r} have the same file {file!r}; give each its own",
                first=files[file], name=name, file=file,
            )  # fmt: skip
            yield ("departments", k, "file"), problem


def _list(place: Path, listed: tuple[str, ...], settings: Settings) -> Iterator[Problem]:
    """Complaints about a list of names that may be '*'."""
    if EVERYONE in listed and len(listed) > 1:
        yield (
            place,
            sentence("{key} lists '*' beside other names; '*' alone already means every department", key=words(place)),
        )
    twice = next((n for n in listed if listed.count(n) > 1), None)
    if twice is not None:
        yield place, sentence("{key} lists {twice!r} twice; once is enough", key=words(place), twice=twice)
    yield from _unknown(place, (n for n in listed if n != EVERYONE), settings)


def _unknown(place: Path, listed: Iterable[str], settings: Settings) -> Iterator[Problem]:
    for name in listed:
        if name not in settings.names:
            problem = sentence("{key} names {name!r}, which is no department", key=words(place), name=name)
            yield place, _suggested(problem, name, settings.names)


def _suggested(problem: str, name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    listed = joined(", ", (*known[:8], *(("…",) if len(known) > 8 else ())))
    return hinted(problem, name, known, sentence("there are {listed}", listed=listed))


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
            place = ("weights", key, name)
            if name in settings.names:
                yield place, sentence("weights.{key} names {name!r}, which is no {role}", key=key, name=name, role=role)
            else:
                problem = sentence("weights.{key} names {name!r}, which is no department", key=key, name=name)
                yield place, _suggested(problem, name, known)
    alpha = settings.weights.alpha
    if isinstance(alpha, dict):
        left_out = [name for name in givers if name not in alpha]
        if left_out:
            yield (
                ("weights", "alpha"),
                sentence("weights.alpha leaves out the source {name!r}; give it a number (or 0)", name=left_out[0]),
            )
    if takers and all(beta(settings.weights, name) == 0 for name in takers):
        yield (
            ("weights", "beta"),
            sentence("weights: {key} is zero for everybody, so nobody would learn from anybody", key="beta"),
        )


# ---------------------------------------------------------------- graph


def _graph(settings: Settings) -> Iterator[Problem]:
    seen = set()
    for k, edge in enumerate(settings.graph):
        if edge.from_ == edge.to:
            yield (
                ("graph", k),
                sentence(
                    "graph[{number}]: {name!r} depends on itself; name two departments", number=k + 1, name=edge.from_
                ),
            )
        if edge in seen:
            yield ("graph", k), sentence(
                "graph[{number}]: {dependent} → {on} for {what!r} is listed twice; leave one",
                number=k + 1, dependent=edge.from_, on=edge.to, what=edge.needs,
            )  # fmt: skip
        seen.add(edge)
    for k, flow in enumerate(settings.sharing):
        if flow.from_ == flow.to and len(flow.from_) == 1 and EVERYONE not in flow.from_:
            yield ("sharing", k), sentence(
                "sharing[{number}]: {what!r} flows from {name!r} to itself; name another in to",
                number=k + 1, what=flow.what, name=flow.from_[0],
            )  # fmt: skip
    cycle = _cycle(settings)
    if cycle:
        k = next(k for k, e in enumerate(settings.graph) if (e.from_, e.to) == cycle[:2])
        yield (
            ("graph", k),
            sentence(
                "[[graph]] has a cycle, so there is no order of work: {around}; take one edge out",
                around=" → ".join(cycle),
            ),
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
            yield ("departments", k), sentence(
                "nobody may teach the target {name!r}: {why}",
                name=department.name, why=_why_untaught(settings, department.name),
            )  # fmt: skip
        elif isinstance(alpha, dict) and not any(alpha[name] for name in teachers):
            yield ("weights", "alpha"), sentence(
                "weights.alpha is zero for all that teach {name!r}: {listed}; give one more",
                name=department.name, listed=joined(", ", teachers),
            )  # fmt: skip


def _why_untaught(settings: Settings, target: str) -> Sentence:
    barred = [one for one in denied(settings) if one.target == target]
    if barred:
        why = _reason(barred[0])
        if len(barred) > 1:
            why = sentence("{problem} (and {more} more)", problem=why, more=len(barred) - 1)
        return sentence("{why}; add an [[access]] with action 'train', or take its role target away", why=why)
    givers = [d for d in settings.departments if d.name != target and _gives(settings, d.name, target)]
    if givers:
        return sentence(
            "only {listed} shares with it, which is no source; let a source share with it",
            listed=joined(", ", (d.name for d in givers)),
        )
    return sentence("no [[sharing]] reaches it; add one from a source, or take its role target away")


def _reason(barred: Denied) -> str:
    """Why a flow is barred, as a sentence; they are texts at first, of which a large federation may have a million."""
    values = {"owner": barred.source, "who": barred.target, "verb": term("train"), "what": barred.what}
    known = (
        sentence("no rule of {owner} permits {who} to {verb} {what!r}", **values),
        sentence("{owner} forbids {who} to {verb} {what!r}", **values),
    )
    return next((one for one in known if one == barred.reason), barred.reason)


def _gives(settings: Settings, source: str, target: str) -> bool:
    return any(names(f.from_, source) and names(f.to, target) for f in settings.sharing)
