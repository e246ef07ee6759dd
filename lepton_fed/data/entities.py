"""The vectors of the entities that a department's rows name: features that only it looks up, from a file of its own.

    column of names ──linked by name──► (n, w) float64, NaN where it is no entity | (n, 1): 1 there, else 0

Vectors are scaled as other columns are, by the department's training rows; what says that one is unknown stays 1 or 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.sources import Arrays
from lepton_fed.data.text import texts
from lepton_fed.errors import ConfigError, ContractError, DataError
from lepton_fed.settings import KnowledgeJoin

if TYPE_CHECKING:
    import pandas as pd

    from lepton_fed.knowledge.embedding.features import EntityVectors


def vector_features(
    join: KnowledgeJoin | None, given: pd.DataFrame | Arrays, path: Path | None, department: str, seed: int
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The blocks, two for each column, and notes worth knowing; none of either without [knowledge].

    ConfigError, DataError or ContractError where a vector cannot be looked up. Notes hold counts at most.
    """
    if join is None or isinstance(given, Arrays):
        return [], ()
    vectors = _read(join, path, department)
    if join.vectors == "shuffled":
        vectors = vectors.shuffled(seed)
    absent = [name for name in join.columns if name not in given.columns]
    if absent:
        hint = did_you_mean(absent[0], given.columns)
        raise ContractError(department, (f"knowledge column {absent[0]!r}: its data have no such column{hint}",))
    blocks: list[np.ndarray] = []
    notes: list[str] = []
    for name in join.columns:
        numbers = vectors.linked(["" if text is None else text for text in texts(given[name])]).numpy()
        unknown = numbers == 0
        block = vectors.table.numpy().astype(np.float64)[numbers]
        block[unknown] = np.nan
        blocks += [block, unknown.astype(np.float64)[:, None]]
        if unknown.any():
            notes.append(
                f"{department}: {unknown.sum()} of {len(unknown)} values of {name!r} are no entity it has learnt"
            )
    return blocks, tuple(notes)


def _read(join: KnowledgeJoin, path: Path | None, department: str) -> EntityVectors:
    from lepton_fed.knowledge.embedding.record import read_vectors

    if path is None:
        raise ConfigError(
            f"{department}: [knowledge] joins entity vectors, and its own file names none; say `vectors`, the file "
            "that `lepton-fed knowledge train --out` wrote for it"
        )
    try:
        found = read_vectors(path)
    except DataError as error:
        raise DataError(f"{department}: {error}") from None
    width = found.rows.shape[1]
    if width != join.width:
        raise ConfigError(f"{department}: its vectors have {width} numbers each, and knowledge.width is {join.width}")
    return found
