"""Writing: an entry begun, a revision saved, a revision moved on its way. Each in its caller's transaction.

begin ──► revise ──► move(submit) ──► move(publish), by somebody else
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import delete, insert, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.entries import access, quality, references, states
from lepton_fed.portal.entries.content import LONGEST_NOTE, Content, remark
from lepton_fed.portal.entries.markdown import tokens
from lepton_fed.portal.entries.sensitive import Finding, digest, texts, without
from lepton_fed.portal.entries.tables import ENTRY, MOVE, REVISION, TAG, Revision
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Sensitive, Unacceptable
from lepton_fed.portal.finding import keywords, sketch
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Shelf, shelf_number
from lepton_fed.storage.portal_entry_tables import KINDS

HOLDS = timedelta(days=180)
"""How long an entry is good before somebody looks at it again, where its author says nothing else."""

Choice = Literal["ask", "mask", "keep"]
"""What is done with sensitive places: nothing is saved until the author says, they are masked, or they stay."""


@dataclass(frozen=True)
class Chosen:
    """What is saved, as its author wants it; `masked`, `kept`: how many sensitive places are, and stay as they are."""

    content: Content
    masked: int
    kept: int


def begin(
    acting: Acting,
    department: str,
    kind: str,
    content: Content,
    *,
    sensitive: Choice = "ask",
    shown: str | None = None,
) -> int:
    """A new entry of a department, as a draft; returns its number. `shown`: see `chosen`."""
    require_kind(kind)
    shelf = shelf_to_write(acting, department, content)
    return _begun(acting, department, kind, shelf, chosen(content, sensitive, shown))


def begin_chosen(acting: Acting, department: str, kind: str, one: Chosen) -> int:
    """The same for what was looked through before the turn to write: to look for sensitive places may take long."""
    require_kind(kind)
    return _begun(acting, department, kind, shelf_to_write(acting, department, one.content), one)


def require_kind(kind: str) -> None:
    """Unacceptable for what is no kind of entry."""
    if kind not in KINDS:
        raise Unacceptable("kind", kinds=", ".join(KINDS))


def revise(
    acting: Acting,
    number: int,
    content: Content,
    *,
    base: int,
    note: str = "",
    sensitive: Choice = "ask",
    shown: str | None = None,
    attachments: Iterable[int] | None = None,
) -> int:
    """Save a revision; returns its number. Conflict where `base`, the newest that the author saw, no longer is it.

    `shown`: see `chosen`; `attachments`: those that it holds; None: those of the newest one.
    """
    found = access.seen(acting, number, to_change=True)
    entry = found.entry
    if not found.writes:
        raise Forbidden("not_yours")
    if entry.newest != base:
        raise Conflict("changed_meanwhile")
    if entry.state not in states.REVISABLE:
        raise Conflict("in_review")
    shelf = shelf_to_write(acting, entry.department, content)
    one = chosen(content, sensitive, shown)
    newest = entry.newest + 1
    _add_revision(acting, number, newest, shelf, one, note)
    held = attached.those_there(acting, number, entry.newest) if attachments is None else attachments
    attached.hold(acting, number, newest, held)
    changes: dict[str, object] = {"newest": newest, "state": "draft", "changed": acting.now}
    if entry.published is None:
        changes |= {"title": one.content.title, "shelf": shelf, "review_by": one.content.review_by}
        _set_tags(acting, number, one.content.tags)
    acting.connection.execute(update(ENTRY).where(ENTRY.c.id == number).values(changes))
    return newest


def restore(acting: Acting, number: int, revision: int, *, base: int, note: str) -> int:
    """Save an old revision once more, as the newest; returns its number."""
    found = access.seen(acting, number)
    old = access.revision(acting, found, revision)
    shelf = acting.shelf(old.shelf)
    content = Content(title=old.title, body=old.body, tags=old.tags, audience=shelf.audience, named=shelf.named)
    # It was confirmed as it is when it was saved first; what was kept then is counted again.
    held = attached.those_there(acting, number, revision)
    return revise(acting, number, content, base=base, note=note, sensitive="keep", attachments=held)


def spoken_of(acting: Acting, number: int, revision: int) -> tuple[references.Reference, ...] | None:
    """What the newest revision speaks of, read before the turn to write in which it is published: it may take long.

    None, so that `move` decides and reads for itself, for whoever cannot publish it or where `revision` is not the
    newest: it may be by then.
    """
    found = access.seen(acting, number)
    if not found.works or found.entry.newest != revision:
        return None
    return _spoken_of(access.revision(acting, found, revision).body)


def move(
    acting: Acting,
    number: int,
    move: str,
    *,
    revision: int,
    reason: str = "",
    until: date | None = None,
    speaks: Sequence[references.Reference] | None = None,
) -> str:
    """Send the newest revision on its way; returns the state it has then. Conflict unless `revision` is the newest.

    `speaks`: what `spoken_of` has found in this revision; None: it is read now.
    """
    found = access.seen(acting, number, to_change=True)
    entry = found.entry
    if not found.works:
        raise Forbidden("not_yours")
    if entry.newest != revision:
        raise Conflict("changed_meanwhile")
    state = states.after(entry.state, move, access.mover(acting, found), reason)
    newest = access.revision(acting, found, revision)
    if move in ("submit", "publish"):
        quality.require_ready(acting, entry, newest)
    about = entry.published if entry.published is not None and move in ("retire", "confirm") else revision
    _note_move(acting, number, about, move, reason)
    changes: dict[str, object] = {"state": state, "changed": acting.now}
    if move == "publish":
        changes |= _published(acting, number, newest, _spoken_of(newest.body) if speaks is None else speaks)
    elif move == "retire":
        acting.words.remove(acting.connection, number)
        sketch.remove(acting.connection, number)
        references.remove(acting, number)
        keywords.forget(acting.connection, number)
        _set_tags(acting, number, newest.tags)
        kept = {"title": newest.title, "shelf": newest.shelf, "review_by": newest.review_by}
        changes |= {"published": None, **kept}
    elif move == "confirm":
        changes |= {"review_by": until or (acting.now + HOLDS).date()}
    acting.connection.execute(update(ENTRY).where(ENTRY.c.id == number).values(changes))
    return state


def _begun(acting: Acting, department: str, kind: str, shelf: int, one: Chosen) -> int:
    values = {
        "department": department,
        "shelf": shelf,
        "kind": kind,
        "title": one.content.title,
        "owner": acting.person.id,
        "state": "draft",
        "newest": 1,
        "published": None,
        "review_by": one.content.review_by,
        "made": acting.now,
        "changed": acting.now,
        "day": 0,
        "opened": 0,
        "helped": 0,
    }
    entry = int(acting.connection.execute(insert(ENTRY).values(values).returning(ENTRY.c.id)).scalar_one())
    _add_revision(acting, entry, 1, shelf, one, "")
    _set_tags(acting, entry, one.content.tags)
    return entry


def _note_move(acting: Acting, number: int, revision: int, move: str, reason: str) -> None:
    values = {"entry": number, "revision": revision, "move": move, "person": acting.person.id, "time": acting.now}
    acting.connection.execute(insert(MOVE).values(reason=_said(reason), **values))


def _said(text: str) -> str:
    """A note or a reason as it is kept."""
    return without(remark(text)[:LONGEST_NOTE])


def give(acting: Acting, number: int, name: str) -> None:
    """Make somebody else the owner: a person who may write there. Its owner does that, or whoever may review it.

    Unacceptable in one sentence, whether nobody has that name or somebody who may not write there.
    """
    found = access.seen(acting, number, to_change=True)
    if not (found.reviews or (found.works and found.entry.owner == acting.person.id)):
        raise Forbidden("not_yours")
    try:
        heir = accounts.named(acting.connection, name)
        writes = access.seen(replace(acting, person=heir), number).writes
    except (NotThere, Unacceptable):
        writes = False
    if not writes:
        raise Unacceptable("owner")
    _note_move(acting, number, found.entry.newest, "give", heir.shown)
    acting.connection.execute(update(ENTRY).where(ENTRY.c.id == number).values(owner=heir.id))


def chosen(content: Content, sensitive: Choice, shown: str | None = None) -> Chosen:
    """The content as its author wants it saved. Of title and text an author is asked; tags are masked at once.

    `shown`: the digest of what the author saw when they chose: they are asked again where something else is found.
    None: they chose for whatever is.
    """
    title, body = content.found()
    tags, rest = content.found_in_tags, len(title) + len(body)
    if rest and (sensitive == "ask" or (shown is not None and shown != _digest(content, title, body))):
        raise Sensitive(title, body)
    if sensitive == "keep":
        return Chosen(content.with_tags_masked(), tags, rest)
    return Chosen(content.masked(), rest + tags, 0)


def _digest(content: Content, title: tuple[Finding, ...], body: tuple[Finding, ...]) -> str:
    return digest([*texts(content.title, title), *texts(content.body, body)])


def shelf_to_write(acting: Acting, department: str, content: Content) -> int:
    """The number of the shelf that the content stands on; Unacceptable, or Forbidden for who may not write there."""
    shelf = content.shelf(department)
    require_may_write(acting, shelf)
    return shelf_number(acting.connection, shelf)


def where_author(person: Person) -> list[str]:
    """The departments for which somebody may begin something, by name; Forbidden where there are none."""
    found = sorted(person.where_at_least("author"))
    if not found:
        raise Forbidden("write", department=person.department)
    return found


def require_may_write(acting: Acting, shelf: Shelf) -> None:
    """Unacceptable or Forbidden, before anything is made for that shelf."""
    known = departments(acting.connection)
    for name in (shelf.department, *shelf.named):
        if name not in known:
            raise Unacceptable("department", name=name)
    if not acting.rights.may(acting.person, "write", shelf):
        raise Forbidden("write", department=shelf.department)


def _add_revision(acting: Acting, entry: int, number: int, shelf: int, one: Chosen, note: str) -> None:
    content = one.content
    acting.connection.execute(
        insert(REVISION).values(
            entry=entry,
            number=number,
            shelf=shelf,
            title=content.title,
            body=content.body,
            tags=json.dumps(list(content.tags), ensure_ascii=False),
            author=acting.person.id,
            saved=acting.now,
            review_by=content.review_by,
            note=_said(note),
            masked=one.masked,
            kept=one.kept,
        )
    )


def _published(
    acting: Acting, number: int, revision: Revision, speaks: Sequence[references.Reference]
) -> dict[str, object]:
    """What readers see from now on, and find."""
    _set_tags(acting, number, revision.tags)
    acting.words.put(acting.connection, number, heading(revision.title, revision.tags), revision.body)
    sketch.put(acting.connection, number, revision.title, revision.body)
    references.put(acting, number, speaks)
    keywords.note(acting.connection, number, heading(revision.title, revision.tags), revision.body)
    return {
        "published": revision.number,
        "title": revision.title,
        "shelf": revision.shelf,
        "review_by": revision.review_by or (acting.now + HOLDS).date(),
        "day": _day(acting.now),
    }


def _spoken_of(body: str) -> tuple[references.Reference, ...]:
    return references.spoken_of(tokens(body)) if references.MARK in body else ()


def heading(title: str, tags: tuple[str, ...]) -> str:
    """What counts as an entry's heading when it is looked for."""
    return "\n".join([title, *tags])


def _set_tags(acting: Acting, entry: int, tags: tuple[str, ...]) -> None:
    acting.connection.execute(delete(TAG).where(TAG.c.entry == entry))
    if tags:
        acting.connection.execute(insert(TAG), [{"entry": entry, "tag": tag} for tag in tags])


def _day(now: datetime) -> int:
    return now.date().toordinal() - date(1970, 1, 1).toordinal()
