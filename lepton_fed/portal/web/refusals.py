"""What the REST interface answers where it refuses: one shape, described with every call."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class PlaceGiven(BaseModel):
    """A place that looks sensitive: characters [start, end) of the text, and what would stand there instead."""

    kind: str
    start: int
    end: int
    mask: str


class PlacesGiven(BaseModel):
    """The places of an entry."""

    title: list[PlaceGiven]
    body: list[PlaceGiven]


class Refusal(BaseModel):
    """A refusal. `error`: which, for a program; `sentence`: for people; `places`: with `sensitive` alone."""

    error: str
    sentence: str
    places: PlacesGiven | None = None


_WHEN = {
    400: "The request cannot be read.",
    401: "There is no token, or none that is good.",
    403: "The caller may not do that, or their token only reads.",
    404: "There is no such thing, or none for the caller.",
    409: "It has changed meanwhile, is not in the state for that, or holds what looks sensitive.",
    413: "The request is too large.",
    422: "What was sent cannot be used.",
    429: "Too often; `Retry-After` says when to come back.",
    503: "The database cannot be reached.",
}

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": when} for status, when in _WHEN.items()
}
"""For `include_router(responses=...)`."""


def file_of(media_type: str) -> dict[int | str, dict[str, Any]]:
    """For a route with `response_class=Response` that answers with such a file, where it does not refuse."""
    return {200: {"content": {media_type: {"schema": {}}}}}
