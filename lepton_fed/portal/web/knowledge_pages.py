"""The knowledge graph: a search, an entity with its facts and neighbours; the same by calls.

For whoever may not ask, and where the portal shows no graph, there are no such pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from lepton_fed.portal.entries import references
from lepton_fed.portal.entries.references import Reference
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.web.asking import TheAsking, TheAskingByCall
from lepton_fed.portal.web.page import page, said
from lepton_fed.portal.web.visiting import ThePortal, Visiting

if TYPE_CHECKING:
    from lepton_fed.portal.knowledge.shown import EntitySeen

router = APIRouter(prefix="/knowledge")
calls = APIRouter(prefix="/api/knowledge")

_LONGEST = 1000
Words = Annotated[str, Query(max_length=_LONGEST)]
Id = Annotated[str, Query(min_length=1, max_length=4 * _LONGEST, description="Its address (IRI), or its name.")]


class Given(BaseModel):
    """What a call gives."""

    model_config = ConfigDict(from_attributes=True)


class EntityGiven(Given):
    """An entity by its name and its address."""

    name: str
    id: str


class KnowsGiven(Given):
    """A department that has facts about it; `readable`: some may be read here, otherwise ask the department."""

    department: str
    readable: bool


class FactGiven(Given):
    """A relation to another entity or to a value; `inwards`: the other one has it to this."""

    relation: str
    other: EntityGiven | None
    value: str
    inwards: bool


class EntitySeenGiven(Given):
    """An entity with its facts; `more`: there are more than these."""

    entity: EntityGiven
    types: list[str]
    facts: list[FactGiven]
    knows: list[KnowsGiven]
    more: bool


class EntitiesGiven(Given):
    """Entities that were found, and which other departments know about just that name."""

    entities: list[EntityGiven]
    knows: list[KnowsGiven]
    more: bool


@router.get("")
def search(request: Request, asking: TheAsking, q: Words = "") -> Response:
    """Who knows about something, and what is called so."""
    found, problem = None, None
    if q.strip():
        try:
            found = asking.search(q)
        except PortalError as error:
            problem = error
    return page(
        request,
        "knowledge.html.j2",
        200 if problem is None else problem.status,
        q=q,
        found=found,
        department=asking.department,
        problem="" if problem is None else problem.said(said(request).language),
    )


@router.get("/entity")
def read(request: Request, portal: ThePortal, visit: Visiting, asking: TheAsking, id: Id) -> Response:  # noqa: A002
    """An entity: its facts, its neighbours drawn, who else knows about it, and entries that speak of it."""
    seen = asking.entity(id)
    with portal.reading(visit.person) as acting:
        about = references.about(acting, [Reference("entity", seen.entity.id)])
    return page(
        request,
        "knowledge_entity.html.j2",
        seen=seen,
        drawn=drawn(seen),
        department=asking.department,
        about=about,
    )


@calls.get("")
def find(asking: TheAskingByCall, q: Annotated[str, Query(min_length=1, max_length=_LONGEST)]) -> EntitiesGiven:
    """Entities whose name or one of whose values holds `q`, and the other departments that know about `q`."""
    return EntitiesGiven.model_validate(asking.search(q))


@calls.get("/entity")
def read_entity(asking: TheAskingByCall, id: Id) -> EntitySeenGiven:  # noqa: A002
    """What the caller's department may read about an entity."""
    return EntitySeenGiven.model_validate(asking.entity(id))


def drawn(seen: EntitySeen) -> dict[str, list[dict[str, str]]]:
    """The entity and its neighbours, as `drawing.js` takes them."""
    here = seen.entity
    others = {one.other.id: one.other for one in seen.facts if one.other is not None and one.other != here}
    nodes = [{"id": here.id, "name": here.name, "here": "yes"}]
    nodes += [{"id": one.id, "name": one.name, "to": one.id} for one in others.values()]
    edges = [
        {"from": one.other.id, "to": here.id, "name": one.relation}
        if one.inwards
        else {"from": here.id, "to": one.other.id, "name": one.relation}
        for one in seen.facts
        if one.other is not None
    ]
    return {"nodes": nodes, "edges": edges}
