"""Suggestions by calls."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from lepton_fed.portal.entries import access
from lepton_fed.portal.finding import suggestions
from lepton_fed.portal.finding.suggestions import Suggestion
from lepton_fed.portal.web.visiting import Calling, ThePortal
from lepton_fed.portal.wording import DEFAULT, wording

router = APIRouter(prefix="/api")


class SuggestionGiven(BaseModel):
    """An entry that the caller may read, and why it is suggested."""

    entry: int
    title: str
    kind: str
    department: str
    reasons: list[str]

    @classmethod
    def of(cls, one: Suggestion) -> SuggestionGiven:
        said = wording(DEFAULT)
        reasons = [said(f"reason.{reason.kind}", **dict(reason.values)) for reason in one.reasons]
        kept = {name: getattr(one.entry, name) for name in ("title", "kind", "department")}
        return cls(entry=one.entry.id, reasons=reasons, **kept)


@router.get("/suggestions")
def unread(portal: ThePortal, person: Calling) -> list[SuggestionGiven]:
    """Entries that the caller has not read: like what they read, or of help to others."""
    with portal.reading(person) as acting:
        return [SuggestionGiven.of(one) for one in suggestions.unread(acting)]


@router.get("/entries/{number}/related")
def related(portal: ThePortal, person: Calling, number: int) -> list[SuggestionGiven]:
    """Entries that go with one, as far as the caller may read them."""
    with portal.reading(person) as acting:
        return [SuggestionGiven.of(one) for one in suggestions.related(acting, access.seen(acting, number))]
