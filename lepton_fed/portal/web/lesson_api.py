"""The call that makes drafts of review comments."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from lepton_fed.portal.entries import code_reviews
from lepton_fed.portal.entries.code_reviews import MOST, Review
from lepton_fed.portal.web.api_shapes import Taken
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api")


class ReviewsTaken(Taken):
    """Comments, whose drafts they become, and in which language. `names`: with those who commented."""

    department: str
    names: bool = False
    language: Literal["zh", "en"] = "en"
    reviews: Annotated[list[Review], Field(min_length=1, max_length=MOST)]


@router.post("/lessons", status_code=201)
def make(portal: ThePortal, person: Calling, taken: ReviewsTaken) -> list[int]:
    """Drafts of review comments, one for each topic or file; the answer is their numbers."""
    return code_reviews.imported(
        portal, person, taken.reviews, taken.department, names=taken.names, language=taken.language
    )
