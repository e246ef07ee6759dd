"""A person as the portal knows one: a home department, and a role in each department that gave one.

reader < author < reviewer < approver < administrator        each may do what those before it may
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lepton_fed.portal.composing import Form, composed
from lepton_fed.portal.errors import Unacceptable
from lepton_fed.storage.portal_people_tables import ROLES

LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class Person:
    """`operator`: makes departments and their first administrators; sees no entry by that."""

    id: int
    name: str
    shown: str
    department: str
    operator: bool = False
    active: bool = True
    language: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def standing(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """All that policies know of the person."""
        return self.department, tuple(sorted(self.roles.items()))

    def where_at_least(self, role: str) -> frozenset[str]:
        """The departments in which the person is that or more."""
        least = ROLES.index(role)
        return frozenset(name for name, own in self.roles.items() if ROLES.index(own) >= least)


def sign_in_name(text: str) -> str:
    """The name as it is stored and looked up: NFKC, without regard to case. Unacceptable where it cannot be one."""
    name = _composed("NFKC", text, "name").strip().casefold()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or any(c.isspace() for c in name):
        raise Unacceptable("name", most=LONGEST_NAME)
    return name


def said_name(text: str) -> str:
    """A name to show, of a person or a department: NFC, no line breaks. Unacceptable where it is none."""
    name = _composed("NFC", text, "shown_name").strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.replace("\u3000", " ").isprintable():
        raise Unacceptable("shown_name", most=LONGEST_NAME)
    return name


def _composed(form: Form, text: str, key: str) -> str:
    try:
        return composed(form, text, LONGEST_NAME)
    except ValueError:
        raise Unacceptable(key, most=LONGEST_NAME) from None
