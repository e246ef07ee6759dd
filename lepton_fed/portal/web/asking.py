"""Who asks the knowledge graph: a signed-in person or a token's, in the name of the department that is their home.

For everybody else, and where the portal shows no graph, there is no such page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.web.visiting import Calling, Visiting, portal_of

if TYPE_CHECKING:
    from lepton_fed.portal.knowledge.shown import EntitySeen, Found, ShownKnowledge


@dataclass(frozen=True)
class Asking:
    """Somebody asks in the name of a department; `person`: their number."""

    knowledge: ShownKnowledge
    department: str
    person: int

    def search(self, text: str) -> Found:
        """What is called so, and who knows about it."""
        return self.knowledge.search(self.department, text, asker=self.person)

    def entity(self, id_: str) -> EntitySeen:
        """What the department may read about an entity."""
        return self.knowledge.entity(self.department, id_, asker=self.person)


def asking_of(request: Request, person: Person | None) -> Asking | None:
    """As whom somebody may ask; None where they may not, or there is nothing to ask."""
    knowledge: ShownKnowledge | None = request.app.state.knowledge
    if knowledge is None or person is None:
        return None
    department = knowledge.asks_as(person, portal_of(request).rights)
    return None if department is None else Asking(knowledge, department, person.id)


def _asking(request: Request, visit: Visiting) -> Asking:
    return _required(request, visit.person)


def _asking_by_call(request: Request, person: Calling) -> Asking:
    return _required(request, person)


def _required(request: Request, person: Person) -> Asking:
    found = asking_of(request, person)
    if found is None:
        raise NotThere
    return found


TheAsking = Annotated[Asking, Depends(_asking)]
TheAskingByCall = Annotated[Asking, Depends(_asking_by_call)]
