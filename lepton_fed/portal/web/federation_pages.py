"""Pages about the watched federation; what goes on is asked for again by itself, until it is over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.federation import departments, graph, pipeline, runs
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.visiting import Changing
from lepton_fed.portal.web.watching import Look, Looking

router = APIRouter(prefix="/federation")

Text = Annotated[str, Form()]


@router.get("")
def overview(request: Request, looking: Looking) -> Response:
    """Departments, the newest run, and what waits for somebody."""
    seen, waiting = departments.departments(looking.watched), pipeline.pipeline(looking.watched, looking.onlooker)
    return page(request, "federation.html.j2", seen=seen, pipeline=waiting)


@router.get("/graph")
def graph_page(request: Request, looking: Looking) -> Response:
    """Who depends on whom; for a script that asks again, the drawing and its tables alone."""
    return page(request, _part(request, "federation_graph"), graph=graph.graph(looking.watched))


@router.get("/runs")
def runs_page(request: Request, looking: Looking) -> Response:
    """The newest runs."""
    return page(request, "federation_runs.html.j2", runs=runs.runs(looking.watched))


@router.get("/runs/{run}")
def run_page(request: Request, looking: Looking, run: str) -> Response:
    """A run with its curves; for a script that asks again, these alone."""
    return page(request, _part(request, "federation_run"), seen=runs.run(looking.watched, run))


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
        approve = pipeline.decided(decision)
        pipeline.answer(looking.watched, looking.onlooker, step=step, run=run, approve=approve, why=why)
    except PortalError as error:
        return _pipeline(request, looking, problem=error)
    return to("/federation/pipeline")


def _pipeline(request: Request, looking: Look, *, problem: PortalError | None = None) -> Response:
    return page(
        request,
        _part(request, "federation_pipeline"),
        200 if problem is None else problem.status,
        pipeline=pipeline.pipeline(looking.watched, looking.onlooker),
        problem="" if problem is None else problem.said(said(request).language),
    )


def _part(request: Request, name: str) -> str:
    """The template of a page, or of the part of it that a script asks for again."""
    return f"{name}_part.html.j2" if request.headers.get("hx-request") else f"{name}.html.j2"
