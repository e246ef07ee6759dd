"""What the REST interface takes and gives of entries, field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from lepton_fed.portal.entries.content import LONGEST_BODY, LONGEST_NOTE, LONGEST_TITLE, MOST_TAGS, Content
from lepton_fed.portal.entries.reading import LONGEST_COMMENT, Opened, Said
from lepton_fed.portal.entries.sensitive import digest
from lepton_fed.portal.entries.tables import Entry, Saved
from lepton_fed.portal.entries.writing import Choice
from lepton_fed.portal.people.rights import Shelf
from lepton_fed.portal.web.api_shapes import Audience, Kind, Lines, Move, PartGiven, Taken


class ShownTaken(Taken):
    """A place that looks sensitive: its kind, and what stands there."""

    kind: str
    text: str


class TextTaken(Taken):
    """What an author hands in."""

    title: Annotated[str, Field(max_length=LONGEST_TITLE)]
    body: Annotated[str, Field(max_length=LONGEST_BODY, description="Markdown."), Lines]
    tags: Annotated[list[str], Field(max_length=MOST_TAGS)] = Field(default=[])
    audience: Audience = "department"
    named: Annotated[list[str], Field(description="The departments, where the audience is `named`.")] = Field(
        default=[]
    )
    review_by: Annotated[date | None, Field(description="Until when it is good without another look.")] = None
    sensitive: Annotated[
        Choice, Field(description="What looks sensitive: `ask` answers 409 with the places, and nothing is saved.")
    ] = "ask"
    shown: Annotated[
        list[ShownTaken] | None,
        Field(
            description="With `mask` or `keep`: the places of a 409 that the author was shown; 409 again where others "
            "are found. null: the choice is for whatever is found."
        ),
    ] = None

    def shown_digest(self) -> str | None:
        """What `writing.chosen` compares."""
        return None if self.shown is None else digest((one.kind, one.text) for one in self.shown)

    def content(self) -> Content:
        """Checked; Unacceptable."""
        return Content.given(
            title=self.title,
            body=self.body,
            tags=self.tags,
            audience=self.audience,
            named=self.named,
            review_by=self.review_by,
        )


class EntryTaken(TextTaken):
    """A new entry."""

    department: str
    kind: Kind = "note"


class RevisionTaken(TextTaken):
    """A new revision of one."""

    base: Annotated[int, Field(description="The newest revision that the author saw.")]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    attachments: Annotated[
        list[int] | None, Field(max_length=50, description="Those that it holds; null: those of the newest revision.")
    ] = None


class RestoreTaken(Taken):
    """An old revision that is to be the newest."""

    base: int
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class MoveTaken(Taken):
    """Where the newest revision goes."""

    move: Move
    revision: Annotated[int, Field(description="The newest revision, which is what was decided about.")]
    reason: Annotated[str, Field(max_length=LONGEST_NOTE), Lines] = ""


class OwnerTaken(Taken):
    """The next owner, by the name to sign in with."""

    name: str


class CommentTaken(Taken):
    """What somebody says."""

    text: Annotated[str, Field(max_length=LONGEST_COMMENT), Lines]


class EntryGiven(BaseModel):
    """An entry, without its text."""

    id: int
    department: str
    kind: Kind
    title: str
    state: str
    newest: int
    published: int | None
    review_by: date | None
    changed: datetime
    opened: int
    helped: int

    @classmethod
    def of(cls, entry: Entry) -> EntryGiven:
        return cls.model_validate({name: getattr(entry, name) for name in cls.model_fields})


class SavedGiven(BaseModel):
    """A revision without its text."""

    number: int
    title: str
    tags: list[str]
    saved: datetime
    note: str
    masked: int | None
    kept: int | None

    @classmethod
    def of(cls, revision: Saved, *, works: bool) -> Self:
        """`works`: for somebody who works on it; readers are not told where to look for what was kept."""
        values = {name: getattr(revision, name) for name in cls.model_fields}
        unsaid = {} if works else {"masked": None, "kept": None}
        return cls.model_validate({**values, "tags": list(revision.tags), **unsaid})


class RevisionGiven(SavedGiven):
    """A text as it was saved."""

    body: str


class TakenBackGiven(BaseModel):
    """By whom a comment was taken back, and why where somebody else did."""

    person: str
    reason: str


class SaidGiven(BaseModel):
    """A comment, or a decision with its reason."""

    id: int
    person: str
    time: datetime
    text: str
    move: str
    revision: int
    taken_back: TakenBackGiven | None

    @classmethod
    def of(cls, said: Said) -> SaidGiven:
        return cls.model_validate({name: getattr(said, name) for name in cls.model_fields}, from_attributes=True)


class OpenedGiven(BaseModel):
    """An entry with a text. `moves`: what the caller may do with the newest revision."""

    entry: EntryGiven
    revision: RevisionGiven
    audience: Audience
    named: list[str]
    owner: str
    author: str
    moves: list[Move]
    comments: list[SaidGiven]
    decisions: list[SaidGiven]

    @classmethod
    def of(cls, opened: Opened, comments: list[Said], decisions: list[Said]) -> OpenedGiven:
        shelf: Shelf = opened.shelf
        works = opened.access.works
        return cls.model_validate(
            {
                "entry": EntryGiven.of(opened.entry if works else _as_published(opened)),
                "revision": RevisionGiven.of(opened.revision, works=works),
                "audience": shelf.audience,
                "named": list(shelf.named),
                "owner": opened.owner,
                "author": opened.author,
                "moves": list(opened.moves),
                "comments": [SaidGiven.of(one) for one in comments],
                "decisions": [SaidGiven.of(one) for one in decisions],
            }
        )


def _as_published(opened: Opened) -> Entry:
    """The entry as its readers know it: nothing of a newer draft."""
    revision = opened.revision
    return replace(opened.entry, state="published", newest=revision.number, changed=revision.saved)


class LineGiven(BaseModel):
    """A line that is in both revisions, or only in the older (`gone`) or the newer (`new`) one."""

    mark: Literal["same", "gone", "new"]
    parts: list[PartGiven]
