"""Reading: an entry with its text, lists of what somebody has to do, comments, and who was helped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, bindparam, insert, or_, select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import access, states
from lepton_fed.portal.entries.access import Access
from lepton_fed.portal.entries.content import remark
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.entries.tables import COMMENT, ENTRY, MOVE, REPORT, USE, WITHDRAWAL, Entry, Revision, entry_of
from lepton_fed.portal.errors import Forbidden, Unacceptable
from lepton_fed.portal.once import added_once
from lepton_fed.portal.people.accounts import PERSON
from lepton_fed.portal.people.rights import Action, Shelf, stands_on

LONGEST_COMMENT = 4_000
MOST_LISTED = 200

# Put together once: that takes longer than to ask them.
_USE = select(USE.c.last, USE.c.helped).where(USE.c.entry == bindparam("entry"), USE.c.person == bindparam("person"))
_NAMES = select(PERSON.c.id, PERSON.c.shown).where(PERSON.c.id.in_(bindparam("people", expanding=True)))
_COMMENTS = (
    select(COMMENT, PERSON.c.shown, WITHDRAWAL.c.person.label("taker"), WITHDRAWAL.c.reason)
    .join(PERSON, PERSON.c.id == COMMENT.c.person)
    .outerjoin(WITHDRAWAL, WITHDRAWAL.c.comment == COMMENT.c.id)
    .where(COMMENT.c.entry == bindparam("entry"))
    .order_by(COMMENT.c.id.desc())
    .limit(bindparam("most"))
)
_MOVES = (
    select(MOVE, PERSON.c.shown)
    .join(PERSON, PERSON.c.id == MOVE.c.person)
    .where(MOVE.c.entry == bindparam("entry"))
    .order_by(MOVE.c.id.desc())
    .limit(bindparam("most"))
)


@dataclass(frozen=True)
class Opened:
    """An entry with the revision that is shown.

    `moves`: what this person may do with the newest; `read`: when they last read it, None: never; `helped`: them.
    """

    access: Access
    revision: Revision
    shelf: Shelf
    owner: str
    author: str
    moves: tuple[str, ...]
    read: datetime | None
    helped: bool

    @property
    def entry(self) -> Entry:
        return self.access.entry


@dataclass(frozen=True)
class TakenBack:
    """By whom a comment was taken back, and why where somebody else did."""

    person: str
    reason: str


@dataclass(frozen=True)
class Said:
    """A comment, or the reason of a move (`move`), by the name to show."""

    id: int
    person: str
    time: datetime
    text: str
    move: str = ""
    revision: int = 0
    mine: bool = False
    taken_back: TakenBack | None = None


@dataclass(frozen=True)
class ToDo:
    """What waits for somebody: their own drafts, reviews that they may decide, and entries that may be out of date, or
    in which an error was reported.
    """

    drafts: Sequence[Entry]
    reviews: Sequence[Entry]
    stale: Sequence[Entry]
    reported: Sequence[Entry]


def opened(acting: Acting, number: int, *, newest: bool = False) -> Opened:
    """What readers see; `newest`: what those who work on it see, NotThere for others."""
    found = access.seen(acting, number)
    entry = found.entry
    shown = entry.newest if entry.published is None or newest else entry.published
    revision = access.revision(acting, found, shown)
    people = names(acting, [entry.owner, revision.author])
    use = acting.connection.execute(_USE, {"entry": number, "person": acting.person.id}).first()
    return Opened(
        access=found,
        revision=revision,
        shelf=acting.shelf(revision.shelf),
        owner=people[entry.owner],
        author=people[revision.author],
        moves=tuple(states.moves(entry.state, access.mover(acting, found))) if found.works else (),
        read=None if use is None else use.last,
        helped=use is not None and use.helped is not None,
    )


def is_to_be_noted(acting: Acting, found: Opened) -> bool:
    """Whether the person reads it for the first time, or for the first time today; its writers never count."""
    if found.entry.published is None or _is_theirs(acting, found):
        return False
    return found.read is None or found.read.date() < acting.now.date()


def note_opening(acting: Acting, entry: int) -> None:
    """Count that the person read it: each person once."""
    where = (USE.c.entry == entry, USE.c.person == acting.person.id)
    done = acting.connection.execute(update(USE).where(*where).values(last=acting.now))
    if not done.rowcount:
        _add_use(acting, entry)


def note_help(acting: Acting, number: int) -> int:
    """ "This helped me": each person once, nobody for what is their own. Returns how many were helped."""
    found = opened(acting, number)
    if found.entry.published is None or _is_theirs(acting, found):
        raise Forbidden("own_help")
    where = (USE.c.entry == number, USE.c.person == acting.person.id)
    if acting.connection.execute(select(USE.c.entry).where(*where)).first() is None:
        _add_use(acting, number)
    # Of two requests at once one sets it, and that one counts.
    marked = update(USE).where(*where, USE.c.helped.is_(None)).values(helped=acting.now, owner=found.entry.owner)
    if acting.connection.execute(marked).rowcount != 1:
        return int(acting.connection.execute(select(ENTRY.c.helped).where(ENTRY.c.id == number)).scalar_one())
    added = update(ENTRY).where(ENTRY.c.id == number).values(helped=ENTRY.c.helped + 1)
    return int(acting.connection.execute(added.returning(ENTRY.c.helped)).scalar_one())


def comment(acting: Acting, number: int, text: str) -> None:
    """Say something about an entry that one may see; what looks sensitive in it is masked."""
    access.seen(acting, number)
    said = remark(text)
    if not 0 < len(said) <= LONGEST_COMMENT:
        raise Unacceptable("comment", most=LONGEST_COMMENT)
    values = {"entry": number, "person": acting.person.id, "time": acting.now, "text": without(said)}
    acting.connection.execute(insert(COMMENT).values(values))


def comments(acting: Acting, number: int) -> list[Said]:
    """What was said about it, in order: the newest so many."""
    rows = acting.connection.execute(_COMMENTS, {"entry": number, "most": MOST_LISTED}).mappings().all()
    takers = names(acting, {row["taker"] for row in rows} - {None})
    return [_comment(acting, row, takers) for row in reversed(rows)]


def moves(acting: Acting, found: Access) -> list[Said]:
    """What was decided about it and why, the newest first; for those who work on it."""
    if not found.works:
        return []
    rows = acting.connection.execute(_MOVES, {"entry": found.entry.id, "most": MOST_LISTED}).mappings()
    return [Said(r["id"], r["shown"], r["time"], r["reason"], r["move"], r["revision"]) for r in rows]


def to_do(acting: Acting) -> ToDo:
    """What waits for this person."""
    own, today = ENTRY.c.owner == acting.person.id, acting.now.date()
    drafts = [own, ENTRY.c.state.in_(("draft", "changes_requested"))]
    waiting = [ENTRY.c.state == "in_review"]
    stale = [ENTRY.c.published.is_not(None), ENTRY.c.review_by < today]
    reported = [ENTRY.c.id.in_(select(REPORT.c.entry).where(REPORT.c.state == "open"))]
    to_review = _listed(acting, [*waiting, stands_on(ENTRY.c.shelf, _permitted(acting, "review", waiting))])
    return ToDo(
        drafts=_listed(acting, [*drafts, stands_on(ENTRY.c.shelf, _permitted(acting, "write", drafts))]),
        reviews=[one for one in to_review if _may_decide(acting, one)],
        stale=_to_answer(acting, stale),
        reported=_to_answer(acting, reported),
    )


def _to_answer(acting: Acting, of: Sequence[ColumnElement[bool]]) -> list[Entry]:
    """Such entries that this person owns and may write, or may review."""
    reviewed, written = _permitted(acting, "review", of), _permitted(acting, "write", of)
    answering = [or_(ENTRY.c.owner == acting.person.id, stands_on(ENTRY.c.shelf, reviewed))]
    return _listed(acting, [*of, *answering, stands_on(ENTRY.c.shelf, [*reviewed, *written])])


def _permitted(acting: Acting, action: Action, of: Sequence[ColumnElement[bool]]) -> list[int]:
    """The shelves of such entries with which the person may do that: few, where those of all are many."""
    return acting.rights.permitted(acting.connection, acting.person, action, *of)


def names(acting: Acting, people: Iterable[int]) -> dict[int, str]:
    """The names to show of people by their numbers."""
    asked = list(set(people))
    found = acting.connection.execute(_NAMES, {"people": asked}).all() if asked else ()
    return {row.id: row.shown for row in found}


def _comment(acting: Acting, row: RowMapping, takers: dict[int, str]) -> Said:
    taken = None if row["taker"] is None else TakenBack(takers[row["taker"]], row["reason"])
    mine = row["person"] == acting.person.id
    return Said(row["id"], row["shown"], row["time"], row["text"], mine=mine, taken_back=taken)


def _listed(acting: Acting, where: Sequence[ColumnElement[bool]]) -> list[Entry]:
    wanted = select(ENTRY).where(*where).order_by(ENTRY.c.changed.desc(), ENTRY.c.id.desc()).limit(MOST_LISTED)
    return [entry_of(row) for row in acting.connection.execute(wanted).mappings()]


def _may_decide(acting: Acting, entry: Entry) -> bool:
    """Whether they may review for the readers that it is meant for, and wrote none of it."""
    shelf = acting.shelf(access.newest_shelf(acting, entry))
    if not acting.rights.may(acting.person, "review", shelf):
        return False
    return not access.mover(acting, Access(entry, reads=False, writes=False, reviews=True)).wrote


def _is_theirs(acting: Acting, found: Opened) -> bool:
    return acting.person.id in (found.entry.owner, found.revision.author)


def _add_use(acting: Acting, entry: int) -> None:
    who = {"person": acting.person.id, "department": acting.person.department}
    values = {"entry": entry, **who, "first": acting.now, "last": acting.now, "helped": None, "owner": None}
    if added_once(acting.connection, USE, values):
        acting.connection.execute(update(ENTRY).where(ENTRY.c.id == entry).values(opened=ENTRY.c.opened + 1))
