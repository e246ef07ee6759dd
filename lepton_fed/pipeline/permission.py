"""What a step must be permitted before it begins, and who is asked: the owners of the data that it touches.

    needs of a data set       the step's department reads it, or does what the step says      each owner
    train, iterate, publish   the step's department learns from, or lets out, what was learnt  each source
    validate                  whoever trained has its model measured on the step's own rows    the step's department

This is the early check, recorded beside the step; the departments decide again where their rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from lepton_fed.pipeline.step import Step
from lepton_fed.policy import action
from lepton_fed.translation import joined, sentence

if TYPE_CHECKING:
    from lepton_fed.collaboration import Graph
    from lepton_fed.config import Federation
    from lepton_fed.pipeline.plan import Plan

NO_POLICY = bytes(32)
"""Stands where no policy text was asked."""


@dataclass(frozen=True)
class Asked:
    """May `who` do `verb` with `owner`'s `what`?"""

    who: str
    verb: str
    what: str
    owner: str


@dataclass(frozen=True)
class Answer:
    """Yes or no, and why. `rules` decided, which are in the text with the digest `policy`."""

    asked: Asked
    permitted: bool
    reason: str
    rules: tuple[str, ...] = ()
    policy: bytes = NO_POLICY


Questions: TypeAlias = tuple[tuple[Asked, ...], ...]
"""Of each group one must be permitted."""
Decide: TypeAlias = Callable[[Asked, datetime], Answer]


def questions(step: Step, plan: Plan, graph: Graph) -> Questions:
    """What must be asked before a step begins."""
    found = list(_read(step, graph))
    if step.kind in ("train", "iterate", "publish"):
        found += _learnt(step, graph)
    if step.kind == "validate":
        found += measured(step, plan, graph)
    return tuple(dict.fromkeys(found))


def objection(asked: Questions, answers: Sequence[Answer]) -> str | None:
    """Why a step may not begin; None where of each group one is permitted."""
    by_question = {answer.asked: answer for answer in answers}
    for group in asked:
        if not any(by_question[one].permitted for one in group):
            if not group:
                return sentence("none of its data flow to whoever trained")
            return joined("; ", (by_question[one].reason for one in group))
    return None


def decider(graph: Graph) -> Decide:
    """Who answers: the federation's policies where the graph has a federation, else the rules of its data sharing."""
    if graph.federation is not None:
        return _by_policies(graph.federation)
    return _by_sharing(graph)


# ---------------------------------------------------------------- what is asked


def _read(step: Step, graph: Graph) -> Iterator[tuple[Asked, ...]]:
    """One group for each owner of a data set that the step needs."""
    if graph.sharing is None:
        return
    for what in step.needs:
        owners = graph.sharing.owners(what)
        if step.department not in owners:
            yield from ((Asked(step.department, step.action, what, owner),) for owner in owners)


def _learnt(step: Step, graph: Graph) -> Iterator[tuple[Asked, ...]]:
    """One group for each source whose data the models of this department, or else of all targets, learn from."""
    verb = "发布" if step.kind == "publish" else "训练"
    taught = graph.training()
    takers = (step.department,) if step.department in taught else tuple(taught)
    for taker in takers:
        who = step.department if verb == "发布" else taker
        for source in taught[taker]:
            if source != who:
                yield tuple(Asked(who, verb, what, source) for what in _flowing(graph, source, taker))


def measured(step: Step, plan: Plan, graph: Graph) -> Iterator[tuple[Asked, ...]]:
    """That whoever trained the model may have it measured on the rows of the step's department."""
    trained = [plan.step(name) for name in plan.ancestors(step.name) if plan.step(name).kind in ("train", "iterate")]
    if not trained or trained[-1].department == step.department:
        return
    asker = trained[-1].department
    yield tuple(Asked(asker, "评估", what, step.department) for what in _flowing(graph, step.department, asker))


def _flowing(graph: Graph, giver: str, taker: str) -> tuple[str, ...]:
    if graph.sharing is None:
        return ()
    return tuple(dict.fromkeys(p.what for p in graph.sharing.passages() if (p.giver, p.taker) == (giver, taker)))


# ---------------------------------------------------------------- who answers


def _by_sharing(graph: Graph) -> Decide:
    def decide(asked: Asked, at: datetime) -> Answer:
        sharing = graph.on(at.date()).sharing
        assert sharing is not None
        if (asked.owner, asked.who, asked.what) not in {(p.giver, p.taker, p.what) for p in sharing.passages()}:
            why = sentence(
                "{what} does not flow from {owner} to {who}", what=asked.what, owner=asked.owner, who=asked.who
            )
            return Answer(asked, False, why)
        found = sharing.decide(asked.who, asked.verb, asked.what, asked.owner)
        return Answer(asked, found.permitted, found.reason)

    return decide


def _by_policies(federation: Federation) -> Decide:
    """The departments' policies, with their own files where they are on this machine."""
    from lepton_fed.assembly import guards_from
    from lepton_fed.preflight import usual_crowd

    guards, settings = guards_from(federation), federation.settings

    def decide(asked: Asked, at: datetime) -> Answer:
        guard = guards[asked.owner]
        crowd = usual_crowd(settings, action(asked.verb), asked.what)
        found = guard.expected(guard.request(asked.who, asked.verb, asked.what, crowd=crowd))
        policy = bytes.fromhex(guard.policies.digest(asked.owner).removeprefix("sha256:"))
        return Answer(asked, found.permitted, joined("; ", found.reasons), found.rules, policy)

    return decide
