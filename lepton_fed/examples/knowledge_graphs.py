"""Two small knowledge graphs in wide use, dealt out to departments by relation (package `pykeen`, extra `yardsticks`).

    umls        135 medical concepts, 46 relations, 6,529 triples     (Unified Medical Language System; McCray 2003)
    kinships    104 people, 25 relations, 10,686 triples              (Alyawarra kinship; Denham 1973)

Text files of the distribution are read; the package itself is not imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.sources import installed_file
from lepton_fed.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from lepton_fed.knowledge.embedding.triples import Facts

GRAPHS = ("umls", "kinships")


def triples(department: str, departments: Sequence[str], graph: str = "umls", seed: int = 0) -> pd.DataFrame:
    """One department's facts: head, relation, tail, part. DataError for what cannot be.

    All departments must give the same `departments`, `graph` and `seed`; their relations are then disjoint and together
    the whole graph.
    """
    import pandas as pd

    from lepton_fed.knowledge.embedding.triples import dealt

    if department not in departments:
        raise DataError(f"{department!r} is not among `departments`{did_you_mean(department, departments)}")
    own = dealt(whole(graph), departments, seed)[list(departments).index(department)].facts
    rows = [
        (own.entities[h], own.relations[r], own.entities[t], part)
        for part, some in zip(("train", "validation", "test"), own.parts, strict=True)
        for h, r, t in some.tolist()
    ]
    return pd.DataFrame(rows, columns=["head", "relation", "tail", "part"])


@cache
def whole(graph: str) -> Facts:
    """A graph with its published training, validation and test triples; DataError if there is none of that name."""
    from lepton_fed.knowledge.embedding.triples import Facts

    if graph not in GRAPHS:
        raise DataError(f"there is no knowledge graph {graph!r}{did_you_mean(graph, GRAPHS)}; there are umls, kinships")
    parts = [_lines(graph, part) for part in ("train", "valid", "test")]
    return Facts.of(*parts, relations=sorted({r for part in parts for _, r, _ in part}))


def _lines(graph: str, part: str) -> list[tuple[str, str, str]]:
    path = installed_file("pykeen", f"pykeen/datasets/{graph}/{part}.txt")
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(h, r, t) for h, r, t in rows]
