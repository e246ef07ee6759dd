"""What is looked at by itself before somebody reviews an entry, as the person who looks may know of it.

    owner       nobody who may write it owns it            blocks
    unmasked    it looks sensitive, nobody kept it so      blocks
    link        leads to no entry that they may read       warns
    place       leads to a heading that is not there       warns
    file        shows an attachment that it does not hold  warns
    duplicate   an entry that they may read says the same  warns
    thin        it says hardly anything                    warns
    plain       it is too much to be read as Markdown      warns

Nothing is kept of it and nothing is fetched: each time it is found anew, of what is there and for whoever looks. An
entry that they may not read is like none. What blocks keeps a text from being submitted and from being published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urljoin, urlsplit

from sqlalchemy import func, select

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.entries import access, anchors
from lepton_fed.portal.entries.access import LARGEST, Access
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.markdown import is_plain, tokens
from lepton_fed.portal.entries.states import UNFINISHED
from lepton_fed.portal.entries.tables import ENTRY, REVISION, Entry, Revision
from lepton_fed.portal.errors import Unready
from lepton_fed.portal.finding import sketch, words
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.rights import stands_on

if TYPE_CHECKING:
    from markdown_it.token import Token

Kind = Literal["owner", "unmasked", "link", "place", "file", "duplicate", "thin", "plain"]
KINDS: tuple[Kind, ...] = ("owner", "unmasked", "link", "place", "file", "duplicate", "thin", "plain")
BLOCKS: frozenset[Kind] = frozenset({"owner", "unmasked"})
FEWEST_WORDS = 12
"""Tokens of a text that says something: a sentence."""

MOST_LINKS, MOST_PLACES, LONGEST_READ = 200, 10, 20_000
"""Links of a text that are looked at; other entries whose headings are, and how long these may be: to read ten is no
more work than to show the longest text.
"""

_ENTRY = re.compile(r"/entries/(\d{1,19})(?:/\w+)?")


@dataclass(frozen=True)
class Check:
    """Something that was found. `what`: the link, the title, how many places; `entry`: which it is about, if one."""

    kind: Kind
    what: str = ""
    entry: int | None = None
    percent: int = 0
    """How alike a duplicate is."""

    @property
    def blocks(self) -> bool:
        return self.kind in BLOCKS


def checks(acting: Acting, found: Access, revision: Revision) -> tuple[Check, ...]:
    """What there is to say about a revision to somebody who works on it; nothing to anybody else."""
    if not found.works:
        return ()
    return (
        *_blocking(acting, found.entry, revision),
        *_leading(acting, revision),
        *_duplicates(acting, revision),
        *_thin(revision.body),
        *([Check("plain")] if is_plain(revision.body) else []),
    )


def while_unpublished(acting: Acting, found: Access, revision: Revision) -> tuple[Check, ...] | None:
    """The same while it is on its way to readers; None where nobody has to do anything about it, or this one not."""
    waits = found.entry.state in UNFINISHED and revision.number == found.entry.newest
    return checks(acting, found, revision) if waits and found.works else None


def of_newest(acting: Acting, number: int) -> tuple[Check, ...]:
    """The same of an entry's newest revision; NotThere for whoever may not see it."""
    found = access.seen(acting, number)
    return checks(acting, found, access.revision(acting, found, found.entry.newest)) if found.works else ()


def require_ready(acting: Acting, entry: Entry, revision: Revision) -> None:
    """Unready where something blocks."""
    count = len(list(_blocking(acting, entry, revision)))
    if count:
        raise Unready(count)


def _blocking(acting: Acting, entry: Entry, revision: Revision) -> Iterator[Check]:
    if not _owned(acting, entry):
        yield Check("owner")
    # What an author kept was counted when it was saved; rules that came later find more.
    content = Content(title=revision.title, body=revision.body, tags=revision.tags)
    unmasked = sum(map(len, content.found())) + content.found_in_tags - revision.kept
    if unmasked > 0:
        yield Check("unmasked", what=str(unmasked))


