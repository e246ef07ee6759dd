"""The federation by calls: whatever its pages show and do, with a personal token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from lepton_fed.explaining import Question
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation import (
    audit_log,
    deciding,
    departments,
    graph,
    ledgers,
    pipeline,
    plans,
    policies,
    runs,
)
from lepton_fed.portal.web import federation_shapes as shapes
from lepton_fed.portal.web.refusals import file_of
from lepton_fed.portal.web.watching import LookingByCall

router = APIRouter(prefix="/api/federation")

Words = Annotated[str, Query(max_length=200)]


@router.get("")
def overview(look: LookingByCall) -> shapes.DepartmentsGiven:
    """The federation and its departments."""
    return shapes.DepartmentsGiven.model_validate(departments.departments(look.watched))


@router.get("/graph")
def collaboration(look: LookingByCall) -> shapes.GraphGiven:
    """Who depends on whom, and what flows."""
    return shapes.GraphGiven.model_validate(graph.graph(look.watched))


@router.get("/runs")
def list_runs(look: LookingByCall) -> list[shapes.RunGiven]:
    """Runs, the newest first."""
    return [shapes.RunGiven.of(one) for one in runs.runs(look.watched)]


@router.get("/runs/{run}")
def read_run(look: LookingByCall, run: str) -> shapes.RunDetails:
    """A run with its curves, as far as it has come."""
    return shapes.RunDetails.of(runs.run(look.watched, run))


@router.get("/pipeline")
def read_pipeline(look: LookingByCall) -> shapes.PipelineGiven:
    """The newest run of the pipeline: steps, gates, moves."""
    found = pipeline.pipeline(look.watched, look.onlooker)
    if found is None:
        raise NotThere
    return shapes.PipelineGiven.model_validate(found)


@router.post("/pipeline/decisions", status_code=204)
def decide(look: LookingByCall, taken: shapes.DecisionTaken) -> None:
    """Approve or decline a step that waits."""
    approve = deciding.decided(taken.decision)
    deciding.answer(look.watched, look.onlooker, step=taken.step, run=taken.run, approve=approve, why=taken.why)


@router.get("/plan")
def read_plan(look: LookingByCall) -> shapes.PlanGiven:
    """What would be refused of the whole plan, and what its sums reveal."""
    return shapes.PlanGiven.model_validate(plans.plan(look.watched, look.onlooker))


@router.get("/policies/{owner}")
def read_policies(look: LookingByCall, owner: str) -> shapes.PoliciesGiven:
    """What decides about what a department owns."""
    return shapes.PoliciesGiven.model_validate(policies.policies(look.watched, look.onlooker, owner))


@router.get("/explain")
def explain(
    look: LookingByCall, who: Words, verb: Words, what: Words, owner: Words = ""
) -> list[shapes.ExplainedGiven]:
    """May `who` do `verb` with `what`? Each owner's answer, with the rules behind it."""
    question = Question(who=who, verb=verb, what=what, owners=(owner,) if owner else ())
    return [shapes.ExplainedGiven.of(one) for one in policies.answers(look.watched, look.onlooker, question)]


@router.get("/ledgers")
def read_ledgers(look: LookingByCall) -> list[shapes.LedgerGiven]:
    """What has been spent of privacy."""
    return [shapes.LedgerGiven.model_validate(one) for one in ledgers.ledgers(look.watched, look.onlooker)]


@router.get("/audit")
def read_log(look: LookingByCall, before: Annotated[int | None, Query(ge=0, lt=2**63)] = None) -> shapes.LogGiven:
    """Entries of the audit log, the newest first, or those before one."""
    found = audit_log.page(look.watched, before)
    if found is None:
        raise NotThere
    return shapes.LogGiven.model_validate(found)


@router.get("/audit/verdict")
def check_log(look: LookingByCall) -> shapes.VerdictGiven:
    """Is the whole log as it was signed?"""
    return shapes.VerdictGiven.model_validate(audit_log.verdict(look.watched))


@router.get("/audit/log", response_class=Response, responses=file_of("application/jsonl"))
def export_log(look: LookingByCall) -> Response:
    """The log as JSON lines, for an auditor."""
    return PlainTextResponse(audit_log.export(look.watched), media_type="application/jsonl")


@router.get("/audit/keys", response_class=Response, responses=file_of("application/json"))
def export_keys(look: LookingByCall) -> Response:
    """The public keys that the log is checked by, as JSON."""
    return PlainTextResponse(audit_log.keys(look.watched), media_type="application/json")


@router.get("/models/{model}/proof", response_class=Response, responses=file_of("text/plain"))
def prove(look: LookingByCall, model: str) -> Response:
    """What made a model, by the SHA-256 of its file."""
    return PlainTextResponse(audit_log.proof(look.watched, model))
