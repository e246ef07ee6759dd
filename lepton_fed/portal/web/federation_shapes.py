"""What the REST interface says of the federation, field by field, and what it takes to answer a gate."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lepton_fed.explaining import Explained
from lepton_fed.pipeline.given import LONGEST_REASON
from lepton_fed.portal.federation.runs import Curves, RunSeen
from lepton_fed.portal.web.api_shapes import Taken
from lepton_fed.storage.store import StoredRun


class Given(BaseModel):
    """What is read from the values of `lepton_fed.portal.federation`, by the names that they have there."""

    model_config = ConfigDict(from_attributes=True)


class RunGiven(Given):
    """A run."""

    id: str
    name: str
    purpose: str
    fingerprint: str
    started: datetime
    finished: datetime | None
    status: str
    reason: str

    @classmethod
    def of(cls, run: StoredRun) -> RunGiven:
        """As it is stored, without where."""
        return cls.model_validate(run)


class CurveGiven(Given):
    """One metric of one part at one department: the rounds in order, and a value for each."""

    metric: str
    part: str
    department: str
    rounds: list[int]
    values: list[float]


class ModelGiven(Given):
    """A model that came out; `digest`: the SHA-256 of its file."""

    department: str
    digest: str
    created: datetime


class RunDetails(Given):
    """A run with its curves. `asked`: rounds that it was asked for."""

    run: RunGiven
    round: int
    asked: int | None
    curves: list[CurveGiven]
    models: list[ModelGiven]

    @classmethod
    def of(cls, seen: RunSeen) -> RunDetails:
        """Curve by curve."""
        return cls(
            run=RunGiven.of(seen.run),
            round=seen.round,
            asked=seen.asked,
            curves=[one for curves in seen.curves for one in _curves(curves)],
            models=[ModelGiven.model_validate(one) for one in seen.models],
        )


class DepartmentGiven(Given):
    """A department. `online`: what the coordinator says, null where none was asked; `measured`: the last round."""

    name: str
    roles: list[str]
    description: str
    own_file: bool
    online: bool | None
    measured: int | None


class DepartmentsGiven(Given):
    """The federation and who is in it. `silence`: why it is not known who is online."""

    name: str
    purpose: str
    listed: list[DepartmentGiven]
    silence: str


class NeedGiven(Given):
    """What one department depends on another for."""

    dependent: str
    on: str
    what: str


class FlowGiven(Given):
    """What flows, and what the taker may do with it."""

    giver: str
    taker: str
    what: str
    permitted: list[str]


class GraphGiven(Given):
    """The collaboration graph; `svg`: its drawing, `of_flows`: how many flows there are in all."""

    needs: list[NeedGiven]
    flows: list[FlowGiven]
    of_flows: int
    report: str
    svg: str


class AnswerGiven(Given):
    """What an owner of data says to a step."""

    permitted: bool
    reason: str


class GateGiven(Given):
    """A step that waits for a role. `yours`: whether the caller may answer; `reveals`: what its sums would tell."""

    step: str
    department: str
    role: str
    since: datetime
    after: list[str]
    answers: list[AnswerGiven]
    reveals: list[str]
    yours: bool


class PipelineStepGiven(Given):
    """A step of the pipeline; `role`: who must approve it, empty where nobody must."""

    name: str
    department: str
    description: str
    state: str
    role: str
    seconds: float | None
    said: str


class StepMoveGiven(Given):
    """A move of a step."""

    step: str
    at: datetime
    move: str
    before: str
    after: str
    worker: str
    reason: str


class PipelineGiven(Given):
    """The newest run of the pipeline."""

    name: str
    number: int
    state: str
    requester: str
    started: datetime
    finished: datetime | None
    steps: list[PipelineStepGiven]
    gates: list[GateGiven]
    events: list[StepMoveGiven]


class DecisionTaken(Taken):
    """An answer to a gate."""

    step: Annotated[str, Field(max_length=300, description="As the gate is called.")]
    run: Annotated[int, Field(description="The number of the run that was looked at.")]
    decision: Literal["approve", "decline"]
    why: Annotated[str, Field(max_length=LONGEST_REASON, description="Needed to decline.")] = ""


class KindGiven(Given):
    """Steps of one kind, and how many of them would be refused."""

    name: str
    asked: int
    refused: int


class RefusalGiven(Given):
    """A step that a department would refuse."""

    step: str
    owner: str
    reasons: list[str]
    advice: list[str]


class PlanGiven(Given):
    """What would be refused of the whole plan, and what its sums reveal."""

    kinds: list[KindGiven]
    refusals: list[RefusalGiven]
    of_refusals: int
    troubles: list[str]
    elsewhere: list[str]
    secure: bool
    refused: str
    reveals: list[str]


class PoliciesGiven(Given):
    """What decides at a department; `own_shown`: whether its own files are in the text."""

    owner: str
    digest: str
    text: str
    own: list[str]
    own_shown: bool
    problems: list[str]
    file_here: bool


class ExplainedGiven(Given):
    """An owner's answer to a request."""

    owner: str
    permitted: bool
    rules: list[str]
    lines: list[str]

    @classmethod
    def of(cls, one: Explained) -> ExplainedGiven:
        """The decision with its rules."""
        decision = one.decision
        return cls(owner=one.owner, permitted=decision.permitted, rules=list(decision.rules), lines=list(one.lines))


class BalanceGiven(Given):
    """A data set's privacy budget and what of it is spent, in ε."""

    data_set: str
    spent: float
    budget: float
    delta: float
    releases: int
    last: str


class LedgerGiven(Given):
    """A department's ledger; `where`: here, none, department (it is there), or not_yours."""

    department: str
    where: str
    balances: list[BalanceGiven]


class LogEntryGiven(Given):
    """An entry of the audit log, and what it says in the open."""

    number: int
    kind: str
    time: str
    run: str
    says: list[tuple[str, str]]


class LogGiven(Given):
    """A page of the log, the newest first; `older`: what to ask for next, null at the first entry."""

    name: str
    size: int
    sealed: int
    head: str
    entries: list[LogEntryGiven]
    older: int | None


class VerdictGiven(Given):
    """Whether every entry is as it was signed, in sentences."""

    sound: bool
    lines: list[str]


def _curves(curves: Curves) -> list[CurveGiven]:
    return [
        CurveGiven(
            metric=curves.metric,
            part=curves.part,
            department=name,
            rounds=[round for round, _ in points],
            values=[value for _, value in points],
        )
        for name, points in curves.lines
    ]
