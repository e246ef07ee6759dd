"""Parameters of a call: one that it does not have is refused, since a filter that was mistyped would filter nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.web.visiting import Calling

MOST, LONGEST = 5, 40
"""Names that a refusal repeats, and their characters."""


async def only_known(request: Request, person: Calling) -> None:
    """Unacceptable for a parameter in the address that the call does not have; of calls with a good token."""
    if request.query_params:
        unknown = set(request.query_params) - set(_parameters(request.scope["route"].dependant))
        if unknown:
            raise Unacceptable("unknown_parameters", names=named(unknown))


def named(names: Iterable[str]) -> str:
    """The first of these, for a sentence."""
    return ", ".join(name[:LONGEST] for name in sorted(set(names))[:MOST])


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _parameters(inner)
