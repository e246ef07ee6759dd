"""Two small knowledge graphs in wide use, dealt out to departments by relation (package `pykeen`, extra `yardsticks`).

    umls        135 medical concepts, 46 relations, 6,529 triples     (Unified Medical Language System; McCray 2003)
    kinships    104 people, 25 relations, 10,686 triples              (Alyawarra kinship; Denham 1973)

Text files of the distribution are read; the package itself is not imported.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from lepton_fed.data.sources import installed_file
from lepton_fed.errors import DataError
from lepton_fed.knowledge.embedding.triples import Facts, Triple

GraphName = Literal["umls", "kinships"]
GRAPHS: tuple[GraphName, ...] = ("umls", "kinships")


@cache
def graph(name: str) -> Facts:
    """A whole graph with its published training, validation and test triples; DataError if there is none."""
    if name not in GRAPHS:
        raise DataError(f"there is no knowledge graph {name!r}; choose {' or '.join(GRAPHS)}")
    train, validation, test = (_triples(name, part) for part in ("train", "valid", "test"))
    return Facts.of(train, validation, test)


def _triples(name: str, part: str) -> tuple[Triple, ...]:
    path = installed_file("pykeen", f"pykeen/datasets/{name}/{part}.txt")
    with path.open(encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return tuple((h, r, t) for h, r, t in rows)
