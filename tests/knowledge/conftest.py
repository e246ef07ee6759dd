"""The example's graph, made once a module where tests only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_fed.knowledge import KnowledgeGraph
from tests.knowledge.example import filled
from tests.storage.conftest import postgresql_url

__all__ = ["postgresql_url"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeGraph]:
    """The example, not to be changed."""
    with filled(tmp_path_factory.mktemp("知识")) as graph:
        yield graph


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[KnowledgeGraph]:
    """The example, to be changed."""
    with filled(tmp_path) as graph:
        yield graph
