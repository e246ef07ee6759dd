"""Whether a person may see an entry, or one of its revisions, and what else they may do with it.

Readers see what is published on a shelf that they may read. Whoever may write or review there sees drafts as well,
those for other readers only where policies let them write or review for these, too. For everybody else an entry is not
there: the answer is the same as for a number that nobody has.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.states import Mover
from lepton_fed.portal.entries.tables import (
    ENTRY,
    MOVE,
    REVISION,
    Entry,
    Revision,
    Saved,
    entry_of,
    revision_of,
    saved_of,
)
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.people.rights import Action

LARGEST = 2**63 - 1
MOST_LISTED = 200
"""Revisions; an older one is still there by its number."""

_WORKING: tuple[Action, ...] = ("write", "review")

# Put together once: that takes longer than to ask them.
_ENTRY = select(ENTRY).where(ENTRY.c.id == bindparam("entry"))
_REVISION = select(REVISION).where(REVISION.c.entry == bindparam("entry"), REVISION.c.number == bindparam("number"))
_PUBLISHED = select(MOVE.c.id).where(
    MOVE.c.entry == bindparam("entry"), MOVE.c.revision == bindparam("number"), MOVE.c.move == "publish"
)


@dataclass(frozen=True)
class Access:
    """An entry that somebody may see, and as what: as one it is published for, as its writer, as its reviewer."""

    entry: Entry
    reads: bool
    writes: bool
    reviews: bool

    @property
    def works(self) -> bool:
        """Whether drafts are for this person, too."""
        return self.writes or self.reviews


def seen(acting: Acting, number: int, *, to_change: bool = False) -> Access:
    """The entry, for whoever may see it; NotThere. `to_change`: nobody else changes it until the transaction's end."""
    if not 0 < number <= LARGEST:
        raise NotThere
    wanted = _ENTRY.with_for_update() if to_change else _ENTRY
    row = acting.connection.execute(wanted, {"entry": number}).mappings().first()
    if row is None:
        raise NotThere
    entry = entry_of(row)
    shelf, next_shelf = (acting.shelf(one) for one in (entry.shelf, newest_shelf(acting, entry)))
    reads = entry.published is not None and acting.rights.may(acting.person, "read", shelf)
    # What is decided about the newest revision decides for whom it will be.
    writes, reviews = (
        all(acting.rights.may(acting.person, action, one) for one in (shelf, next_shelf)) for action in _WORKING
    )
    if not (reads or writes or reviews):
        raise NotThere
    return Access(entry, reads, writes, reviews)


def revision(acting: Acting, access: Access, number: int) -> Revision:
    """A revision of it; NotThere for readers unless it was published, and for them."""
    if not 0 < number < 2**31:
        raise NotThere
    row = acting.connection.execute(_REVISION, {"entry": access.entry.id, "number": number}).mappings().first()
    if row is None:
        raise NotThere
    found = revision_of(row)
    if not _is_for(acting, access, found):
        raise NotThere
    return found


def may_see(acting: Acting, access: Access, number: int) -> bool:
    """Whether `revision` would give it."""
    columns = [REVISION.c[name] for name in Saved.__dataclass_fields__]
    where = (REVISION.c.entry == access.entry.id, REVISION.c.number == number)
    row = acting.connection.execute(select(*columns).where(*where)).mappings().first()
    return row is not None and _is_for(acting, access, saved_of(row))


def revisions(acting: Acting, access: Access) -> list[Saved]:
    """Those of its newest so many revisions that this person may see, the newest first, without their texts."""
    columns = [REVISION.c[name] for name in Saved.__dataclass_fields__]
    wanted = select(*columns).where(REVISION.c.entry == access.entry.id).order_by(REVISION.c.number.desc())
    rows = acting.connection.execute(wanted.limit(MOST_LISTED)).mappings()
    return [one for one in map(saved_of, rows) if _is_for(acting, access, one)]


def newest_shelf(acting: Acting, entry: Entry) -> int:
    """The shelf of its newest revision: where it will stand if that is published."""
    if entry.published == entry.newest:
        return entry.shelf
    where = (REVISION.c.entry == entry.id, REVISION.c.number == entry.newest)
    return int(acting.connection.execute(select(REVISION.c.shelf).where(*where)).scalar_one())


def mover(acting: Acting, access: Access) -> Mover:
    """The person before this entry's newest revision."""
    entry = access.entry
    since = (REVISION.c.entry == entry.id, REVISION.c.number > (entry.published or 0))
    own = select(REVISION.c.number).where(*since, REVISION.c.author == acting.person.id)
    wrote = acting.connection.execute(own).first() is not None
    return Mover(access.writes, access.reviews, wrote, standing=entry.published is not None)


def _is_for(acting: Acting, access: Access, found: Saved) -> bool:
    """Whether it was published for the person, or is for them to work on."""
    if access.works:
        shelf = acting.shelf(found.shelf)
        if any(acting.rights.may(acting.person, action, shelf) for action in _WORKING):
            return True
    return _was_published_for(acting, found)


def _was_published_for(acting: Acting, found: Saved) -> bool:
    where = {"entry": found.entry, "number": found.number}
    if acting.connection.execute(_PUBLISHED, where).first() is None:
        return False
    return acting.rights.may(acting.person, "read", acting.shelf(found.shelf))
