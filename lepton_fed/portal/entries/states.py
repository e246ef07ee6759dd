"""Every way that a revision can take, and who may send it there: one table.

    draft ──submit──► in_review ──publish──► published ──retire──► retired
      ▲  ◄─take_back──┘    │                  │    └─confirm─┘        │
      └──────── revise ◄── changes_requested  └────── revise ◄────────┘

Saving (`revise`) makes a new revision, which is a draft; what was published stays in readers' sight meanwhile, and can
be retired and confirmed as before: the draft stays what it is. Whoever wrote any of a revision since the last published
one does not decide about it, whatever else they may do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lepton_fed.portal.errors import Conflict, Forbidden, Unacceptable

State = Literal["draft", "in_review", "changes_requested", "published", "retired"]
Move = Literal["submit", "take_back", "request_changes", "publish", "retire", "confirm"]
By = Literal["writer", "reviewer", "either"]

UNFINISHED: tuple[State, ...] = ("draft", "in_review", "changes_requested")
REVISABLE: frozenset[str] = frozenset({"draft", "changes_requested", "published", "retired"})
"""In review a text stands still, so that what is published is what was read."""


@dataclass(frozen=True)
class Rule:
    """A move's end, who makes it, whether somebody else than the writers must, and whether a reason is needed.

    `standing`: it is about what readers see, and there must be something that they see.
    """

    after: State
    by: By
    other_person: bool = False
    reasoned: bool = False
    standing: bool = False


TABLE: dict[tuple[str, str], Rule] = {
    ("draft", "submit"): Rule("in_review", "writer"),
    ("in_review", "take_back"): Rule("draft", "writer"),
    ("in_review", "request_changes"): Rule("changes_requested", "reviewer", other_person=True, reasoned=True),
    ("in_review", "publish"): Rule("published", "reviewer", other_person=True),
    ("published", "retire"): Rule("retired", "either", reasoned=True, standing=True),
    ("published", "confirm"): Rule("published", "either", standing=True),
}
TABLE |= {(state, "retire"): Rule(state, "either", reasoned=True, standing=True) for state in UNFINISHED}
TABLE |= {(state, "confirm"): Rule(state, "either", standing=True) for state in UNFINISHED}


@dataclass(frozen=True)
class Mover:
    """A person before an entry: what policies let them do with it, and whether they wrote any of what is decided.

    `standing`: whether readers see any of it.
    """

    writes: bool
    reviews: bool
    wrote: bool
    standing: bool = True

    def may(self, rule: Rule) -> bool:
        allowed = {"writer": self.writes, "reviewer": self.reviews, "either": self.writes or self.reviews}[rule.by]
        return allowed and not (rule.other_person and self.wrote)

    def meets(self, rule: Rule) -> bool:
        """Whether there is what the move is about."""
        return self.standing or not rule.standing


def moves(state: str, mover: Mover) -> list[str]:
    """What this person may do with a revision in that state."""
    return [move for (before, move), rule in TABLE.items() if before == state and mover.may(rule) and mover.meets(rule)]


def after(state: str, move: str, mover: Mover, reason: str) -> State:
    """Where the move leads; Conflict, Forbidden or Unacceptable where it may not be made."""
    rule = TABLE.get((state, move))
    if rule is None or not mover.meets(rule):
        raise Conflict("no_such_move")
    if rule.other_person and mover.wrote and mover.reviews:
        raise Forbidden("two_persons")
    if not mover.may(rule):
        raise Forbidden("not_yours")
    if rule.reasoned and not reason.strip():
        raise Unacceptable("reason")
    return rule.after
