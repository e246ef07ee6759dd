"""The knowledge graph: departments' facts, asked under policy.

    with KnowledgeGraph("knowledge.sqlite") as graph:
        graph.load(FactSource(path="供应商.csv"), department="供应链部门", by="王芳")
        answer = graph.ask("SELECT ?x { ?x r:供应 e:齿轮箱 }", access)

A department keeps its facts in a database of its own, or several share one: what an asker may read is decided sort by
sort either way. docs/knowledge.md has the examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL

from lepton_fed.knowledge import index as indices
from lepton_fed.knowledge import joining, revisions
from lepton_fed.knowledge.access import Access
from lepton_fed.knowledge.asking import Answer, Bounds, Questioner
from lepton_fed.knowledge.facts import TYPE, Fact
from lepton_fed.knowledge.index import Index
from lepton_fed.knowledge.revisions import Held, Provenance, Revision
from lepton_fed.knowledge.sources import FactSource, read_facts
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.private_file import make_private

Triple = tuple[str, str, str]
"""(head, relation, tail), by their names."""

LOG = "knowledge"
"""Of the audit entries of revisions and matches."""


class KnowledgeGraph:
    """The facts in a database: a file of SQLite (mode 600), or any other by URL. Close it, or use it in a `with`.

    `index`: the folder of the SPARQL index, made when it is first needed; default: beside the SQLite file. Methods
    raise StorageError where the database or the folder cannot be used, DataError for what cannot be read or asked.
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
        self._index_folder = index or Path("knowledge-index" if is_url else f"{where}-index")
        self._questioner: Questioner | None = None

    def close(self) -> None:
        """Give back the connections and end the process that answers questions."""
        if self._questioner is not None:
            self._questioner.close()
            self._questioner = None
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        questioner = self._asked()
        return questioner.ask(question, access.readable(questioner.index.graphs))

    def rebuild(self) -> Index:
        """Build the index anew from the revisions."""
        if self._questioner is not None:
            self._questioner.close()
            self._questioner = None
        owned = {one: partial(self.facts, one) for one in self.departments}
        return indices.build(self._index_folder, self._state(), owned, self._canonical())

    # ------------------------------------------------------------

    def _asked(self) -> Questioner:
        state = self._state()
        if self._questioner is not None and self._questioner.index.state == state:
            return self._questioner
        found = Index.opened(self._index_folder)
        if found is None or found.state != state:
            found = self.rebuild()
        elif self._questioner is not None:
            self._questioner.close()
        self._questioner = Questioner(found, self._bounds)
        return self._questioner

    def _state(self) -> str:
        """What an index that is up to date was built from."""
        with self._database.reading() as connection:
            return f"{revisions.newest(connection)} {joining.state(connection)}"

    def _canonical(self) -> indices.Canonical:
        with self._database.reading() as connection:
            return joining.canonical(connection)
