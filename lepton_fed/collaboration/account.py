"""The collaboration graph as text for a terminal: who depends on whom, what flows, and what does not agree.

Printed by `lepton-fed graph report`; the portal shows it in the language of its pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from lepton_fed.collaboration.attributes import Dependence, Node
from lepton_fed.collaboration.balance import Balance, Idle, Unmet
from lepton_fed.collaboration.sharing import Passage
from lepton_fed.config.layout import columns, item, paragraph
from lepton_fed.errors import ConfigError
from lepton_fed.policy import CHINESE
from lepton_fed.policy import action as english
from lepton_fed.translation import Sentence, joined, sentence, some, term, translated

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph

MOST = 12
"""Lines of a list that may be as long as the graph is large; the rest are counted."""
_IN_CHINESE = {word: chinese for chinese, word in CHINESE.items()}

Say = Callable[[str], str]
"""A sentence in the language of the report."""


def account(
    graph: Graph, durations: Mapping[str, float] | None = None, day: date | None = None, language: str = "en"
) -> str:
    """All answers that the graph gives, section by section; those that have nothing to say are left out."""
    found = graph.balance(day)
    if day is not None:
        graph = graph.on(day)
    say = partial(translated, language=language)
    sections: dict[Sentence, Iterator[str]] = {
        sentence("Departments"): _departments(graph, say),
        sentence("Who depends on whom"): _few(say, (_with_terms(_edge(edge), edge) for edge in graph.edges)),
        sentence("Order of work"): _order(graph, say),
        sentence("Critical path"): _critical(graph, durations, say),
        sentence("Dependencies that others imply"): _few(say, _implied(graph)),
        sentence("What stops if one is away"): _few(say, _absences(graph)),
        sentence("What flows"): _flows(graph, say),
        sentence("Flows that their owner permits nothing with"): _few(say, _passages(found.unpermitted)),
        sentence("Permissions without a flow"): _few(say, map(_idle, found.idle)),
        sentence("Needs without a flow"): _few(say, map(_unmet, found.unmet)),
        sentence("Flows that nobody needs"): _few(say, _passages(found.unneeded)),
        sentence("Departments on which everything hangs"): _few(say, _hinges(graph, found)),
        sentence("Expired"): _few(say, map(_expired, found.expired)),
    }
    lines = [say(_title(graph))]
    for heading, body in sections.items():
        written = list(body)
        if written:
            lines += ["", say(heading), *written]
    if found.sound:
        lines += ["", say(sentence("What flows, what is permitted and what is needed agree."))]
    return "\n".join(lines) + "\n"


def _title(graph: Graph) -> Sentence:
    return sentence(
        "Collaboration of {departments:department|departments}: {needs:dependency|dependencies}, {flows:flow|flows}",
        departments=len(graph.departments),
        needs=len(graph.edges),
        flows=sum(1 for _ in graph.sharing.passages()) if graph.sharing is not None else 0,
    )


# ---------------------------------------------------------------- the graph


def _departments(graph: Graph, say: Say) -> Iterator[str]:
    rows = [(name, *_known(graph.node(name))) for name in graph.departments]
    if any(cell for _, *cells in rows for cell in cells):
        yield from _table(say, rows[:MOST])
        yield from _rest(say, len(rows))


def _known(node: Node) -> tuple[str, str]:
    """Resources and people in one cell, skills, goals and needs in another."""
    amounts = (
        sentence("{count:device|devices}", count=node.devices) if node.devices is not None else "",
        f"{node.memory:g} GiB" if node.memory is not None else "",
        sentence("{count:core|cores}", count=node.cores) if node.cores is not None else "",
        node.hours or "",
        sentence("{count:person|people}", count=node.people) if node.people is not None else "",
    )
    words = (
        sentence("skills: {listed}", listed=joined(", ", node.skills)) if node.skills else "",
        sentence("goals: {listed}", listed=joined(", ", node.goals)) if node.goals else "",
        sentence("needs: {listed}", listed=joined(", ", node.needs)) if node.needs else "",
    )
    return joined(", ", filter(None, amounts)), joined("; ", filter(None, words))


def _edge(edge: Dependence) -> Sentence:
    return sentence("{dependent} needs {what} from {on}", dependent=edge.dependent, what=edge.what, on=edge.on)


def _with_terms(said: Sentence, edge: Dependence | Passage) -> Sentence:
    terms = edge.terms
    parts = (
        terms.purpose,
        joined(", ", map(term, terms.carries)),
        sentence("weight at most {cap:g}", cap=terms.weight_cap) if terms.weight_cap is not None else "",
        sentence("until {day}", day=terms.expires) if terms.expires is not None else "",
    )
    found = joined("; ", filter(None, parts))
    return sentence("{said} ({terms})", said=said, terms=found) if found else said


def _order(graph: Graph, say: Say) -> Iterator[str]:
    if not graph.edges:
        return
    try:
        stages = graph.stages()
    except ConfigError as error:
        (why,) = error.args
        yield from item(say(why))
        yield from _few(
            say,
            (
                sentence("cycle {number}: {cycle}", number=number, cycle=cycle.sentence)
                for number, cycle in enumerate(graph.cycles(), 1)
            ),
        )
        return
    yield from _few(
        say,
        (sentence("{number}. {names}", number=number, names=some(stage)) for number, stage in enumerate(stages, 1)),
    )


def _critical(graph: Graph, durations: Mapping[str, float] | None, say: Say) -> Iterator[str]:
    if durations is None or not graph.edges or graph.cycles(most=1):
        return
    found = graph.critical_path(durations)
    yield from item(f"{' → '.join(found.path)}: {found.length:g}")
    waiting = [
        (name, sentence("begins at {time:g}", time=found.start[name]), sentence("may wait {time:g}", time=slack))
        for name, slack in found.slack.items()
    ]
    yield from _table(say, [row for row in waiting if row[0] not in found.path][:MOST])


def _implied(graph: Graph) -> Iterator[Sentence]:
    for one in graph.implied():
        edge, through = _edge(one.edge), joined(", ", one.through)
        if one.same:
            yield sentence(
                "{edge}: implied by way of {through}, for the same thing, so it says nothing new",
                edge=edge,
                through=through,
            )
        else:
            yield sentence(
                "{edge}: implied by way of {through}; it adds nothing to the order of work", edge=edge, through=through
            )


def _absences(graph: Graph) -> Iterator[Sentence]:
    for name in graph.departments:
        if graph.dependents(name):
            one = graph.away(name)
            effects = (
                sentence("stops {names}", names=some(tuple(one.stopped))) if one.stopped else "",
                sentence("leaves {names} with less", names=some(one.weakened)) if one.weakened else "",
            )
            yield sentence("{away}: {effects}", away=one.away[0], effects=joined("; ", filter(None, effects)))


# ---------------------------------------------------------------- flows


def _flows(graph: Graph, say: Say) -> Iterator[str]:
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    held = list(graph.sharing.passages())
    rows = [
        (f"{p.giver} → {p.taker}", p.what, _with_terms(_actions(permitted(p.giver, p.taker, p.what)), p))
        for p in held[:MOST]
    ]
    if rows:
        yield from _table(say, rows)
        yield from _rest(say, len(held))


def _actions(actions: tuple[str, ...]) -> Sentence:
    return joined(", ", map(_action, actions)) if actions else sentence("nothing permitted")


def _action(action: str) -> Sentence:
    return term(f"{_IN_CHINESE[action]} {action}")


def _passages(passages: tuple[Passage, ...]) -> Iterator[Sentence]:
    """One line for each data set and giver: a thousand takers are one line."""
    takers: dict[tuple[str, str], list[str]] = {}
    for one in passages:
        takers.setdefault((one.what, one.giver), []).append(one.taker)
    for (what, giver), listed in takers.items():
        yield sentence("{what} from {giver} to {takers}", what=what, giver=giver, takers=some(listed))


def _idle(one: Idle) -> Sentence:
    grant = one.grant
    who = sentence("everybody") if "*" in one.who else some(one.who)
    action = _action(english(grant.action))
    if "*" in grant.owner:
        return sentence("{who} may {action} {what}, which does not reach them", who=who, action=action, what=grant.what)
    return sentence(
        "{who} may {action} {what} of {owner}, which does not reach them",
        who=who,
        action=action,
        what=grant.what,
        owner=some(grant.owner),
    )


def _unmet(one: Unmet) -> Sentence:
    source = sentence("anybody") if one.giver is None else one.giver
    found = sentence(
        "{who} needs {what} from {source}, and it does not flow", who=one.who, what=one.what, source=source
    )
    if one.alike is None:
        return found
    return sentence("{unmet}; {alike} does: is that what was meant?", unmet=found, alike=one.alike)


def _hinges(graph: Graph, found: Balance) -> Iterator[Sentence]:
    for one in found.hinges:
        yield sentence(
            "{away}: without it {stopped} of {others} others stop, {names}",
            away=one.away[0],
            stopped=len(one.stopped),
            others=len(graph.departments) - 1,
            names=some(tuple(one.stopped)),
        )


def _expired(one: Dependence | Passage) -> Sentence:
    what = _edge(one) if isinstance(one, Dependence) else one.sentence
    return sentence("{what}, until {day}", what=what, day=one.terms.expires)


# ---------------------------------------------------------------- lists


def _few(say: Say, lines: Iterable[str]) -> Iterator[str]:
    listed = list(lines)
    for line in listed[:MOST]:
        yield from item(say(line))
    yield from _rest(say, len(listed))


def _table(say: Say, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return columns([[say(cell) for cell in row] for row in rows])


def _rest(say: Say, count: int) -> Iterator[str]:
    if count > MOST:
        yield from paragraph(say(sentence("and {more} more", more=count - MOST)))
