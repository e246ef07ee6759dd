"""Somebody answers a gate of the watched pipeline.

    waits for 质量经理 ──answer(approve)──► goes on as soon as it is run (`--wait` goes on by itself)
                       ──answer(decline)──► refused, with what comes after it

Who may answer: whom the portal's policies let `decide` about the gate, that is, by default, an approver of the
department whose step it is; never who began the run. The answer is the store's own, with the audit entry beside it.
"""

from __future__ import annotations

import unicodedata

from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import State
from lepton_fed.pipeline.given import LONGEST_REASON, one_line, unseen
from lepton_fed.pipeline.status import Status
from lepton_fed.pipeline.step import Step
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.federation.declared import has_pipeline, opened
from lepton_fed.portal.federation.rights import Member, Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.people.person import Person

DECISIONS = ("approve", "decline")


def answer(watched: Watched, onlooker: Onlooker, *, step: str, run: int, approve: bool, why: str = "") -> None:
    """Approve or decline a step that waits, as the person. Forbidden, Conflict where it does not wait, NotThere."""
    reason = _reason(why, needed=not approve)
    federation = watched.federation()
    with told():
        if not has_pipeline(federation) or watched.url is None:
            raise NotThere
        auto = opened(watched, federation)
        found = next((one for one in auto.steps if one.name == step and one.approve is not None), None)
        status = auto.status()
        if found is None or found.approve is None or status is None:
            raise NotThere
        _require_allowed(onlooker, found, status)
        if not _waits(status, run, step):
            raise Conflict("gate_changed")
        put = auto.approve if approve else auto.decline
        try:
            put(step, role=found.approve, by=onlooker.person.name, why=reason)
        except ConfigError:
            if not _waits(auto.status(), run, step):
                # Somebody else was faster, between our look and the store's own.
                raise Conflict("gate_changed") from None
            raise


def _waits(status: Status | None, run: int, step: str) -> bool:
    return status is not None and status.number == run and step in {one.name for one in status.in_state(State.ASKING)}


def decided(word: str) -> bool:
    """Whether a decision's word approves; Unacceptable for a word that is none."""
    if word not in DECISIONS:
        raise Unacceptable("fields", fields="decision")
    return word == DECISIONS[0]


def may_answer(onlooker: Onlooker, step: Step, status: Status) -> bool:
    """Whether the person may answer for this step of this run."""
    return onlooker.may_decide(_gate(step)) and not _began(onlooker.person, status)


def _gate(step: Step) -> Member:
    return Member(step.department, step.approve or "")


def _require_allowed(onlooker: Onlooker, step: Step, status: Status) -> None:
    if not onlooker.may_decide(_gate(step)):
        raise Forbidden("decide", department=step.department, role=step.approve)
    if _began(onlooker.person, status):
        raise Forbidden("two_persons_run")


def _began(person: Person, status: Status) -> bool:
    """Whether the run was begun under one of the person's names; the store compares only the one that we tell it."""

    def folded(name: str) -> str:
        return unicodedata.normalize("NFKC", name).strip().casefold()

    return folded(status.requester) in {folded(person.name), folded(person.shown)}


def _reason(why: str, *, needed: bool) -> str:
    """As the store keeps it; what that would refuse is refused before it, in the reader's language."""
    reason = one_line(why)
    if needed and not reason:
        raise Unacceptable("reason")
    if len(reason) > LONGEST_REASON:
        raise Unacceptable("long_reason", most=LONGEST_REASON)
    if character := unseen(reason):
        raise Unacceptable("unseen_reason", character=character)
    return reason
