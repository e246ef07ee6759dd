"""Pages about the watched federation; what goes on is asked for again by itself, until it is over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from lepton_fed.explaining import Explained, Question
from lepton_fed.portal.entries import references
from lepton_fed.portal.entries.references import Reference
from lepton_fed.portal.errors import PortalError
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
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.typed import NOTHING, Typed
from lepton_fed.portal.web.visiting import Changing, ThePortal
from lepton_fed.portal.web.watching import Look, Looking

router = APIRouter(prefix="/federation")

Text = Annotated[str, Form()]
Asked = Annotated[str, Query(max_length=200)]


@router.get("")
def overview(request: Request, looking: Looking) -> Response:
    """Departments, the newest run, and what waits for somebody."""
    seen, waiting = departments.departments(looking.watched), pipeline.pipeline(looking.watched, looking.onlooker)
    return page(request, "federation.html.j2", seen=seen, pipeline=waiting)


@router.get("/graph")
def graph_page(request: Request, looking: Looking) -> Response:
    """Who depends on whom; for a script that asks again, the drawing and its tables alone."""
    seen = graph.graph(looking.watched, said(request).language)
    return page(request, _part(request, "federation_graph"), graph=seen)


@router.get("/runs")
def runs_page(request: Request, looking: Looking) -> Response:
    """The newest runs."""
    return page(request, "federation_runs.html.j2", runs=runs.runs(looking.watched))


@router.get("/runs/{run}")
def run_page(request: Request, portal: ThePortal, looking: Looking, run: str) -> Response:
    """A run with its curves, and entries about it; for a script that asks again, the curves alone."""
    seen = runs.run(looking.watched, run)
    with portal.reading(looking.onlooker.person) as acting:
        about = references.about(acting, [Reference("run", run), *(Reference("model", m.digest) for m in seen.models)])
    return page(request, _part(request, "federation_run"), seen=seen, about=about)


@router.get("/pipeline")
def pipeline_page(request: Request, looking: Looking) -> Response:
    """Steps, timeline and gates; for a script that asks again, steps and timeline alone."""
    return _pipeline(request, looking)


@router.post("/pipeline")
def answer(
    request: Request,
    visit: Changing,
    looking: Looking,
    step: Text = "",
    run: Annotated[int, Form()] = 0,
    decision: Text = "",
    why: Text = "",
) -> Response:
    """Approve or decline a step that waits."""
    try:
        approve = deciding.decided(decision)
        deciding.answer(looking.watched, looking.onlooker, step=step, run=run, approve=approve, why=why)
    except PortalError as error:
        return _pipeline(request, looking, problem=error, typed=Typed(step, why=why))
    return to("/federation/pipeline")


@router.get("/plan")
def plan_page(request: Request, looking: Looking) -> Response:
    """What would be refused of the whole plan, and what sums reveal."""
    return page(request, "federation_plan.html.j2", plan=plans.plan(looking.watched, looking.onlooker))


@router.get("/policies")
def policies_page(request: Request, looking: Looking, owner: Asked = "") -> Response:
    """What decides at one department; at the first, where none is named."""
    known = policies.owners(looking.watched)
    shown = policies.policies(looking.watched, looking.onlooker, owner or known[0])
    return page(request, "federation_policies.html.j2", owners=known, shown=shown)


@router.get("/explain")
def explain_page(
    request: Request, looking: Looking, who: Asked = "", verb: Asked = "", what: Asked = "", owner: Asked = ""
) -> Response:
    """May a department do this with that? Nothing is asked where nothing is filled in."""
    problem: PortalError | None = None
    found: tuple[Explained, ...] = ()
    if who and verb and what:
        question = Question(who=who, verb=verb, what=what, owners=(owner,) if owner else ())
        try:
            found = policies.answers(looking.watched, looking.onlooker, question)
        except PortalError as error:
            problem = error
    return page(
        request,
        "federation_explain.html.j2",
        200 if problem is None else problem.status,
        problem="" if problem is None else problem.said(said(request).language),
        owners=policies.owners(looking.watched),
        data_sets=policies.data_sets(looking.watched),
        verbs=policies.VERBS,
        answers=found,
        chosen={"who": who, "verb": verb, "what": what, "owner": owner},
    )


@router.get("/ledgers")
def ledgers_page(request: Request, looking: Looking) -> Response:
    """What has been spent of privacy."""
    return page(request, "federation_ledgers.html.j2", ledgers=ledgers.ledgers(looking.watched, looking.onlooker))


@router.get("/audit")
def audit_page(
    request: Request, looking: Looking, before: Annotated[int | None, Query(ge=0, lt=2**63)] = None
) -> Response:
    """The newest entries of the log, or those before one."""
    return page(request, "federation_audit.html.j2", log=audit_log.page(looking.watched, before))


@router.get("/audit/verdict")
def verdict_page(request: Request, looking: Looking) -> Response:
    """Is the whole log as it was signed?"""
    return page(request, "federation_verdict.html.j2", verdict=audit_log.verdict(looking.watched))


@router.get("/audit/log")
def audit_file(looking: Looking) -> Response:
    """The log as a file for an auditor."""
    return _file(audit_log.export(looking.watched), "audit-log.jsonl", "application/jsonl")


@router.get("/audit/keys")
def keys_file(looking: Looking) -> Response:
    """The public keys that the log is checked by."""
    return _file(audit_log.keys(looking.watched), "audit-keys.json", "application/json")


@router.get("/models/{model}")
def proof_file(looking: Looking, model: str) -> Response:
    """What made a model."""
    proof = audit_log.proof(looking.watched, model)
    return _file(proof.encode(), f"proof-{model[:16]}.txt", "text/plain; charset=utf-8")


def _file(content: bytes, name: str, kind: str) -> Response:
    """To be saved and not to be shown, whatever is in it."""
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _pipeline(
    request: Request, looking: Look, *, problem: PortalError | None = None, typed: Typed = NOTHING
) -> Response:
    return page(
        request,
        _part(request, "federation_pipeline"),
        200 if problem is None else problem.status,
        pipeline=pipeline.pipeline(looking.watched, looking.onlooker),
        typed=typed,
        problem="" if problem is None else problem.said(said(request).language),
    )


def _part(request: Request, name: str) -> str:
    """The template of a page, or of the part of it that a script asks for again."""
    return f"{name}_part.html.j2" if request.headers.get("hx-request") else f"{name}.html.j2"
