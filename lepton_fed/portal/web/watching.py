"""Who looks at the federation: a signed-in person or a token's, whom the portal's policies let `watch` it.

For everybody else, and where the portal watches none, there is no such page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.web.visiting import Calling, Visiting, portal_of

if TYPE_CHECKING:
    from lepton_fed.portal.federation.watched import Watched


@dataclass(frozen=True)
class Look:
    """Somebody looks at the federation."""

    watched: Watched
    onlooker: Onlooker


def watches(request: Request, person: Person | None) -> bool:
    """Whether there is a federation for this person to see."""
    return person is not None and look_of(request, person) is not None


def looking(request: Request, visit: Visiting) -> Look:
    """A signed-in person's look; NotThere."""
    return _required(request, visit.person)


def looking_by_call(request: Request, person: Calling) -> Look:
    """A token's; NotThere."""
    return _required(request, person)


Looking = Annotated[Look, Depends(looking)]
LookingByCall = Annotated[Look, Depends(looking_by_call)]


def _required(request: Request, person: Person) -> Look:
    found = look_of(request, person)
    if found is None:
        raise NotThere
    return found


def look_of(request: Request, person: Person) -> Look | None:
    """Somebody's look; None where there is nothing for them to see."""
    watched: Watched | None = request.app.state.watched
    onlooker = Onlooker(person, portal_of(request).rights)
    if watched is None or not onlooker.may_watch(watched.members):
        return None
    return Look(watched, onlooker)
