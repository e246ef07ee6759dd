"""Who may do what with what: default deny, forbid beats permit, and the reason comes with the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lepton_fed.settings import EVERYONE, Grant

CHINESE = {"读取": "read", "训练": "train", "评估": "evaluate", "聚合": "aggregate", "发布": "publish"}


@dataclass(frozen=True)
class Decision:
    """Yes or no, with the sentence that explains it."""

    permitted: bool
    reason: str


def action(word: str) -> str:
    """The English name of an action given in either language."""
    return CHINESE.get(word, word)


def decide(grants: Iterable[Grant], *, owner: str, who: str, verb: str, what: str) -> Decision:
    """May `who` do `verb` with `owner`'s `what`? Only `owner`'s own rules count."""
    rules = [g for g in grants if _applies(g, owner, who, action(verb), what)]
    forbids = [g for g in rules if g.effect == "forbid"]
    if forbids:
        return Decision(False, f"{owner} forbids {who} to {action(verb)} {what!r}")
    if rules:
        return Decision(True, f"{owner} permits {who} to {action(verb)} {what!r}")
    return Decision(False, f"no rule of {owner} permits {who} to {action(verb)} {what!r}")


def _applies(grant: Grant, owner: str, who: str, verb: str, what: str) -> bool:
    return (
        grant.kind == "data"
        and grant.what == what
        and action(grant.action) == verb
        and names(grant.owner, owner)
        and names(grant.who, who)
    )


def names(listed: Iterable[str], one: str) -> bool:
    """Whether a list of names that may hold '*' covers `one`."""
    return any(n in (one, EVERYONE) for n in listed)
