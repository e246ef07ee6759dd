"""The OpenAPI document says what calls take and give: schemathesis makes requests up, and holds the answers to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lepton_fed.portal.people import tokens
from lepton_fed.portal.people.tokens import EVERYTHING
from lepton_fed.portal.web.app import application
from tests.portal.browser import Unlimited
from tests.portal.world import DEPARTMENTS, World, world

pytestmark = pytest.mark.long

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 25
"""Of each call, in each mode, by each caller."""

CALLERS = ("author", "root")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A portal with entries, and without limits of how often."""
    made = world(tmp_path_factory.mktemp("文档") / "门户")
    with closing(made.portal):
        for audience in ("department", "everyone"):
            made.publish("题", audience=audience)
            made.write("草稿", audience=audience)
        yield made


@pytest.fixture(scope="module")
def document(filled: World) -> Any:
    return loaded(application(filled.portal))


def loaded(app: FastAPI) -> Any:
    """The document of an application that may be asked as often as one likes."""
    app.state.limits = Unlimited()
    found = schemathesis.openapi.from_dict(app.openapi())
    found.app = app
    return found


def headers(there: World, name: str) -> dict[str, str]:
    with there.portal.database.writing() as connection:
        person, now = there.person(name).id, there.clock.now
        secret = tokens.make(connection, person, "test", 30, now, reach=EVERYTHING)
    return {"Authorization": f"Bearer {secret}"}


def operations(document: Any) -> list[Any]:
    found = [one.ok() for one in document.get_all_operations()]
    found.sort(key=lambda one: "/account/tokens" in one.path)  # After which the caller's own may be over.
    assert len(found) > 30
    return found


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfit"])
@pytest.mark.parametrize("name", CALLERS)
def test_whatever_is_asked_the_answer_is_as_described(filled: World, document: Any, name: str, mode: Any) -> None:
    bearer = headers(filled, name)
    for operation in operations(document):
        answers(operation, mode, bearer)


def answers(operation: Any, mode: Any, bearer: dict[str, str], examples: int = EXAMPLES) -> None:
    """Requests that the document describes, or that nearly are; the same each time."""

    @seed(7)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            aim(case)
        answer = case.call(headers=bearer)
        case.validate_response(answer, checks=CHECKS)

    ask()


def aim(case: Any) -> None:
    """Most numbers are nobody's and most names no department's: of what is made up, have half mean something here."""
    for part in (case.path_parameters, case.query, case.body):
        if not isinstance(part, dict):
            continue
        for key in {"number", "revision", "base", "older", "newer"} & part.keys():
            part[key] = part[key] % 7 if isinstance(part[key], int) and part[key] % 2 else part[key]
        if isinstance(name := part.get("department"), str) and len(name) % 2 == 0:
            part["department"] = DEPARTMENTS[len(name) // 2 % len(DEPARTMENTS)]
