"""The knowledge graph: departments' facts, joined and asked under policy.

    FactSource ──load──► revisions (SQL, audited) ──rebuild──► Index (SPARQL, a graph per sort of facts)
                              │                                   │
                              ▼                                   ▼
              check: Rules ──► Report              ask(question, Access) ──► Answer: what the asker may read
              join: matches, decided by a person   who_knows, export: likewise

Every name is imported when it is first used: a federation without a knowledge graph never waits for one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.knowledge.access import Access, Asker
    from lepton_fed.knowledge.asking import Answer, Bounds
    from lepton_fed.knowledge.facts import Fact, Literal
    from lepton_fed.knowledge.graph import KnowledgeGraph
    from lepton_fed.knowledge.joining import Match, Pair
    from lepton_fed.knowledge.knowing import Knows
    from lepton_fed.knowledge.quality import Report
    from lepton_fed.knowledge.revisions import Provenance, Revision
    from lepton_fed.knowledge.rules import Rules
    from lepton_fed.knowledge.sources import FactSource

_HOMES = {
    "Access": "access",
    "Answer": "asking",
    "Asker": "access",
    "Bounds": "asking",
    "Fact": "facts",
    "FactSource": "sources",
    "KnowledgeGraph": "graph",
    "Knows": "knowing",
    "Literal": "facts",
    "Match": "joining",
    "Pair": "joining",
    "Provenance": "revisions",
    "Report": "quality",
    "Revision": "revisions",
    "Rules": "rules",
}

__all__ = [
    "Access",
    "Answer",
    "Asker",
    "Bounds",
    "Fact",
    "FactSource",
    "KnowledgeGraph",
    "Knows",
    "Literal",
    "Match",
    "Pair",
    "Provenance",
    "Report",
    "Revision",
    "Rules",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
