"""The index of words: FTS5 in SQLite, tsvector in PostgreSQL, fed with the same tokens and asked with the same terms.

It is made from the published texts, so it is none of the migrations' tables: it is made when a portal opens a database
without it, and made again when `words.VERSION` is another. PostgreSQL keeps at most 256 places of a word in a text, and
places up to 16,383; a text is therefore cut into passages that stay below both and overlap by the longest term, so that
no phrase is lost at a cut. Its headings stand in a small table as well: what is asked of them, for a score, would walk
through all texts once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from sqlalchemy import Connection, Select, bindparam, column, select, table, text

from lepton_fed.errors import ConfigError
from lepton_fed.portal.finding.words import MOST_TOKENS, VERSION, Term, tokens

NAME, HEADINGS = "portal_words", "portal_heading_words"
MARK = f"leptonversion{VERSION}"
"""A word of entry 0, which there is not: says which tokenizer filled the index."""

PASSAGE = 200
"""Tokens that a passage adds; with the overlap fewer than 256."""

_LOCK = 7_236_845_318
_WORDS = table(NAME, column("rowid"), column("entry"))
_HEADINGS = table(HEADINGS, column("entry"))

Headed = tuple[int, str, str]
"""(entry, heading, body)."""


class WordIndex(Protocol):
    """Which entries hold which words. Each method works in its caller's transaction."""

    def __hash__(self) -> int:
        """Statements are kept by it."""

    def make(self, connection: Connection) -> bool:
        """Have an index; True where it is new and empty."""

    def put(self, connection: Connection, entry: int, heading: str, body: str) -> None:
        """An entry's words, instead of those that were there."""

    def remove(self, connection: Connection, entry: int) -> None:
        """Forget an entry."""

    def holding(self, name: str, *, heading: bool = False) -> Select[int]:
        """The numbers of the entries that hold a term, anywhere or in their headings; `name`: of the parameter that
        says which, so that the statement stays the same for another.
        """

    def asked(self, term: Term, *, heading: bool = False) -> str:
        """The value of that parameter."""


def index_of(dialect: str) -> WordIndex:
    """The index for a database; ConfigError for one that the portal has none for."""
    if dialect == "sqlite":
        return Fts5()
    if dialect == "postgresql":
        return TsVector()
    raise ConfigError(f"the portal searches in SQLite and PostgreSQL, not in {dialect}; name such a database")


def filled(index: WordIndex, connection: Connection, published: Callable[[], Iterable[Headed]]) -> None:
    """Have an index that holds these; they are not even read where it is there already."""
    if not index.make(connection):
        return
    for entry, heading, body in published():
        index.put(connection, entry, heading, body)
    index.put(connection, 0, MARK, "")


class Fts5:
    """SQLite. Tokens come ready made, and its `ascii` tokenizer takes every letter beyond ASCII as part of a word."""

    def make(self, connection: Connection) -> bool:
        there = text("SELECT 1 FROM sqlite_master WHERE name = :name")
        if connection.execute(there, {"name": NAME}).first() is not None:
            if _is_marked(self, connection):
                return False
            connection.execute(text(f"DROP TABLE {NAME}"))
        connection.execute(text(f"CREATE VIRTUAL TABLE {NAME} USING fts5(heading, body, tokenize='ascii')"))
        return True

    def put(self, connection: Connection, entry: int, heading: str, body: str) -> None:
        self.remove(connection, entry)
        values = {"entry": entry, "heading": " ".join(tokens(heading)), "body": " ".join(tokens(body))}
        connection.execute(text(f"INSERT INTO {NAME}(rowid, heading, body) VALUES (:entry, :heading, :body)"), values)  # noqa: S608

    def remove(self, connection: Connection, entry: int) -> None:
        connection.execute(text(f"DELETE FROM {NAME} WHERE rowid = :entry"), {"entry": entry})  # noqa: S608

    def holding(self, name: str, *, heading: bool = False) -> Select[int]:
        return select(_WORDS.c.rowid).where(text(f"{NAME} MATCH :{name}").bindparams(bindparam(name)))

    def asked(self, term: Term, *, heading: bool = False) -> str:
        # Tokens are letters and digits, so that nothing in them ends the quotation.
        phrase = f'"{" ".join(term.tokens)}"' + "*" * term.open
        return f"heading : {phrase}" if heading else phrase


class TsVector:
    """PostgreSQL, whose own parsers and dictionaries have no part in it: vectors are written as they are kept."""

    def make(self, connection: Connection) -> bool:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        there = text("SELECT to_regclass(:name)")
        found = [connection.execute(there, {"name": name}).scalar() is not None for name in (NAME, HEADINGS)]
        if all(found) and _is_marked(self, connection):
            return False
        for name in (NAME, HEADINGS):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            connection.execute(text(f"CREATE TABLE {name} (entry BIGINT NOT NULL, words TSVECTOR NOT NULL)"))
            connection.execute(text(f"CREATE INDEX ix_{name}_words ON {name} USING gin (words)"))
            connection.execute(text(f"CREATE INDEX ix_{name}_entry ON {name} (entry)"))
        return True

    def put(self, connection: Connection, entry: int, heading: str, body: str) -> None:
        self.remove(connection, entry)
        of_heading = [{"entry": entry, "words": _vector(passage)} for passage in _passages(tokens(heading))]
        of_body = [{"entry": entry, "words": _vector(passage)} for passage in _passages(tokens(body))]
        for name, rows in ((HEADINGS, of_heading), (NAME, [*of_heading, *of_body])):
            if rows:
                connection.execute(text(f"INSERT INTO {name} VALUES (:entry, CAST(:words AS tsvector))"), rows)  # noqa: S608

    def remove(self, connection: Connection, entry: int) -> None:
        for name in (NAME, HEADINGS):
            connection.execute(text(f"DELETE FROM {name} WHERE entry = :entry"), {"entry": entry})  # noqa: S608

    def holding(self, name: str, *, heading: bool = False) -> Select[int]:
        match = text(f"words @@ CAST(:{name} AS tsquery)").bindparams(bindparam(name))
        return select((_HEADINGS if heading else _WORDS).c.entry).where(match)

    def asked(self, term: Term, *, heading: bool = False) -> str:
        return " <-> ".join(f"'{token}'" for token in term.tokens) + ":*" * term.open


def _is_marked(index: WordIndex, connection: Connection) -> bool:
    """Whether this version's tokenizer filled the index."""
    return connection.execute(index.holding("mark"), {"mark": index.asked(Term((MARK,)))}).first() is not None


def _passages(words: Iterator[str]) -> Iterator[list[str]]:
    passage: list[str] = []
    while new := list(islice(words, PASSAGE)):
        passage = [*passage[-MOST_TOKENS:], *new]
        yield passage


def _vector(passage: list[str]) -> str:
    """As PostgreSQL writes one: `'联邦':1 '邦学':2`."""
    return " ".join(f"'{token}':{place}" for place, token in enumerate(passage, 1))
