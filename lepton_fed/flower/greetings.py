"""What is said to a Flower node before any message of a federation.

    Who ──► Here          which department is this node?
    Update ──► Updated    the membership as it stands

Nodes have numbers for names, so the first is asked of all; the second goes to whoever has connected since the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Who:
    """Which department are you? Asked of Flower nodes, which have numbers for names."""


@dataclass(frozen=True)
class Here:
    """This department."""

    department: str


@dataclass(frozen=True)
class Update:
    """The newest membership that the coordinator has, signed by the administrator; the first thing said to anybody.

    `run`: the id of the run under way, by which a department's entries of the audit log are found; empty without one.
    """

    membership: bytes = field(repr=False)
    run: str = ""


@dataclass(frozen=True)
class Updated:
    """It goes by the membership of this serial now."""

    serial: int
