"""What policies of the portal decide about in a federation: all of it, a gate of its pipeline, a department's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lepton_fed.policies.engine import reference
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights, departments_as_data


@dataclass(frozen=True)
class Members:
    """The federation, as the departments that are in it: to `watch`."""

    KIND: ClassVar[str] = "Federation"
    departments: tuple[str, ...]

    def attributes(self) -> dict[str, object]:
        """As policies speak of it."""
        return {"departments": departments_as_data(self.departments)}


@dataclass(frozen=True)
class Gate:
    """A department's step that waits for a role: to `decide`."""

    KIND: ClassVar[str] = "Gate"
    department: str
    role: str

    def attributes(self) -> dict[str, object]:
        """As policies speak of it."""
        return {"department": reference("Department", self.department), "role": self.role}


@dataclass(frozen=True)
class Keeping:
    """What a department keeps for itself, its ledger and its own policies: to `inspect`."""

    KIND: ClassVar[str] = "Keeping"
    department: str

    def attributes(self) -> dict[str, object]:
        """As policies speak of it."""
        return {"department": reference("Department", self.department)}


@dataclass(frozen=True)
class Onlooker:
    """Somebody who looks at the federation, within what the portal's policies let them."""

    person: Person
    rights: Rights

    def may_watch(self, members: Members) -> bool:
        """Whether they may see it at all."""
        return self.rights.may(self.person, "watch", members)

    def may_decide(self, gate: Gate) -> bool:
        """Whether they may answer a gate."""
        return self.rights.may(self.person, "decide", gate)

    def may_inspect(self, department: str) -> bool:
        """Whether they may see what that department keeps for itself."""
        return self.rights.may(self.person, "inspect", Keeping(department))
