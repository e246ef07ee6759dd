"""What the REST interface gives of what was found, or waits for somebody, field by field."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel

from lepton_fed.portal.finding.search import Hit
from lepton_fed.portal.web.api_shapes import Kind, PartGiven
from lepton_fed.portal.web.entry_shapes import EntryGiven


class HitGiven(BaseModel):
    """An entry that was found."""

    entry: int
    title: str
    kind: Kind
    department: str
    owner: str
    published: date
    helped: int
    text: list[PartGiven]

    @classmethod
    def of(cls, hit: Hit) -> HitGiven:
        kept = ("entry", "kind", "department", "owner", "published", "helped")
        return cls.model_validate(
            {
                **{name: getattr(hit, name) for name in kept},
                "title": "".join(part.text for part in hit.title),
                "text": [PartGiven(text=part.text, marked=part.marked) for part in hit.text],
            }
        )


class FoundGiven(BaseModel):
    """A page of what was found, and how many there are in all."""

    total: int
    page: int
    pages: int
    hits: list[HitGiven]


class ToDoGiven(BaseModel):
    """What waits for the caller."""

    drafts: list[EntryGiven]
    reviews: list[EntryGiven]
    stale: list[EntryGiven]
    reported: list[EntryGiven]
