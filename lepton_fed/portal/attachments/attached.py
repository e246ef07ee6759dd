"""Attachments of entries: added to an entry, held by its revisions, seen by whoever may see one that holds them.

    add ──► held by no revision: its writers' for 7 days ──save──► held by that revision, as long as it is kept

A file goes with the last row that knows it. One that no revision ever held goes by a writer's hand, or by itself after
a week; one that only old revisions hold by a reviewer's, and then the row stays, for the history to say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, RowMapping, Table, bindparam, delete, func, insert, select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments.files import Ready
from lepton_fed.portal.attachments.kinds import KINDS, LARGEST, MIB, Kind, plain_name
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.access import Access
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.entries.states import REVISABLE
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.storage.portal_attachment_tables import AttachmentRow, HoldingRow, UploadRow

if TYPE_CHECKING:
    from lepton_fed.portal.people.person import Person
    from lepton_fed.portal.portal import Portal

ATTACHMENT = cast(Table, AttachmentRow.__table__)
HOLDING = cast(Table, HoldingRow.__table__)
UPLOAD = cast(Table, UploadRow.__table__)

SCHEME = "attachment:"
"""Before its name, in the links of a text."""

MOST, MOST_BYTES = 50, 500 * MIB
"""Of an entry."""

A_DAY = 1024 * MIB
"""Bytes that one person may add in 24 hours, whether they are removed again or were there already."""

WAITS = timedelta(days=7)
_HELD = (
    select(ATTACHMENT)
    .join(HOLDING, HOLDING.c.attachment == ATTACHMENT.c.id)
    .where(HOLDING.c.entry == bindparam("entry"), HOLDING.c.revision == bindparam("revision"))
    .order_by(ATTACHMENT.c.id)
)


@dataclass(frozen=True)
class Attachment:
    """A file of an entry. `removed`: when it was taken away for good."""

    id: int
    entry: int
    name: str
    kind: str
    size: int
    digest: str
    person: int
    added: datetime
    removed: datetime | None

    @property
    def of_kind(self) -> Kind:
        return KINDS[self.kind]

    @property
    def path(self) -> str:
        """Of its page."""
        return f"/entries/{self.entry}/attachments/{self.id}"


@dataclass(frozen=True)
class Listed:
    """An attachment with those of the revisions that hold it which somebody may see, and whether they may remove it."""

    attachment: Attachment
    revisions: tuple[int, ...]
    removable: bool


def add(portal: Portal, person: Person, entry: int, name: str, received: Path) -> Attachment:
    """Keep what was received as an attachment of an entry: the file first, then its row."""
    with portal.files.ready(received) as ready, placed(portal, [ready]), portal.writing(person) as acting:
        return add_to(acting, entry, name, ready)


@contextmanager
def placed(portal: Portal, files: Iterable[Ready]) -> Iterator[None]:
    """Files where they belong, before the turn to write that makes their rows; those without a row then go again."""
    there = set[str]()
    with portal.files.steady():
        try:
            for one in files:
                there.add(one.digest)
                portal.files.place(one)
            yield
        finally:
            with portal.database.reading() as connection:
                for digest in there:
                    if not is_known(connection, digest):
                        portal.files.remove(digest)


def add_to(acting: Acting, entry: int, name: str, ready: Ready) -> Attachment:
    """The row of a file that is `placed`, in a transaction that may do more."""
    found = access.seen(acting, entry, to_change=True)
    _require_writes(found)
    _count(acting, ready.size)
    same = (ATTACHMENT.c.entry == entry, ATTACHMENT.c.digest == ready.digest, ATTACHMENT.c.removed.is_(None))
    there = acting.connection.execute(select(ATTACHMENT).where(*same)).mappings().first()
    if there is not None:
        return _attachment(there)
    _require_room(acting, entry, ready.size)
    acting.files.require_space(ready.size)
    values = {
        "entry": entry,
        "name": _free(acting, entry, plain_name(without(name), ready.kind)),
        "kind": ready.kind.media_type,
        "size": ready.size,
        "digest": ready.digest,
        "person": acting.person.id,
        "added": acting.now,
        "removed": None,
    }
    made = acting.connection.execute(insert(ATTACHMENT).values(values).returning(*ATTACHMENT.c)).mappings().one()
    return _attachment(made)


def require_may_add(acting: Acting, entry: int) -> None:
    """NotThere, Forbidden or Conflict before anything is received."""
    found = access.seen(acting, entry)
    _require_writes(found)
    acting.files.require_space(LARGEST)
    _require_room(acting, entry, 0)
    require_today(_today(acting))


def require_fits(count: int, size: int) -> None:
    """Conflict where an entry may not have so many, or of so many bytes together."""
    if count > MOST or size > MOST_BYTES:
        raise Conflict("attachments_full", most=MOST, mib=MOST_BYTES // MIB)


def require_today(size: int) -> None:
    """Conflict where a person may not add so many bytes in 24 hours."""
    if size > A_DAY:
        raise Conflict("attachments_today", mib=A_DAY // MIB)


def seen(acting: Acting, entry: int, number: int) -> Attachment:
    """The attachment, for whoever may see a revision that holds it; NotThere, as for a number that nobody has."""
    found = access.seen(acting, entry)
    one = _of(acting, entry, number)
    if one.removed is not None or not (_is_visible(acting, found, one) or (found.works and not _holding(acting, one))):
        raise NotThere
    return one


def listed(acting: Acting, entry: int) -> list[Listed]:
    """Those that somebody may see, the oldest first; whoever works on the entry sees those that wait, and what went."""
    found = access.seen(acting, entry)
    rows = acting.connection.execute(select(ATTACHMENT).where(ATTACHMENT.c.entry == entry).order_by(ATTACHMENT.c.id))
    held = _revisions(acting, entry)
    visible = {k for k in {k for of in held.values() for k in of} if access.may_see(acting, found, k)}
    shown = []
    for one in map(_attachment, rows.mappings()):
        holding = held.get(one.id, [])
        revisions = tuple(k for k in holding if k in visible)
        removable = found.reviews and not _is_current(found, holding) if holding else found.writes
        if (revisions or (found.works and not holding)) and (one.removed is None or found.works):
            shown.append(Listed(one, revisions, removable and one.removed is None))
    return shown


def held_by(acting: Acting, entry: int, revision: int) -> list[Attachment]:
    """Those of a revision, which the caller has seen."""
    rows = acting.connection.execute(_HELD, {"entry": entry, "revision": revision}).mappings()
    return [_attachment(row) for row in rows]


def hold(acting: Acting, entry: int, revision: int, attachments: Iterable[int]) -> None:
    """Have a revision that is being saved hold these; Unacceptable for one that is not there, or not for this person.

    Those that the revision before holds go on.
    """
    wanted = sorted(set(attachments))
    if not wanted:
        return
    where = (ATTACHMENT.c.entry == entry, ATTACHMENT.c.removed.is_(None))
    known = set(acting.connection.execute(select(ATTACHMENT.c.id).where(*where)).scalars())
    if not known.issuperset(wanted):
        raise Unacceptable("attachment")
    for one in sorted(set(wanted).difference(those_there(acting, entry, revision - 1))):
        try:
            seen(acting, entry, one)
        except NotThere:
            raise Unacceptable("attachment") from None
    rows = [{"entry": entry, "revision": revision, "attachment": one} for one in wanted]
    acting.connection.execute(insert(HOLDING), rows)


def those_there(acting: Acting, entry: int, revision: int) -> list[int]:
    """The numbers of those of a revision that are not removed."""
    return [one.id for one in held_by(acting, entry, revision) if one.removed is None]


def remove(portal: Portal, person: Person, entry: int, number: int) -> None:
    """Take an attachment away for good, and its file where no other attachment is the same."""
    with portal.files.steady():
        with portal.writing(person) as acting:
            one = _removed(acting, entry, number)
        with portal.database.reading() as connection:
            if not is_known(connection, one.digest):
                portal.files.remove(one.digest)


def is_known(connection: Connection, digest: str) -> bool:
    """Whether there is an attachment with that content."""
    where = (ATTACHMENT.c.digest == digest, ATTACHMENT.c.removed.is_(None))
    return connection.execute(select(ATTACHMENT.c.id).where(*where)).first() is not None


def swept(portal: Portal) -> int:
    """Remove what nobody saved within a week and what a kill left over; returns how many files went."""
    with portal.files.steady():
        with portal.database.writing() as connection:
            connection.execute(
                delete(ATTACHMENT).where(
                    ATTACHMENT.c.added < portal.clock() - WAITS,
                    ~select(HOLDING.c.entry).where(HOLDING.c.attachment == ATTACHMENT.c.id).exists(),
                )
            )
        with portal.database.reading() as connection:
            return portal.files.sweep(lambda digest: is_known(connection, digest))


def by_name(found: Iterable[Attachment]) -> Mapping[str, Attachment]:
    """As a text calls them."""
    return {one.name: one for one in found if one.removed is None}


def _require_writes(found: Access) -> None:
    if not found.writes:
        raise Forbidden("not_yours")
    if found.entry.state not in REVISABLE:
        raise Conflict("in_review")


def _require_room(acting: Acting, entry: int, size: int) -> None:
    there = (ATTACHMENT.c.entry == entry, ATTACHMENT.c.removed.is_(None))
    total = select(func.count(), func.coalesce(func.sum(ATTACHMENT.c.size), 0))
    count, held = acting.connection.execute(total.where(*there)).one()
    require_fits(count + 1, held + size)


def _count(acting: Acting, size: int) -> None:
    """Note that somebody adds so many bytes; Conflict where that is too much for a day."""
    require_today(_today(acting) + size)
    mine = UPLOAD.c.person == acting.person.id
    acting.connection.execute(delete(UPLOAD).where(mine, UPLOAD.c.time <= acting.now - timedelta(days=1)))
    acting.connection.execute(insert(UPLOAD).values(person=acting.person.id, time=acting.now, size=size))


def _today(acting: Acting) -> int:
    """Bytes that the person added in the 24 hours until now."""
    mine = (UPLOAD.c.person == acting.person.id, UPLOAD.c.time > acting.now - timedelta(days=1))
    total = select(func.coalesce(func.sum(UPLOAD.c.size), 0)).where(*mine)
    return int(acting.connection.execute(total).scalar_one())


def _free(acting: Acting, entry: int, name: str) -> str:
    """The name, with a number where the entry has one of that name, also a removed one."""
    where = ATTACHMENT.c.entry == entry
    taken = set(acting.connection.execute(select(ATTACHMENT.c.name).where(where)).scalars())
    stem, _, suffix = name.rpartition(".")
    return next(
        one for k in range(1, len(taken) + 2) if (one := name if k == 1 else f"{stem}-{k}.{suffix}") not in taken
    )


def _removed(acting: Acting, entry: int, number: int) -> Attachment:
    found = access.seen(acting, entry, to_change=True)
    one = _of(acting, entry, number)
    holding = _holding(acting, one)
    if not holding and found.writes:
        acting.connection.execute(delete(ATTACHMENT).where(ATTACHMENT.c.id == number))
        return one
    if one.removed is not None or not (_is_visible(acting, found, one) or (found.works and not holding)):
        raise NotThere
    if _is_current(found, holding):
        raise Conflict("attachment_used")
    if not found.reviews:
        raise Forbidden("not_yours")
    acting.connection.execute(update(ATTACHMENT).where(ATTACHMENT.c.id == number).values(removed=acting.now))
    return one


def _is_current(found: Access, holding: Iterable[int]) -> bool:
    """Whether what readers see, or the newest revision, is among those that hold it."""
    return not {found.entry.published, found.entry.newest}.isdisjoint(holding)


def _of(acting: Acting, entry: int, number: int) -> Attachment:
    if not 0 < number <= access.LARGEST:
        raise NotThere
    where = (ATTACHMENT.c.id == number, ATTACHMENT.c.entry == entry)
    row = acting.connection.execute(select(ATTACHMENT).where(*where)).mappings().first()
    if row is None:
        raise NotThere
    return _attachment(row)


def _holding(acting: Acting, one: Attachment) -> list[int]:
    """All revisions that hold it, the newest first."""
    wanted = select(HOLDING.c.revision).where(HOLDING.c.attachment == one.id).order_by(HOLDING.c.revision.desc())
    return list(acting.connection.execute(wanted).scalars())


def _is_visible(acting: Acting, found: Access, one: Attachment) -> bool:
    """Whether the person may see one of them."""
    return any(access.may_see(acting, found, k) for k in _holding(acting, one))


def _revisions(acting: Acting, entry: int) -> dict[int, list[int]]:
    """The revisions that hold each of the entry's attachments."""
    found: dict[int, list[int]] = {}
    wanted = select(HOLDING.c.attachment, HOLDING.c.revision).where(HOLDING.c.entry == entry)
    for one, revision in acting.connection.execute(wanted.order_by(HOLDING.c.revision.desc())):
        found.setdefault(one, []).append(revision)
    return found


def _attachment(row: RowMapping) -> Attachment:
    return Attachment(**{name: row[name] for name in Attachment.__dataclass_fields__})
