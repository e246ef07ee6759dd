"""Who else knows about something: departments, and no facts of theirs.

    may read a sort of facts in which it occurs     ──►  Knows(department, readable=True)      ask, and see
    may know that entities of its types are there   ──►  Knows(department, readable=False)     ask the department
    neither                                         ──►  nothing: not even that there is nothing

The second is the action `publish` (发布) on every type that the entity has at its owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lepton_fed.knowledge.access import Access, Permission
from lepton_fed.knowledge.revisions import Held
from lepton_fed.knowledge.sorts import Sorting


@dataclass(frozen=True)
class Knows:
    """A department has facts about it; `readable`: some of them may be read by whoever asked."""

    department: str
    readable: bool


def knows(owner: str, about: Iterable[Held], entity: str, sorting: Sorting, access: Access) -> Iterator[Knows]:
    """What the asker may learn about the owner's knowing of an entity, given its facts with it at either end."""
    found = list(about)
    if not found:
        return
    if any(access.may(sorting.sort(held.fact), "read") for held in found):
        yield Knows(owner, readable=True)
    elif may_know_of(owner, entity, sorting, access):
        yield Knows(owner, readable=False)


def may_know_of(owner: str, entity: str, sorting: Sorting, permission: Permission) -> bool:
    """Whether the asker may learn that the entity is there."""
    if owner == permission.who:
        return True
    return all(permission.permits(owner, "publish", "EntityType", one) for one in sorted(sorting.types_of(entity)))