def _owned(acting: Acting, entry: Entry) -> bool:
    """Whether its owner has an open account, and may write where it stands."""
    owner = accounts.person(acting.connection, entry.owner)
    return acting.rights.may(owner, "write", acting.shelf(entry.shelf))


def _leading(acting: Acting, revision: Revision) -> Iterator[Check]:
    """What is to be said of its links, to entries and to attachments."""
    parsed = tokens(revision.body)
    yield from _links(acting, revision.entry, parsed)
    yield from _files(acting, revision, parsed)


def _links(acting: Acting, entry: int, parsed: Sequence[Token]) -> Iterator[Check]:
    leads = [_read(entry, target) for target in anchors.targets(parsed)[:MOST_LINKS]]
    own = {entry: anchors.anchors(parsed)}
    there = _readable(acting, {one.entry for one in leads if one.entry}) | own.keys()
    placed = dict.fromkeys(one.entry for one in leads if one.place and one.entry in there and one.entry != entry)
    known = own | _anchors(acting, list(placed)[:MOST_PLACES])
    for one in leads:
        if one.inside and one.entry not in there:
            yield Check("link", what=one.target[:200])
        elif one.place and one.entry in known and one.place not in known[one.entry]:
            yield Check("place", what=one.target[:200])


def _files(acting: Acting, revision: Revision, parsed: Sequence[Token]) -> Iterator[Check]:
    """Attachments that a text names and that the revision does not hold."""
    if attached.SCHEME not in revision.body:
        return
    held = attached.by_name(attached.held_by(acting, revision.entry, revision.number))
    for target in anchors.targets(parsed)[:MOST_LINKS]:
        if target.startswith(attached.SCHEME) and unquote(target.removeprefix(attached.SCHEME)) not in held:
            yield Check("file", what=unquote(target)[:200])


@dataclass(frozen=True)
class _Lead:
    """Where a link leads: `inside`, to an entry (0: to something among entries that is none), there to `place`."""

    target: str
    inside: bool = False
    entry: int = 0
    place: str = ""


def _read(entry: int, target: str) -> _Lead:
    """A link in an entry; those to elsewhere are nobody's to follow here."""
    try:
        parts = urlsplit(urljoin(f"/entries/{entry}", target))
    except ValueError:
        return _Lead(target, inside=True)
    relative = not target.startswith("/")
    if parts.scheme or parts.netloc or not (relative or parts.path.startswith("/entries/")):
        return _Lead(target)
    found = _ENTRY.fullmatch(parts.path)
    number = int(found[1]) if found is not None else 0
    return _Lead(target, inside=True, entry=number if number <= LARGEST else 0, place=parts.fragment)


def _readable(acting: Acting, numbers: set[int]) -> set[int]:
    """Those that are published, and for this person to read."""
    shelves = acting.readable
    where = (ENTRY.c.id.in_(numbers), ENTRY.c.published.is_not(None), stands_on(ENTRY.c.shelf, shelves))
    return set(acting.connection.execute(select(ENTRY.c.id).where(*where)).scalars())


def _anchors(acting: Acting, numbers: list[int]) -> dict[int, frozenset[str]]:
    """The headings of what readers see of entries."""
    wanted = (
        select(REVISION.c.entry, REVISION.c.body)
        .join(ENTRY, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(ENTRY.c.id.in_(numbers), func.length(REVISION.c.body) <= LONGEST_READ)
    )
    return {row.entry: anchors.anchors(tokens(row.body)) for row in acting.connection.execute(wanted)}


def _duplicates(acting: Acting, revision: Revision) -> Iterator[Check]:
    for one in sketch.alike(acting, revision.entry, revision.title, revision.body):
        yield Check("duplicate", what=one.title, entry=one.entry, percent=int(100 * one.likeness))


def _thin(body: str) -> Iterator[Check]:
    said = words.tokens(body)
    if sum(1 for _, _ in zip(range(FEWEST_WORDS), said, strict=False)) < FEWEST_WORDS:
        yield Check("thin")
