"""Who may do what with which shelf, by Cedar policies: the portal's own, and those in its folder beside them.

    Person, action, Shelf ──► engine (default deny, forbid wins, an error is no) ──► yes or no

Policies decide about shelves and not about single entries, so that a list of ten thousand entries asks as often as
there are shelves, and a page of it can be counted and cut by the database.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, bindparam, select

from lepton_fed.errors import ConfigError
from lepton_fed.policies.engine import (
    Entity,
    Policy,
    Prepared,
    Unusable,
    prepared,
    reference,
    schema_of,
    translated,
    uid,
)
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people.person import Person
from lepton_fed.storage.portal_entry_tables import EntryRow, ShelfRow
from lepton_fed.storage.portal_people_tables import ROLES

SHELF = cast(Table, ShelfRow.__table__)
ENTRY = cast(Table, EntryRow.__table__)
Action = Literal["read", "write", "review", "oversee", "watch", "decide", "inspect", "ask", "appraise"]
FOLDER = "policies"
_COLUMNS = (SHELF.c.id, SHELF.c.department, SHELF.c.audience, SHELF.c.named)
_THOSE = select(*_COLUMNS).where(SHELF.c.id.in_(bindparam("numbers", expanding=True)))
_UNNAMED = ("Person", "Shelf", "Member")
_MOST_KEPT = 200_000


class Resource(Protocol):
    """What may be asked about: a frozen value, with its type and attributes as the schema has them."""

    KIND: ClassVar[str]

    def attributes(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class Shelf:
    """Where entries of one department for one audience stand; `named`: sorted, for the audience of that name."""

    KIND: ClassVar[str] = "Shelf"
    department: str
    audience: str
    named: tuple[str, ...] = ()

    def attributes(self) -> dict[str, object]:
        """As policies speak of it."""
        return {
            "department": reference("Department", self.department),
            "audience": self.audience,
            "named": _set(self.named),
        }


class Rights:
    """Decides, and remembers what it decided: a verdict depends on roles and shelf alone. Threads may share one."""

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        """`own`: further policies, the text by the file's name. ConfigError where one cannot be used."""
        self._engine = _prepared(own or {})
        self._known: dict[tuple[object, Action], dict[object, bool]] = {}
        self._kept = 0
        self._lock = threading.Lock()

    @classmethod
    def read(cls, folder: Path) -> Rights:
        """With the .cedar files in `policies/` of the portal's folder."""
        try:
            found = sorted((folder / FOLDER).glob("*.cedar"))
            return cls({path.name: path.read_text("utf-8") for path in found})
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{folder / FOLDER} cannot be read: {error}") from None

    def may(self, person: Person, action: Action, what: Resource) -> bool:
        """Whether the person may do that with it, or with what stands there."""
        if not person.active:
            return False
        known = self._known.get((person.standing, action), {}).get(what)
        if known is None:
            (known,) = self._decided(person, action, (what,))
            self._keep(person, action, {what: known})
        return known

    def may_any(self, person: Person, action: Action, of: tuple[Resource, ...]) -> bool:
        """Whether the person may do that with one of them at least; remembered as one verdict."""
        if not person.active:
            return False
        known = self._known.get((person.standing, action), {}).get(of)
        if known is None:
            known = any(self._decided(person, action, of))
            self._keep(person, action, {of: known})
        return known

    def permitted(self, connection: Connection, person: Person, action: Action, *of: ColumnElement[bool]) -> list[int]:
        """The numbers of the shelves with entries with which the person may do that; `of`: with such entries."""
        return self.those(person, action, used_shelves(connection, *of)) if person.active else []

    def those(self, person: Person, action: Action, shelves: Mapping[int, Shelf]) -> list[int]:
        """The numbers of those shelves, by number, with which the person may do that; decided all at once."""
        if not person.active:
            return []
        known = self._known.get((person.standing, action), {})
        new = list({shelf for shelf in shelves.values() if shelf not in known})
        if new:
            decided = dict(zip(new, self._decided(person, action, new), strict=True))
            self._keep(person, action, decided)
            known = known | decided
        return [number for number, shelf in shelves.items() if known[shelf]]

    def _keep(self, person: Person, action: Action, decided: Mapping[Any, bool]) -> None:
        with self._lock:
            self._kept += len(decided)
            if self._kept > _MOST_KEPT:
                self._known, self._kept = {}, len(decided)
            of = self._known.setdefault((person.standing, action), {})
            of |= decided

    def _decided(self, person: Person, action: Action, whats: Sequence[Resource]) -> list[bool]:
        # Who it is policies do not see: what is remembered is said of everybody with the same roles.
        who, asked = uid("Person", "asked"), [uid(what.KIND, f"asked {k}") for k, what in enumerate(whats)]
        roles = {role: _set(person.where_at_least(role)) for role in ROLES}
        attributes = {"department": reference("Department", person.department), **roles}
        about: list[Entity] = [{"uid": who, "attrs": attributes, "parents": []}]
        about += [{"uid": u, "attrs": w.attributes(), "parents": []} for u, w in zip(asked, whats, strict=True)]
        return [one.permitted for one in self._engine.verdicts(who, uid("Action", action), asked, about, {})]


