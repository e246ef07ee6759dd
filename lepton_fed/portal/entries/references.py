"""What a text speaks of beside other entries: `[[run:…]]`, `[[model:…]]`, `[[entity:…]]`, wherever a link may stand.

    [[entity:华东钢铁]]      an entity of the knowledge graph, by its name or its address (IRI)
    [[model:9f86d081…]]      a model, by the SHA-256 of its file
    [[run:0b1c…|第三次]]     a run by its id, called as it says after the |

They are kept in the text as they were typed, and so in every file that is exported. What they are called and where they
lead is found when somebody looks, for that person. Which published entries speak of what is kept in a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from sqlalchemy import Table, delete, insert, or_, select

from lepton_fed.knowledge.iris import iri
from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries.tables import ENTRY
from lepton_fed.portal.people.rights import stands_on
from lepton_fed.storage.portal_trust_tables import ReferenceRow

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

REFERENCE = cast(Table, ReferenceRow.__table__)
Kind = Literal["entity", "model", "run"]
MARK = "[["
"""No text without it speaks of anything."""

LONGEST = 500
MOST = 200
"""Of one text are kept, and of one answer."""

_WRITTEN = re.compile(rf"\[\[(entity|model|run):([^\[\]|\n]{{1,{LONGEST}}})(?:\|([^\[\]|\n]{{1,100}}))?\]\]")
_FORMS = {"model": re.compile(r"[0-9a-f]{64}"), "run": re.compile(r"[0-9a-z][0-9a-z-]{0,63}")}


@dataclass(frozen=True)
class Reference:
    """A run's id, a model's SHA-256 in hex, an entity's IRI."""

    kind: Kind
    target: str


@dataclass(frozen=True)
class Named:
    """What it is called for somebody, and the page to go to; `page` is empty where they have none."""

    text: str
    page: str = ""


Naming: TypeAlias = Callable[[Reference], Named]


@dataclass(frozen=True)
class About:
    """A published entry that speaks of something."""

    entry: int
    title: str
    kind: str
    department: str


def read(kind: str, target: str) -> Reference | None:
    """What somebody means by that; None where it cannot be one."""
    said = target.strip()
    if kind == "entity":
        address = iri(said, "entity") if said and said.isprintable() else ""
        return Reference("entity", address) if 0 < len(address) <= 3 * LONGEST else None
    form = _FORMS.get(kind)
    lower = said.lower()
    return Reference(cast(Kind, kind), lower) if form is not None and form.fullmatch(lower) else None


def write_reference(state: StateInline, silent: bool) -> bool:
    """The rule by which Markdown reads one: a link, or its name alone where there is no page for whoever looks.

    Without a `naming` it stays what it is, to be found by `spoken_of`.
    """
    found = _WRITTEN.match(state.src, state.pos, state.posMax)
    reference = read(found[1], found[2]) if found is not None else None
    if found is None or reference is None:
        return False
    if not silent:
        naming: Naming | None = state.env.get("naming")
        if naming is None:
            state.push("reference", "", 0).meta = {"reference": reference}
        else:
            _push(state, naming(reference), (found[3] or "").strip())
    state.pos = found.end()
    return True


def plainly(reference: Reference) -> Named:
    """Called by what it is known by, without a page."""
    return Named(reference.target)


def spoken_of(tokens: Sequence[Token]) -> tuple[Reference, ...]:
    """What a text speaks of, each once: the first so many."""
    parts = (one for token in tokens for one in token.children or ())
    return tuple(dict.fromkeys(one.meta["reference"] for one in parts if one.type == "reference"))[:MOST]


def put(acting: Acting, entry: int, found: Iterable[Reference]) -> None:
    """Keep what readers see of an entry now speaks of."""
    remove(acting, entry)
    rows = [{"entry": entry, "kind": one.kind, "target": one.target} for one in found]
    if rows:
        acting.connection.execute(insert(REFERENCE), rows)


def remove(acting: Acting, entry: int) -> None:
    """Readers see it no longer."""
    acting.connection.execute(delete(REFERENCE).where(REFERENCE.c.entry == entry))


def about(acting: Acting, things: Sequence[Reference]) -> list[About]:
    """Published entries that speak of any of these and that the person may read, the newest first."""
    if not things:
        return []
    readable = acting.readable
    any_of = or_(*((REFERENCE.c.kind == one.kind) & (REFERENCE.c.target == one.target) for one in things[:MOST]))
    wanted = (
        select(ENTRY.c.id, ENTRY.c.title, ENTRY.c.kind, ENTRY.c.department)
        .where(ENTRY.c.id.in_(select(REFERENCE.c.entry).where(any_of)), stands_on(ENTRY.c.shelf, readable))
        .order_by(ENTRY.c.day.desc(), ENTRY.c.id.desc())
        .limit(MOST)
    )
    return [About(*row) for row in acting.connection.execute(wanted)]


def _push(state: StateInline, named: Named, label: str) -> None:
    if named.page:
        state.push("link_open", "a", 1).attrs = {"href": named.page}
    state.push("text", "", 0).content = label or named.text
    if named.page:
        state.push("link_close", "a", -1)
