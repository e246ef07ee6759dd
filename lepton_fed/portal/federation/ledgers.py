"""What has been spent of privacy, per data set: where a department's ledger is on this machine, for its own people.

A ledger is its department's. Of the others is said only that theirs is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.ledgers import Balance, balances
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched

Where = Literal["here", "none", "department", "not_yours"]
"""`here`: with its balances; `none`: it keeps no budget; `department`: it is there; `not_yours`: not to be seen."""


@dataclass(frozen=True)
class LedgerSeen:
    """A department's, as far as the person may see it."""

    department: str
    where: Where
    balances: tuple[Balance, ...] = ()


def ledgers(watched: Watched, onlooker: Onlooker) -> tuple[LedgerSeen, ...]:
    """Of each department, in the file's order; Unreadable."""
    federation, kit = watched.federation(), watched.kit()
    here = {name for name in federation.settings.names if kit is None and federation.department_file(name).exists()}
    here |= {kit.name} if isinstance(kit, DepartmentKit) else set()
    visible = {name for name in here if onlooker.may_inspect(name)}
    with told():
        known = balances(Path(watched.place)) if visible else ()
    return tuple(_seen(name, here, visible, known) for name in federation.settings.names)


def _seen(name: str, here: set[str], visible: set[str], known: tuple[Balance, ...]) -> LedgerSeen:
    if name not in here:
        return LedgerSeen(name, "department")
    if name not in visible:
        return LedgerSeen(name, "not_yours")
    own = tuple(one for one in known if one.department == name)
    return LedgerSeen(name, "here" if own else "none", own)
