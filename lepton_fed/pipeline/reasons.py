"""Why a step moved, and what work of ours came to, in sentences.

    barred("研发部门/训练", State.FAILED)     "研发部门/训练 is failed"

A database keeps them as texts; `retelling` makes them again from what is known of the step.
"""

from __future__ import annotations

from lepton_fed.pipeline.states import State
from lepton_fed.translation import Sentence, sentence, term

LOST = sentence("its worker gave no sign of life")
STOPPED = sentence("its worker was stopped")
BY_HAND = sentence("a person's work")
OMITTED = sentence("its condition does not hold")
NOT_YET = sentence("what it goes on until does not hold")

# ---------------------------------------------------------------- why it moved


def asked(role: str) -> Sentence:
    """Whom it waits for."""
    return sentence("for {role}", role=role)


def answered(role: str, approve: bool, why: str = "") -> Sentence:
    """Somebody in the role said yes or no, and perhaps why."""
    if approve:
        return sentence("{role} approved: {why}", role=role, why=why) if why else sentence("{role} approved", role=role)
    return sentence("{role} declined: {why}", role=role, why=why) if why else sentence("{role} declined", role=role)


def barred(step: str, state: State) -> Sentence:
    """What became of a step before it."""
    return sentence("{step} is {state}", step=step, state=term(state.value))


def lost_often(count: int) -> Sentence:
    """It may be the step that ends its workers."""
    return sentence("{count} workers were lost at it", count=count)


def another_pass(turn: int | str, budget: int) -> Sentence:
    """A loop goes on."""
    return sentence("pass {turn} of at most {budget}", turn=turn, budget=budget)


def spent(budget: int, why: str) -> Sentence:
    """A loop may not go on."""
    return sentence("its budget of {budget} is spent: {why}", budget=budget, why=why)


def late(limit: float) -> Sentence:
    """`limit`: seconds."""
    return sentence("it took longer than {limit:g} s", limit=limit)


def tried(reason: str, times: int) -> Sentence:
    """No try is left."""
    return sentence("{reason} (tried {times} times)", reason=reason, times=times)


# ---------------------------------------------------------------- what work of ours came to


def trained(rounds: int, measured: str) -> Sentence:
    """`measured`: a metric, and its value at each department."""
    return sentence("{rounds} rounds; {measured}", rounds=rounds, measured=measured)


def short(rounds: int, measured: str, bound: str) -> Sentence:
    """A gate does not pass yet."""
    return sentence("{rounds} rounds; {measured}, {bound} is asked", rounds=rounds, measured=measured, bound=bound)


def already(measured: str) -> Sentence:
    """There was nothing to train for."""
    return sentence("the gate passes already: {measured}", measured=measured)


def validated(measured: str, rows: str) -> Sentence:
    """`measured`: metrics and their values; `rows`: how many at least, as they are written."""
    return sentence("{measured} on {rows} rows or more", measured=measured, rows=rows)


def not_passed(why: str, bound: str) -> Sentence:
    """A gate does not pass, and nothing will change that."""
    return sentence("the gate does not pass: {why}, and {bound} is asked", why=why, bound=bound)


def published(to: str, names: str) -> Sentence:
    """Whose models were copied, and where."""
    return sentence("{names} in {to}", names=names, to=to)