def used_shelves(connection: Connection, *of: ColumnElement[bool]) -> dict[int, Shelf]:
    """Those on which an entry stands, by number: drafts and their authors may think of ever new ones.

    `of`: only those on which such an entry stands.
    """
    # All shelves: a look into the index for each. Those of some entries: one walk over the entries.
    some = SHELF.c.id.in_(select(ENTRY.c.shelf).where(*of)) if of else _any_entry()
    wanted = select(*_COLUMNS).where(some)
    return {number: _shelf(*rest) for number, *rest in connection.execute(wanted).all()}


def _any_entry() -> ColumnElement[bool]:
    return select(ENTRY.c.id).where(ENTRY.c.shelf == SHELF.c.id).exists()


def stands_on(shelf: ColumnElement[int], numbers: Iterable[int]) -> ColumnElement[bool]:
    """That a shelf is one of these, of which there may be hundreds: as one value, which is put together at once."""
    return shelf.in_(bindparam("shelves", list(numbers), expanding=True, unique=True, type_=BigInteger))


def shelves_of(connection: Connection, numbers: Iterable[int]) -> dict[int, Shelf]:
    """The shelves of those numbers, in one look."""
    found = connection.execute(_THOSE, {"numbers": list(numbers)})
    return {number: _shelf(*rest) for number, *rest in found.all()}


def shelf_number(connection: Connection, shelf: Shelf) -> int:
    """The number of a shelf, which is made if it is new."""
    values: dict[str, object] = {
        "department": shelf.department,
        "audience": shelf.audience,
        "named": json.dumps(list(shelf.named), ensure_ascii=False),
    }
    where = [SHELF.c[column] == value for column, value in values.items()]
    found = connection.execute(select(SHELF.c.id).where(*where)).scalar()
    if found is None:
        added_once(connection, SHELF, values)
        found = connection.execute(select(SHELF.c.id).where(*where)).scalar_one()
    return int(found)


@lru_cache(maxsize=10_000)
def _shelf(department: str, audience: str, named: str) -> Shelf:
    """By what a row says and not by its number, which may be another shelf's after a transaction that was undone."""
    return Shelf(department, audience, tuple(json.loads(named)))


def _set(names: Iterable[str]) -> list[dict[str, dict[str, str]]]:
    return [reference("Department", name) for name in sorted(names)]


def _prepared(own: Mapping[str, str]) -> Prepared:
    home = files("lepton_fed.portal.people")
    schema = schema_of(home.joinpath("portal.cedarschema").read_text("utf-8"))
    policies: dict[str, Policy] = {}
    texts = {"portal.cedar": home.joinpath("portal.cedar").read_text("utf-8"), **own}
    for name, text in texts.items():
        try:
            found = translated(text, schema)
        except Unusable as error:
            raise ConfigError(f"{name} in the portal's {FOLDER} cannot be used: {error}") from None
        named = next((kind for policy in found for kind in _named(policy)), None)
        if named is not None:
            raise ConfigError(
                f"{name} in the portal's {FOLDER} names a single {named}; policies decide by departments and roles"
            )
        policies |= {f"{name}[{number}]": policy for number, policy in enumerate(found, 1)}
    return prepared(policies, [], schema)


def _named(policy: object) -> Iterator[str]:
    """The kinds of what it names by an identifier that stands for nothing here: `Person::"3"`."""
    if isinstance(policy, Mapping):
        if policy.get("type") in _UNNAMED and "id" in policy:
            yield str(policy["type"])
        yield from (kind for part in policy.values() for kind in _named(part))
    elif isinstance(policy, list):
        yield from (kind for part in policy for kind in _named(part))
