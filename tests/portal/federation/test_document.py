"""The OpenAPI document says what calls about the federation take and give, where there is one to see."""

from __future__ import annotations

import pytest
from schemathesis import GenerationMode

from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.web.app import application
from tests.portal.test_document import answers, headers, loaded, operations
from tests.portal.world import World

pytestmark = pytest.mark.long


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfit"])
def test_whatever_is_asked_about_the_federation_the_answer_is_as_described(
    watching: World, watched: Watched, mode: GenerationMode
) -> None:
    document, bearer = loaded(application(watching.portal, watched=watched)), headers(watching, "approver")
    for operation in operations(document):
        if operation.path.startswith("/api/federation"):
            answers(operation, mode, bearer, examples=6)
