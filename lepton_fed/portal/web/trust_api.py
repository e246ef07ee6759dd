"""Calls about the trust in an entry: what was found in it by itself."""

from __future__ import annotations

from fastapi import APIRouter

from lepton_fed.portal.entries import quality
from lepton_fed.portal.web import trust_shapes as shapes
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api")


@router.get("/entries/{number}/checks")
def check(portal: ThePortal, person: Calling, number: int) -> list[shapes.CheckGiven]:
    """What was found by itself in the newest revision; nothing for whoever only reads."""
    with portal.reading(person) as acting:
        return [shapes.CheckGiven.of(one) for one in quality.of_newest(acting, number)]
