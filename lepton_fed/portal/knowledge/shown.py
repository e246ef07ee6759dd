"""The graph that a portal shows: entities by name, the facts about one, and who else knows about it, under policy.

What is not there and what the asker may not know of are answered alike. Every decision goes into its owner's docket, as
with `lepton-fed knowledge ask`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.errors import DataError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.access import Access, Asker
from lepton_fed.knowledge.asking import Bounds, Term
from lepton_fed.knowledge.dockets import Dockets
from lepton_fed.knowledge.facts import LONGEST, TYPE, Literal, name_of
from lepton_fed.knowledge.graph import KnowledgeGraph
from lepton_fed.knowledge.knowing import Knows
from lepton_fed.own_policies import all_here, hour_here
from lepton_fed.policies import Context
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.federation.rights import Member
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.knowledge.turns import Turns
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights

MOST = 60
"""Entities that a search lists, and facts in each direction on an entity's page."""

SECONDS = 5.0
KEPT = 30.0
"""Seconds for which decisions are remembered for a department, so that a page is not a hundred lines of a docket."""


@dataclass(frozen=True)
class Entity:
    """`id`: the address by which it is asked for."""

    name: str
    id: str


@dataclass(frozen=True)
class FactSeen:
    """A relation of the entity to another one, or to a value; `inwards`: the other one has it to this."""

    relation: str
    other: Entity | None
    value: str
    inwards: bool


@dataclass(frozen=True)
class EntitySeen:
    """`more`: there are more facts than are listed."""

    entity: Entity
    types: tuple[str, ...]
    facts: tuple[FactSeen, ...]
    knows: tuple[Knows, ...]
    more: bool


@dataclass(frozen=True)
class Found:
    """Entities whose name or one of whose values holds what was asked, and which departments know about just that."""

    entities: tuple[Entity, ...]
    knows: tuple[Knows, ...]
    more: bool


class ShownKnowledge:
    """`database`: a file of SQLite, or a URL; `watched`: the federation whose policies decide. Threads may share it."""

    def __init__(self, database: str, watched: Watched) -> None:
        self._watched = watched
        self._beside = Path() if "://" in database else Path(database).parent
        self._graph = KnowledgeGraph(database, bounds=Bounds(seconds=SECONDS, rows=2 * MOST + 1))
        self._turns = Turns()
        self._known: dict[str, tuple[float, Access]] = {}

    def asks_as(self, person: Person, rights: Rights) -> str | None:
        """The department in whose name somebody asks: their home, where the portal's policies let them."""
        home = Member(person.department)
        return home.department if home in self._watched.members and rights.may(person, "ask", home) else None

    def search(self, department: str, text: str, *, asker: object) -> Found:
        """What has that in its name, in Chinese or another script, or in one of its values; `asker`: whose turn it is.

        TooMany where that person asks already, or too many others do.
        """
        with told(), self._turns.of(asker):
            access = self._access(department)
            try:
                name = name_of(text)
            except DataError:
                raise Unacceptable("knowledge_name", most=LONGEST) from None
            answer = self._graph.ask(_search(name), access)
            found = dict.fromkeys(term for (term,) in answer.rows if isinstance(term, str))
            knows = tuple(self._graph.who_knows(name, access))
        names = sorted(found, key=lambda one: (one != name, len(one), one))
        return Found(tuple(map(_entity, names[:MOST])), knows, answer.more or len(names) > MOST)

    def entity(self, department: str, id_: str, *, asker: object) -> EntitySeen:
        """An entity by its address or name; NotThere where the department may know nothing of it, TooMany."""
        try:
            name = name_of(id_)
        except DataError:
            raise NotThere from None
        with told(), self._turns.of(asker):
            access = self._access(department)
            address = f"<{iris.iri(name, 'entity')}>"
            out = self._graph.ask(f"SELECT DISTINCT ?r ?y {{ {address} ?r ?y }} LIMIT {MOST + 1}", access).rows
            into = self._graph.ask(f"SELECT DISTINCT ?r ?x {{ ?x ?r {address} }} LIMIT {MOST + 1}", access).rows
            knows = tuple(self._graph.who_knows(name, access))
        if not (out or into or knows):
            raise NotThere
        types = tuple(sorted(str(tail) for relation, tail in out if relation == TYPE))
        facts = [*_facts(out[:MOST], inwards=False), *_facts(into[:MOST], inwards=True)]
        return EntitySeen(_entity(name), types, tuple(facts), knows, max(len(out), len(into)) > MOST)

    def close(self) -> None:
        """End the process that answers questions."""
        self._graph.close()

    def _access(self, department: str) -> Access:
        now = time.monotonic()
        known = self._known.get(department)
        if known is None or now - known[0] > KEPT:
            self._known[department] = known = (now, self._new_access(department))
        return known[1]

    def _new_access(self, department: str) -> Access:
        federation = self._watched.federation()
        policies = all_here(federation, {})
        context = Context.outside_training(
            purpose=federation.settings.federation.purpose,
            hour=hour_here(),
            federation=f"sha256:{federation.fingerprint}",
        )
        asker = Asker(department=department, context=context)
        return Access(policies, asker, Dockets(self._beside, policies).heard)


def _search(name: str) -> str:
    """SPARQL that finds a text in names, as they are written in addresses, and in values."""
    text, spelled = _quoted(name.lower()), _quoted(iris.escaped(name).lower())
    return f"""SELECT DISTINCT ?x {{
      {{ ?x ?r ?y FILTER(CONTAINS(LCASE(STR(?x)), {spelled})) }}
      UNION {{ ?z ?r ?x FILTER(isIRI(?x) && ?r != rdf:type && CONTAINS(LCASE(STR(?x)), {spelled})) }}
      UNION {{ ?x ?r ?y FILTER(isLiteral(?y) && CONTAINS(LCASE(STR(?y)), {text})) }}
    }}"""


def _quoted(text: str) -> str:
    """A literal of SPARQL; names hold no line breaks and no control characters."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entity(name: str) -> Entity:
    return Entity(name, iris.iri(name, "entity"))


def _facts(rows: Iterable[Sequence[Term]], *, inwards: bool) -> list[FactSeen]:
    found = []
    for relation, other in rows:
        if relation == TYPE or other is None:
            continue
        is_value = isinstance(other, Literal)
        found.append(
            FactSeen(
                str(relation),
                None if is_value else _entity(str(other)),
                other.text if isinstance(other, Literal) else "",
                inwards,
            )
        )
    return sorted(found, key=lambda one: (one.relation, one.other.name if one.other else one.value))
