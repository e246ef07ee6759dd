"""What the portal's policies decide about in a federation, department by department; and somebody who looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lepton_fed.policies.engine import reference
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights


@dataclass(frozen=True)
class Member:
    """A department of the federation. `role`: what a step of its waits for, where that is asked about."""

    KIND: ClassVar[str] = "Member"
    department: str
    role: str = ""

    def attributes(self) -> dict[str, object]:
        """As policies speak of it."""
        return {"department": reference("Department", self.department), "role": self.role}


@dataclass(frozen=True)
class Onlooker:
    """Somebody who looks at the federation, within what the portal's policies let them."""

    person: Person
    rights: Rights

    def may_watch(self, members: tuple[Member, ...]) -> bool:
        """Whether they may see a federation of these: for one of them at least."""
        return self.rights.may_any(self.person, "watch", members)

    def may_decide(self, gate: Member) -> bool:
        """Whether they may answer a step of this member's that waits for this role."""
        return self.rights.may(self.person, "decide", gate)

    def may_inspect(self, department: str) -> bool:
        """Whether they may see what that department keeps for itself: its ledger, its own policies."""
        return self.rights.may(self.person, "inspect", Member(department))
