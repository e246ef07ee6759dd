"""What an operator may ask of a coordinator: submit, stop, status, logs, carry; behind the gate, which knows the token.

    POST /v1/control/submit  {"federation": text}      POST /v1/control/status
    POST /v1/control/stop                              POST /v1/control/logs    {"after": number}
    POST /v1/control/carry                             GET  /health             GET /metrics

Answers are JSON. What cannot be done is 409 with a sentence; a question that does not read is 422.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lepton_fed.errors import LeptonError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Json = dict[str, Any]


class Conductor(Protocol):
    """What answers; everything is called from other threads than the run's. LeptonError says why not."""

    def submit(self, federation: str) -> Json:
        """Begin, or go on with, the run of this federation file."""

    def stop(self) -> Json:
        """End the run after what is under way; it can go on later."""

    def carry(self) -> Json:
        """Carry what departments want of each other now, while no run is under way."""

    def status(self) -> Json:
        """Where the run is, and who is there."""

    def logs(self, after: int) -> Json:
        """Lines of the coordinator's log from a number on."""

    def healthy(self) -> bool:
        """Whether it does what it should."""

    def metrics(self) -> tuple[bytes, str]:
        """For Prometheus: text and its type."""


@dataclass(frozen=True)
class Submission:
    """The body of `submit`."""

    federation: str


@dataclass(frozen=True)
class LogQuestion:
    """The body of `logs`."""

    after: int = 0


def control(conductor: Conductor) -> Starlette:
    """The application that answers the operator."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    async def submit(request: Request) -> Response:
        asked = await _read(request, Submission)
        return asked if isinstance(asked, Response) else await _answer(lambda: conductor.submit(asked.federation))

    async def stop(request: Request) -> Response:
        return await _answer(conductor.stop)

    async def carry(request: Request) -> Response:
        return await _answer(conductor.carry)

    async def status(request: Request) -> Response:
        return await _answer(conductor.status)

    async def logs(request: Request) -> Response:
        asked = await _read(request, LogQuestion)
        return asked if isinstance(asked, Response) else await _answer(lambda: conductor.logs(asked.after))

    async def health(request: Request) -> Response:
        healthy = await run_in_threadpool(conductor.healthy)
        return JSONResponse({"healthy": healthy}, 200 if healthy else 503)

    async def metrics(request: Request) -> Response:
        text, kind = await run_in_threadpool(conductor.metrics)
        return Response(text, media_type=kind)

    async def _answer(ask: Callable[[], Json]) -> Response:
        try:
            return JSONResponse(await run_in_threadpool(ask))
        except LeptonError as error:
            return PlainTextResponse(str(error), 409)

    return Starlette(
        routes=[
            Route("/v1/control/submit", submit, methods=["POST"]),
            Route("/v1/control/stop", stop, methods=["POST"]),
            Route("/v1/control/carry", carry, methods=["POST"]),
            Route("/v1/control/status", status, methods=["POST"]),
            Route("/v1/control/logs", logs, methods=["POST"]),
            Route("/health", health),
            Route("/metrics", metrics),
        ]
    )


async def _read(request: Request, kind: type[Any]) -> Any:
    """The body as a value of this kind, or the answer that says it is none."""
    from pydantic import TypeAdapter, ValidationError
    from starlette.responses import PlainTextResponse

    try:
        return TypeAdapter(kind).validate_json(await request.body() or b"{}")
    except ValidationError:
        return PlainTextResponse(f"the body is no {kind.__name__} in JSON", 422)
