"""The knowledge graph: departments' facts, asked under policy.

    with KnowledgeGraph("knowledge.sqlite") as graph:
        graph.load(FactSource(path="供应商.csv"), department="供应链部门", by="王芳")
        answer = graph.ask("SELECT ?x { ?x r:供应 e:齿轮箱 }", access)

A department keeps its facts in a database of its own, or several share one: what an asker may read is decided sort by
sort either way. docs/knowledge.md has the examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL, Connection, make_url

from lepton_fed.closing import Closing
from lepton_fed.errors import DataError, PeerError
from lepton_fed.knowledge import index as indices
from lepton_fed.knowledge import intersection, joining, revisions
from lepton_fed.knowledge.access import Access, Permission
from lepton_fed.knowledge.asking import Answer, Bounds, Questioner
from lepton_fed.knowledge.changes import Standing, Touched, of_owner, touched
from lepton_fed.knowledge.export import write, written
from lepton_fed.knowledge.facts import TYPE, Fact, name_of
from lepton_fed.knowledge.following import followed
from lepton_fed.knowledge.index import Index, Known
from lepton_fed.knowledge.intersection import Answered, Asked, Asking, Found
from lepton_fed.knowledge.joining import Match, Method, Move, Pair, State
from lepton_fed.knowledge.knowing import Knows, knows, may_know_of
from lepton_fed.knowledge.quality import Report, check
from lepton_fed.knowledge.revisions import Held, Provenance, Revision
from lepton_fed.knowledge.rules import Rules
from lepton_fed.knowledge.sorts import Sorting
from lepton_fed.knowledge.sources import FactSource, read_facts
from lepton_fed.knowledge.spelling import alike, by_spelling
from lepton_fed.knowledge.views import ViewGone
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.private_file import make_private

Triple = tuple[str, str, str]
"""(head, relation, tail), by their names."""

REPLACED = 3
"""How often one question is asked again because another process replaced the index meanwhile."""

LOG = "knowledge"
"""Of the audit entries of revisions and matches."""


class KnowledgeGraph(Closing):
    """The facts in a database: a file of SQLite (mode 600), or any other by URL. Close it, or use it in a `with`.

    `index`: the folder of the SPARQL index, made when it is first needed; default: beside the SQLite file, or for
    a URL in the folder at hand, under a name of that URL's own. Methods raise StorageError where the database or the
    folder cannot be used, DataError for what cannot be read or asked.
    """

    def __init__(
        self,
        where: Path | str | URL,
        *,
        index: Path | None = None,
        bounds: Bounds | None = None,
        log: str = LOG,
        patience: float = 10.0,
    ) -> None:
        is_url = isinstance(where, URL) or "://" in str(where)
        url = where if isinstance(where, URL) else str(where) if is_url else sqlite_url(Path(where))
        make_private(url, "the knowledge graph")
        self._database = schema.opened(url, patience=patience, durable=True)
        self._log, self._bounds = log, bounds
        self._index_folder = index or Path(_index_name(url) if is_url else f"{where}-index")
        self._questioner: Questioner | None = None

    def close(self) -> None:
        """Give back the connections and end the process that answers questions."""
        self._forget_index()
        self._database.close()

    # ------------------------------------------------------------ facts and their revisions

    def load(
        self, source: FactSource, *, department: str, by: str, reason: str = "", base: Path = Path()
    ) -> Revision | None:
        """Import all facts of a source, or none where one of them is wrong; None where all of them stand already."""
        provenance = Provenance(department=department, source=source.called, by=by, reason=reason)
        return self.add(read_facts(source, base, department), provenance)

    def add(self, facts: Iterable[Fact], provenance: Provenance) -> Revision | None:
        """Add facts as one revision; None where all of them stand already."""
        with self._database.writing() as connection:
            return revisions.record(connection, self._log, facts, provenance)

    def retract(
        self, provenance: Provenance, *, head: str | None = None, relation: str | None = None, tail: str | None = None
    ) -> Revision | None:
        """End those of the department's facts that have all that is said; None where none has."""
        with self._database.writing() as connection:
            said = {"head": head, "relation": relation, "tail": tail}
            return revisions.retract(connection, self._log, provenance, **said)

    def restore(self, revision: int, provenance: Provenance) -> Revision | None:
        """Make the department's facts again what they were after `revision`; None where they are that."""
        with self._database.writing() as connection:
            return revisions.restore(connection, self._log, revision, provenance)

    def revisions(self, department: str | None = None) -> list[Revision]:
        """All changes, or a department's, in order."""
        with self._database.reading() as connection:
            return revisions.revisions(connection, department)

    def history(self, department: str, fact: Fact) -> list[Held]:
        """When a fact stood, and where it came from each time."""
        with self._database.reading() as connection:
            return revisions.history(connection, department, fact.key)

    def altered(self) -> list[Revision]:
        """Revisions whose facts are no longer those that their digests, and the audit log, were made of."""
        with self._database.reading() as connection:
            found = revisions.revisions(connection)
            return [one for one in found if revisions.digest(connection, one.number) != one.digest]

    # ------------------------------------------------------------ what there is, to whoever holds the database

    @property
    def departments(self) -> list[str]:
        """Whose facts are here."""
        with self._database.reading() as connection:
            return revisions.departments(connection)

    def facts(self, department: str, at: int | None = None) -> Iterator[Fact]:
        """The department's facts as they stand, or stood after revision `at`, in the order in which they came."""
        with self._database.reading() as connection:
            yield from revisions.standing(connection, department, at)

    def triples(self, department: str) -> list[Triple]:
        """The department's facts between entities, by the names that accepted matches gave them."""
        canonical = self._canonical()
        known = partial(canonical, department)
        return [
            (known(fact.head), fact.relation, fact.tail if fact.relation == TYPE else known(fact.tail))
            for fact in self.facts(department)
            if isinstance(fact.tail, str)
        ]

    def entities(self, department: str) -> list[str]:
        """The entities at either end of the department's `triples`, sorted."""
        return sorted({name for head, _, tail in self.triples(department) for name in (head, tail)})

    # ------------------------------------------------------------ questions under policy

    def ask(self, question: str, access: Access) -> Answer:
        """The answer to SPARQL out of what the asker may read; the index is brought up to date before."""
        for _ in range(REPLACED):
            with suppress(ViewGone):
                return self._answer(question, access)
            self._forget_index()
            with indices.alone(self._index_folder):  # Whoever is replacing the index has done so.
                pass
        return self._answer(question, access)

    def _answer(self, question: str, access: Access) -> Answer:
        questioner = self._asked()
        return questioner.ask(question, access.readable(questioner.index.graphs))

    def who_knows(self, entity: str, access: Access) -> list[Knows]:
        """Which other departments have facts about the entity, as far as the asker may learn that."""
        name = name_of(entity)
        found: list[Knows] = []
        for owner in self.departments:
            if owner != access.asker.department:
                found += self._knows(owner, name, access)
        return found

    def readable(self, access: Access, departments: Iterable[str] | None = None) -> Iterator[Held]:
        """The facts that the asker may read, with their provenance; of all departments or some."""
        for owner in self.departments if departments is None else departments:
            # Types and facts of one moment: by older types, a fact could be of a sort that it never was of.
            with self._database.reading() as connection:
                sorting = _sorting(connection, owner)
                for held in revisions.held(connection, owner):
                    if access.may(sorting.sort(held.fact), "read"):
                        yield held

    def export(self, path: Path, access: Access, departments: Iterable[str] | None = None) -> int:
        """Write what the asker may read to a .ttl, .nt, .csv or .tsv file, mode 600; how many facts that were."""
        facts = list(self.readable(access, departments))
        write(path, lambda form: written(facts, form, self._canonical()))
        return len(facts)

    def check(self, department: str, rules: Rules) -> Report:
        """What breaks the rules, what is missing, and the department's scores."""
        return check(department, partial(self.facts, department), rules)

    # ------------------------------------------------------------ entities of several departments that are one

    def propose(self, department: str, other: str) -> int:
        """Propose pairs of entities whose names come to the same; how many nobody had proposed before."""
        with self._database.writing() as connection:
            ours, theirs = (by_spelling(_own_entities(connection, one)) for one in (department, other))
            return joining.propose(connection, alike(department, ours, other, theirs), "name")

    def propose_pair(self, pair: Pair, method: Method = "person") -> int:
        """Propose one pair: 1, or 0 if it was proposed before."""
        with self._database.writing() as connection:
            return joining.propose(connection, [pair], method)

    def matches(self, *states: State) -> list[Match]:
        """Pairs that were proposed, or those in one of the states."""
        with self._database.reading() as connection:
            return joining.matches(connection, *states)

    def decide(self, number: int, move: Move, *, by: str, reason: str = "", canonical: str | None = None) -> Match:
        """Accept or refuse a match, or undo that; `canonical`: the name that both departments then see."""
        with self._database.writing() as connection:
            return joining.decide(connection, self._log, number, move, by=by, reason=reason, canonical=canonical)

    def ask_privately(self, department: str, other: str) -> tuple[Asking, Asked]:
        """Begin to find common entities with a department whose facts are elsewhere: what to keep, what to send."""
        return intersection.ask(department, other, by_spelling(self._entities_of(department)))

    def may_know_of_any(self, department: str, permission: Permission) -> bool:
        """Whether an asker may know of any of the department's entities."""
        return any(True for _ in self._known_to(department, permission))

    def answer_privately(self, asked: Asked, department: str, permission: Permission) -> Answered:
        """Answer with those of the department's entities of which the asker may know that they are there."""
        if permission.who != asked.asker:
            raise PeerError(asked.asker, f"it asks in the name of {permission.who}")
        return intersection.answer(asked, department, by_spelling(self._known_to(department, permission)))

    def find_privately(self, asking: Asking, answered: Answered, permission: Permission | None = None) -> Found:
        """What is common, as this side calls it: to be sent to the other one, which proposes it.

        `permission`: what the other one may know of this side; without, all that is common.
        """
        asker = asking.asked.asker
        own = self._entities_of(asker) if permission is None else self._known_to(asker, permission)
        spelled = by_spelling(own)
        common = intersection.common(asking, answered)
        return Found(asking.asked.session, tuple(sorted(spelled[one][0] for one in common if one in spelled)))

    def _known_to(self, department: str, permission: Permission) -> Iterator[str]:
        """The department's entities of which somebody may know that they are there, by its own names."""
        with self._database.reading() as connection:
            sorting, entities = _sorting(connection, department), _own_entities(connection, department)
        return (e for e in entities if may_know_of(department, e, sorting, permission))

    def _entities_of(self, department: str) -> set[str]:
        with self._database.reading() as connection:
            return _own_entities(connection, department)

    def propose_found(self, found: Found, department: str, permission: Permission) -> int:
        """Propose, at the side that answered, what the asker found; how many nobody had proposed before.

        `permission`: what the asker may know of this side, as for the answer. What it says to have found may be a
        guess: of other entities it learns nothing, and nobody is asked to decide about them. PeerError for names that
        nothing is known by, whatever there is here.
        """
        asker = permission.who
        if not all(map(_is_name, found.names)):
            raise PeerError(asker, "it tells of names by which nothing is known")
        ours, theirs = by_spelling(self._known_to(department, permission)), by_spelling(found.names)
        with self._database.writing() as connection:
            return joining.propose(connection, alike(asker, theirs, department, ours), "private", called_by=asker)

    # ------------------------------------------------------------

    def indexed(self) -> Index:
        """The index of the facts as they stand: the one that is there, made to follow, or else built anew."""
        with self._database.reading() as connection:
            state = Standing.now(connection)
        found = Index.opened(self._index_folder)
        if found is not None and found.state == state:
            return found
        with indices.alone(self._index_folder):
            return self._brought_up() or self._built()

    def rebuild(self) -> Index:
        """Build the index anew from the revisions."""
        with indices.alone(self._index_folder):
            return self._built()

    def _brought_up(self) -> Index | None:
        """The index that is there, with what changed since; None where it has to be built anew."""
        found = Index.opened(self._index_folder)
        if found is None:
            return None
        with self._database.reading() as connection:
            state, names = Standing.now(connection), joining.known(connection)
            if found.state == state:  # Another process brought it up to date while this one waited.
                return found
            changed = _changed(connection, found, names)
        return None if changed is None else followed(found, state, changed, names)

    def _built(self) -> Index:
        self._forget_index()
        with self._database.reading() as connection:
            owners = revisions.departments(connection)
            owned = ((_sorting(connection, one), revisions.standing(connection, one)) for one in owners)
            state, names = Standing.now(connection), joining.known(connection)
            return indices.build(self._index_folder, state, owned, names)

    # ------------------------------------------------------------

    def _knows(self, owner: str, name: str, access: Access) -> Iterator[Knows]:
        with self._database.reading() as connection:
            about = {own: _about(connection, owner, own) for own in joining.own_names(connection, owner, name)}
            sorting = _sorting(connection, owner) if any(about.values()) else Sorting(owner, {})
        found = {one for own, held in about.items() for one in knows(owner, held, own, sorting, access)}
        yield from sorted(found, key=lambda one: not one.readable)[:1]

    def _asked(self) -> Questioner:
        with self._database.reading() as connection:
            state = Standing.now(connection)
        if self._questioner is not None and self._questioner.index.state == state:
            return self._questioner
        index = self.indexed()
        if self._questioner is None:
            self._questioner = Questioner(index, self._bounds)
        self._questioner.index = index
        return self._questioner

    def _forget_index(self) -> None:
        """The next question opens it anew."""
        if self._questioner is not None:
            self._questioner.close()
            self._questioner = None

    def _canonical(self) -> indices.Canonical:
        with self._database.reading() as connection:
            return joining.canonical(connection)


