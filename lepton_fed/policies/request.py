"""A question to a department's policies, the circumstances it is asked under, and the answer.

    Request(who, role, verb, what, owner, kind, of, context)  ──►  Decision(permitted, reasons, rules)

What is wrong with a request (a name nobody has, an attribute not given, an hour of 25) is found here, in
sentences, before any policy is asked; such a request is denied.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from lepton_fed.policy import CHINESE
from lepton_fed.translation import Sentence, joined, sentence, term

WORDS = {**CHINESE, "接收": "receive"}
"""Actions in Chinese, with the English word that policies are decided by."""

VERBS = tuple(WORDS.values())

ITSELF = "department"
"""The role of a request that no person makes: the department itself asks."""

Kind = Literal["DataSet", "Part", "Statistic", "Relation", "EntityType"]
KINDS: tuple[Kind, ...] = ("DataSet", "Part", "Statistic", "Relation", "EntityType")

_MADE = ("Part", "Statistic")
"""Kinds of things that are made from a data set."""

_NOT_MADE = {"DataSet": term("a data set"), "Relation": term("a relation"), "EntityType": term("a type of entities")}

MICRO = 1_000_000
"""Cedar has no floating point, so a budget is said in millionths of ε."""


ATTRIBUTES = {
    **{name: name for name in ("purpose", "crowd", "code", "federation", "plan", "part", "hour", "round", "rounds")},
    "epsilonMicro": "epsilon_spent",
}
"""The schema's attributes of a context, each with the field of `Context` that it is made from."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The circumstances of a request. What is None was not said, and a request that leaves something unsaid is denied.

    `""` and 0 say that there is none: no plan, no code, no round. `epsilon_spent` is in ε, `hour` 0 to 23.
    """

    purpose: str | None = None
    crowd: int | None = None
    epsilon_spent: float | None = None
    code: str | None = None
    federation: str | None = None
    plan: str | None = None
    part: str | None = None
    hour: int | None = None
    round: int | None = None
    rounds: int | None = None

    @classmethod
    def outside_training(
        cls, *, purpose: str, hour: int, federation: str = "", crowd: int = 1, epsilon_spent: float = 0.0
    ) -> Context:
        """Of a request that belongs to no round: no code, plan or part of a model is concerned."""
        none = {"code": "", "plan": "", "part": "", "round": 0, "rounds": 0}
        return cls(purpose=purpose, crowd=crowd, epsilon_spent=epsilon_spent, federation=federation, hour=hour, **none)  # type: ignore[arg-type]

    def attributes(self) -> dict[str, str | int]:
        """As the schema names and types them; for a context without `mistakes`."""
        # 4.03 ε is 4030000.0000000005 millionths: what floating point adds is taken off before rounding up.
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        spent = said.pop("epsilon_spent")
        return {**said, "epsilonMicro": math.ceil(round(spent * MICRO, 3))}

    def mistakes(self) -> Iterator[str]:
        """What is wrong with it, in sentences."""
        unsaid = [f.name for f in fields(self) if getattr(self, f.name) is None]
        if unsaid:
            yield sentence("the request does not say: {fields}", fields=joined(", ", map(term, unsaid)))
            return
        for name in ("purpose", "code", "federation", "plan", "part"):
            if not isinstance(getattr(self, name), str):
                yield _no_text(name, getattr(self, name))
        for name in ("crowd", "hour", "round", "rounds"):
            if not _is_count(getattr(self, name)):
                yield sentence(
                    "{field} is no whole number from 0 on: {value!r}", field=term(name), value=getattr(self, name)
                )
        if not _is_amount(self.epsilon_spent):
            yield sentence(
                "{field} is no amount from 0 on: {value!r}", field=term("epsilon_spent"), value=self.epsilon_spent
            )
        if _is_count(self.hour) and self.hour > 23:  # type: ignore[operator]
            yield sentence("hour is beyond 23: {hour}", hour=self.hour)
        if _is_count(self.round) and _is_count(self.rounds) and self.round > self.rounds:  # type: ignore[operator]
            yield sentence("round {round} is beyond the last one, {last}", round=self.round, last=self.rounds)


def _no_text(field: str, value: object) -> Sentence:
    return sentence("{field} is no text: {value!r}", field=term(field), value=value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


@dataclass(frozen=True, kw_only=True)
class Request:
    """May `who`, in the role `role`, do `verb` with what `owner` calls `what`?

    `kind` says what that is; `of` names the data set that a part or a statistic was made from. `verb` may be
    Chinese or English.
    """

    who: str
    role: str
    verb: str
    what: str
    owner: str
    context: Context
    kind: Kind = "DataSet"
    of: str | None = None

    @property
    def action(self) -> str:
        """The English word for `verb`."""
        return WORDS.get(self.verb, self.verb)

    def mistakes(self, departments: Collection[str]) -> Iterator[str]:
        """What is wrong with it, in sentences; nobody but `departments` asks or owns."""
        texts = {"role": self.role, "verb": self.verb, "what": self.what, "kind": self.kind, "of": self.of or ""}
        for field, name in (("who", self.who), ("owner", self.owner)):
            if not isinstance(name, str) or name not in departments:
                yield sentence(
                    "{field} is {name!r}, which is no department of this federation", field=term(field), name=name
                )
        for field, text in texts.items():
            if not isinstance(text, str) or (field != "of" and not text):
                yield _no_text(field, text)
        if isinstance(self.verb, str) and self.action not in VERBS:
            known = joined(", ", (f"{chinese} {english}" for chinese, english in WORDS.items()))
            yield sentence("there is no action {verb!r}; there are {known}", verb=self.verb, known=known)
        if self.kind not in KINDS:
            yield sentence("there is no kind {kind!r}; there are {known}", kind=self.kind, known=joined(", ", KINDS))
        elif self.kind not in _MADE and self.of is not None:
            yield sentence("{kind} is made from no other: leave out `of`", kind=_NOT_MADE[self.kind])
        yield from self.context.mistakes()

    def __str__(self) -> str:
        """`研发部门 读取 生产线数据 of 生产车间`."""
        return f"{said(self.who)} {said(self.verb)} {said(self.what)} of {said(self.owner)}"


@dataclass(frozen=True)
class Decision:
    """Yes or no, the sentences that say why, and the names of the rules that decided; false in an `if` when it is no.

    A denial without `rules` says that no rule permits it or, if `broken`, that something is wrong with the request
    or with the rules, so that nothing was decided.
    """

    permitted: bool
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    request: Request
    broken: bool = False

    def __bool__(self) -> bool:
        return self.permitted


def said(name: object) -> str:
    """A name to print: as it is, or quoted where it holds what would steer a terminal or break a line."""
    text = str(name)
    return text if text and text.replace("\u3000", " ").isprintable() else repr(text)
