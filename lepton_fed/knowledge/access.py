"""What an asker may read: every sort of facts of which the owner's policies permit the relation and each type.

    Relation::"研发部门/供应"   permitted ──┐
    EntityType::"研发部门/供应商" permitted ──┼──► facts of the sort (研发部门, 供应, {供应商, 零件}) may be read
    EntityType::"研发部门/零件"  permitted ──┘

Default deny; a department reads its own facts without asking anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from lepton_fed.consent import Consent
from lepton_fed.knowledge.sorts import Sort
from lepton_fed.policies import ITSELF, Context, Decision, Policies, Request
from lepton_fed.policies.request import Kind

Heard = Callable[[Decision], None]
"""Called with every decision that was made, to be logged."""


def unheard(decision: Decision) -> None:
    """Tells nobody."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks, in which role and under which circumstances."""

    department: str
    context: Context
    role: str = ITSELF


class Permission(Protocol):
    """What the department `who` may do."""

    @property
    def who(self) -> str: ...

    def permits(self, owner: str, verb: str, kind: Kind, what: str) -> bool:
        """One decision of the owner's policies."""
        ...


@dataclass(frozen=True)
class Consented:
    """What a department's guard permits another one; each question is asked once."""

    consent: Consent
    who: str
    _made: dict[tuple[str, Kind, str], bool] = field(default_factory=dict, repr=False, compare=False)

    def permits(self, owner: str, verb: str, kind: Kind, what: str) -> bool:
        """One decision about what the guard's department owns; nothing of others is permitted."""
        if owner != self.consent.owner:
            return False
        key = (verb, kind, what)
        if key not in self._made:
            self._made[key] = self.consent.ask(who=self.who, verb=verb, what=what, kind=kind).permitted
        return self._made[key]


@dataclass(frozen=True)
class Access:
    """The policies as they bear on one asker; each question to them is asked once."""

    policies: Policies
    asker: Asker
    heard: Heard = unheard
    _made: dict[tuple[str, Kind, str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def who(self) -> str:
        """The department that asks."""
        return self.asker.department

    def readable(self, sorts: Iterable[Sort]) -> list[Sort]:
        """Those that the asker may read."""
        return [sort for sort in sorts if self.may(sort, "read")]

    def may(self, sort: Sort, verb: str) -> bool:
        """Whether the relation and all types of a sort are permitted."""
        if sort.owner == self.asker.department:
            return True
        allowed = partial(self.permits, sort.owner, verb)
        return allowed("Relation", sort.relation) and all(allowed("EntityType", one) for one in sorted(sort.types))

    def permits(self, owner: str, verb: str, kind: Kind, what: str) -> bool:
        """One decision of the owner's policies."""
        key = (owner, kind, what, verb)
        if key not in self._made:
            decision = self.policies.decide(
                Request(
                    who=self.asker.department,
                    role=self.asker.role,
                    verb=verb,
                    what=what,
                    owner=owner,
                    kind=kind,
                    context=self.asker.context,
                )
            )
            # First: what could not be noted is decided again, and noted, before anything is answered by it.
            self.heard(decision)
            self._made[key] = decision.permitted
        return self._made[key]
