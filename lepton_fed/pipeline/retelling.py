"""A reason or a result as a database has it, said again as the sentence that it was, to be put in another language.

    reason("质量经理 approved: 已核对", step, before=())     ──►  answered("质量经理", True, "已核对")

From the step it is known which sentences there can be, all but a gap in some of them; the one that is the text is the
one that was said. Any other text stays as it is, and so does what people and their own work said in their own words.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import partial

from lepton_fed.pipeline import reasons
from lepton_fed.pipeline.account import worth_saying
from lepton_fed.pipeline.built_in import Iterate, Validate
from lepton_fed.pipeline.claiming import MOST_LOST
from lepton_fed.pipeline.states import GAVE_UP, State
from lepton_fed.pipeline.step import Result, Step
from lepton_fed.translation import GAP, Making, again, always, verbatim


def reason(text: str, step: Step, before: Container[str], result: Result = None, tries: int = 0) -> str:
    """Why a step moved, or is where it is. `before`: what it comes after; `tries`: how often it was tried."""
    return again(text, _reasons(step, before, result, tries)) if text else text


def came_to(result: Result, step: Step) -> str:
    """What a result says of itself."""
    return _result(worth_saying(result), result, step)


def _barred(name: str, state: State, before: Container[str]) -> str:
    return reasons.barred(name, state) if name == GAP or name in before else name


def _reasons(step: Step, before: Container[str], result: Result, tries: int) -> Iterator[Making]:
    known = [reasons.LOST, reasons.STOPPED, reasons.BY_HAND, reasons.OMITTED, reasons.lost_often(MOST_LOST)]
    if step.timeout is not None:
        known += [reasons.late(step.timeout), reasons.tried(reasons.late(step.timeout), tries)]
    if step.approve is not None:
        known.append(reasons.asked(step.approve))
        yield partial(reasons.answered, step.approve, True)
        yield partial(reasons.answered, step.approve, False)
    yield from map(always, known)
    yield from (partial(_barred, state=state, before=before) for state in GAVE_UP)
    yield lambda turn: reasons.another_pass(turn, step.budget)
    yield lambda why: reasons.spent(step.budget, _result(why, result, step))
    if isinstance(step.work, Validate) and step.work.gate is not None:
        bound = step.work.gate.bound
        yield lambda why: reasons.not_passed(_validated(why), bound)


def _result(text: str, result: Result, step: Step) -> str:
    if step.kind in ("work", "manual"):
        return reasons.NOT_YET if text == reasons.NOT_YET else verbatim(text)
    if isinstance(step.work, Validate):
        return _validated(text)
    return again(text, _results(result if isinstance(result, dict) else {}, step))


def _validated(text: str) -> str:
    _, between, end = reasons.validated(GAP, GAP).split(GAP)
    measured, _, rows = text.removesuffix(end).rpartition(between)
    made = reasons.validated(measured, rows)
    return made if made == text else text


def _results(result: Result, step: Step) -> Iterator[Making]:
    rounds = result.get("rounds")
    if isinstance(step.work, Iterate) and step.work.gate is not None:
        bound = step.work.gate.bound
        yield lambda measured: reasons.short(rounds, measured, bound)
        yield reasons.already
    if step.kind in ("train", "iterate"):
        yield partial(reasons.trained, rounds)
    if step.kind == "publish":
        yield partial(reasons.published, str(result.get("published")))