def _sorting(connection: Connection, department: str) -> Sorting:
    return Sorting.of(department, revisions.standing(connection, department, relation=TYPE))


def _own_entities(connection: Connection, department: str) -> set[str]:
    """The department's entities, by its own names."""
    found = set()
    for fact in revisions.standing(connection, department):
        found.add(fact.head)
        if isinstance(fact.tail, str) and fact.relation != TYPE:
            found.add(fact.tail)
    return found


def _about(connection: Connection, owner: str, entity: str) -> list[Held]:
    """The facts with the entity at either end. A type of that name is none: policies decide of it as a type."""
    ends = (held for held in revisions.held(connection, owner, tail=entity) if held.fact.relation != TYPE)
    return [*revisions.held(connection, owner, head=entity), *ends]


def _changed(connection: Connection, index: Index, names: Known) -> list[Touched] | None:
    """What changed since the index was made; None where it has to be built anew."""
    if not index.state.leads_to(connection):
        return None
    found = []
    for owner in revisions.departments(connection):
        before, now = (of_owner(table, owner) for table in (index.names, names))
        one = touched(connection, owner, index.state.newest, before, now)
        if one is None:
            return None
        found.append(one)
    return found


def _index_name(url: str | URL) -> str:
    """Of the index of a database that lies elsewhere: two that are used from one folder have one each."""
    there = make_url(url)
    # A new password makes no other database, and a digest of one tells something of it.
    known = there.set(password=None, query={key: value for key, value in there.query.items() if "pass" not in key})
    return f"knowledge-index-{sha256(known.render_as_string().encode()).hexdigest()[:16]}"


def _is_name(text: str) -> bool:
    """Whether something may be known by it, spelled just so."""
    try:
        return name_of(text) == text
    except DataError:
        return False
