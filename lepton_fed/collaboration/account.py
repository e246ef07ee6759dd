"""The collaboration graph as text for a terminal: who depends on whom, what flows, and what does not agree.

Printed by `lepton-fed graph report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from lepton_fed.collaboration.attributes import Dependence, Node
from lepton_fed.collaboration.balance import Balance, Idle, Unmet
from lepton_fed.collaboration.sharing import Passage
from lepton_fed.config.layout import columns, item, paragraph, some
from lepton_fed.errors import ConfigError
from lepton_fed.policy import CHINESE
from lepton_fed.policy import action as english

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph

MOST = 12
"""Lines of a list that may be as long as the graph is large; the rest are counted."""
_IN_CHINESE = {word: chinese for chinese, word in CHINESE.items()}


def account(graph: Graph, durations: Mapping[str, float] | None = None, day: date | None = None) -> str:
    """All answers that the graph gives, section by section; those that have nothing to say are left out."""
    found = graph.balance(day)
    if day is not None:
        graph = graph.on(day)
    sections: dict[str, Iterator[str]] = {
        "Departments": _departments(graph),
        "Who depends on whom": _dependencies(graph),
        "Order of work": _order(graph),
        "Critical path": _critical(graph, durations),
        "Dependencies that others imply": _implied(graph),
        "What stops if one is away": _absences(graph),
        "What flows": _flows(graph),
        "Flows that their owner permits nothing with": _passages(found.unpermitted),
        "Permissions without a flow": _few(_idle(one) for one in found.idle),
        "Needs without a flow": _few(_unmet(one) for one in found.unmet),
        "Flows that nobody needs": _passages(found.unneeded),
        "Departments on which everything hangs": _hinges(graph, found),
        "Expired": _few(_expired(one) for one in found.expired),
    }
    lines = [_title(graph)]
    for heading, body in sections.items():
        written = list(body)
        if written:
            lines += ["", heading, *written]
    if found.sound:
        lines += ["", "What flows, what is permitted and what is needed agree."]
    return "\n".join(lines) + "\n"


def _title(graph: Graph) -> str:
    flows = sum(1 for _ in graph.sharing.passages()) if graph.sharing is not None else 0
    parts = (
        _count(len(graph.departments), "department"),
        _count(len(graph.edges), "dependency"),
        _count(flows, "flow"),
    )
    return f"Collaboration of {parts[0]}: {parts[1]}, {parts[2]}"


# ---------------------------------------------------------------- the graph


def _departments(graph: Graph) -> Iterator[str]:
    rows = [(name, *_known(graph.node(name))) for name in graph.departments]
    if any(cell for _, *cells in rows for cell in cells):
        yield from columns(rows[:MOST])
        yield from _rest(len(rows))


def _known(node: Node) -> tuple[str, str]:
    """Resources and people in one cell, skills, goals and needs in another."""
    amounts = (
        _count(node.devices, "device") if node.devices is not None else "",
        f"{node.memory:g} GiB" if node.memory is not None else "",
        _count(node.cores, "core") if node.cores is not None else "",
        node.hours or "",
        _count(node.people, "person") if node.people is not None else "",
    )
    words = (("skills", node.skills), ("goals", node.goals), ("needs", node.needs))
    return (
        ", ".join(filter(None, amounts)),
        "; ".join(f"{key}: {', '.join(listed)}" for key, listed in words if listed),
    )


def _dependencies(graph: Graph) -> Iterator[str]:
    yield from _few(f"{_edge(edge)}{_terms(edge)}" for edge in graph.edges)


def _edge(edge: Dependence) -> str:
    return f"{edge.dependent} needs {edge.what} from {edge.on}"


def _terms(edge: Dependence | Passage) -> str:
    terms = edge.terms
    parts = (
        terms.purpose,
        ", ".join(terms.carries),
        f"weight at most {terms.weight_cap:g}" if terms.weight_cap is not None else "",
        f"until {terms.expires}" if terms.expires is not None else "",
    )
    said = "; ".join(filter(None, parts))
    return f" ({said})" if said else ""


def _order(graph: Graph) -> Iterator[str]:
    if not graph.edges:
        return
    try:
        stages = graph.stages()
    except ConfigError as error:
        yield from item(str(error))
        yield from _few(f"cycle {k}: {cycle}" for k, cycle in enumerate(graph.cycles(), 1))
        return
    yield from _few(f"{k}. {some(stage)}" for k, stage in enumerate(stages, 1))


def _critical(graph: Graph, durations: Mapping[str, float] | None) -> Iterator[str]:
    if durations is None or not graph.edges or graph.cycles(most=1):
        return
    found = graph.critical_path(durations)
    yield from item(f"{' → '.join(found.path)}: {found.length:g}")
    waiting = [(name, f"begins at {found.start[name]:g}", f"may wait {slack:g}") for name, slack in found.slack.items()]
    yield from columns([row for row in waiting if row[0] not in found.path][:MOST])


def _implied(graph: Graph) -> Iterator[str]:
    yield from _few(
        f"{_edge(one.edge)}: implied by way of {', '.join(one.through)}"
        + (", for the same thing, so it says nothing new" if one.same else "; it adds nothing to the order of work")
        for one in graph.implied()
    )


def _absences(graph: Graph) -> Iterator[str]:
    found = [graph.away(name) for name in graph.departments if graph.dependents(name)]
    yield from _few(
        f"{one.away[0]}: "
        + "; ".join(
            filter(
                None,
                (
                    f"stops {some(tuple(one.stopped))}" if one.stopped else "",
                    f"leaves {some(one.weakened)} with less" if one.weakened else "",
                ),
            )
        )
        for one in found
    )


# ---------------------------------------------------------------- flows


def _flows(graph: Graph) -> Iterator[str]:
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    held = list(graph.sharing.passages())
    rows = [
        (f"{p.giver} → {p.taker}", p.what, _actions(permitted(p.giver, p.taker, p.what)) + _terms(p))
        for p in held[:MOST]
    ]
    if rows:
        yield from columns(rows)
        yield from _rest(len(held))


def _actions(actions: tuple[str, ...]) -> str:
    return ", ".join(f"{_IN_CHINESE[one]} {one}" for one in actions) or "nothing permitted"


def _passages(passages: tuple[Passage, ...]) -> Iterator[str]:
    """One line for each data set and giver: a thousand takers are one line."""
    takers: dict[tuple[str, str], list[str]] = {}
    for one in passages:
        takers.setdefault((one.what, one.giver), []).append(one.taker)
    yield from _few(f"{what} from {giver} to {some(listed)}" for (what, giver), listed in takers.items())


def _idle(one: Idle) -> str:
    grant = one.grant
    whose = "" if "*" in grant.owner else f" of {some(grant.owner)}"
    who = "everybody" if "*" in one.who else some(one.who)
    action = english(grant.action)
    return f"{who} may {_IN_CHINESE[action]} {action} {grant.what}{whose}, which does not reach them"


def _unmet(one: Unmet) -> str:
    source = "anybody" if one.giver is None else one.giver
    hint = "" if one.alike is None else f"; {one.alike} does: is that what was meant?"
    return f"{one.who} needs {one.what} from {source}, and it does not flow{hint}"


def _hinges(graph: Graph, found: Balance) -> Iterator[str]:
    others = len(graph.departments) - 1
    yield from _few(
        f"{one.away[0]}: without it {len(one.stopped)} of {others} others stop, {some(tuple(one.stopped))}"
        for one in found.hinges
    )


def _expired(one: Dependence | Passage) -> str:
    return f"{_edge(one) if isinstance(one, Dependence) else one}, until {one.terms.expires}"


# ---------------------------------------------------------------- lists


def _few(lines: Iterator[str]) -> Iterator[str]:
    listed = list(lines)
    for line in listed[:MOST]:
        yield from item(line)
    yield from _rest(len(listed))


def _rest(count: int) -> Iterator[str]:
    if count > MOST:
        yield from paragraph(f"and {count - MOST} more")


def _count(number: int, thing: str) -> str:
    plural = {"person": "people", "dependency": "dependencies"}.get(thing, f"{thing}s")
    return f"{number:,} {thing if number == 1 else plural}"
