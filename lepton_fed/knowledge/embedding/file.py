"""A file about a federated embedding, and the departments' own files beside it, read into settings and facts.

    configs/knowledge.toml                what is public: departments, model, rounds, which rows leave
    configs/knowledge/<department>.toml   the department's own: where its facts are          ([data], docs/data.md)

Facts are a table with the columns head, relation, tail, and possibly part (train, validation or test); without part
they are split by the file's seed. Entities are the same where their names are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.config.load import load
from lepton_fed.data.department_file import load_department_file
from lepton_fed.data.sources import Arrays, read
from lepton_fed.errors import ConfigError, DataError
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings
from lepton_fed.knowledge.embedding.triples import Department, Facts, Triple
from lepton_fed.seeds import derive

if TYPE_CHECKING:
    import pandas as pd

WHAT = "knowledge file"
COLUMNS = ("head", "relation", "tail")
PARTS = ("train", "validation", "test")


def load_settings(path: Path) -> EmbeddingSettings:
    """What the file says; ConfigError, one sentence, where it cannot be used."""
    return load(path, EmbeddingSettings, what=WHAT)


def read_departments(path: Path, settings: EmbeddingSettings) -> tuple[Department, ...]:
    """Every department with its facts, over the dictionary of all names; ConfigError or DataError."""
    split = {name: read_facts(path, settings, name) for name in settings.names}
    entities = sorted({name for parts in split.values() for part in parts for h, _, t in part for name in (h, t)})
    return tuple(Department.of(name, Facts.of(*parts, entities=entities)) for name, parts in split.items())


def read_facts(path: Path, settings: EmbeddingSettings, name: str) -> tuple[list[Triple], ...]:
    """One department's training, validation and test triples, from its own file."""
    own = path.parent / path.stem / f"{name}.toml"
    file = load_department_file(own, name)
    if file.data is None:
        raise ConfigError(f"{own} says nothing of where the facts of {name} are; write a [data] table")
    table = read(file.data, own.parent, name)
    if isinstance(table, Arrays):
        raise DataError(f"{name}: facts are a table with the columns {', '.join(COLUMNS)}, not arrays")
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"{name}: its facts have no column {missing[0]!r}; rename one in its own file ([data] rename)")
    return _parts(table, settings, name)


def _parts(table: pd.DataFrame, settings: EmbeddingSettings, name: str) -> tuple[list[Triple], ...]:
    triples = [(str(h), str(r), str(t)) for h, r, t in table[list(COLUMNS)].itertuples(index=False)]
    parts = list(map(str, table["part"])) if "part" in table.columns else _drawn(len(triples), settings, name)
    strange = next((part for part in parts if part not in PARTS), None)
    if strange is not None:
        raise DataError(f"{name}: the part of a fact is {', '.join(PARTS)}, not {strange!r}")
    found = tuple([t for t, part in zip(triples, parts, strict=True) if part == wanted] for wanted in PARTS)
    if not found[0] or not found[1]:
        raise DataError(f"{name}: it needs facts to train on and facts to validate by, and has {len(triples)} in all")
    return found


def _drawn(count: int, settings: EmbeddingSettings, name: str) -> Sequence[str]:
    """A part for each fact: a tenth to validate by, a tenth to test."""
    order = list(range(count))
    random.Random(derive(settings.federation.seed, "split", name)).shuffle(order)  # noqa: S311 - not a secret
    tenth = max(1, count // 10)
    return [PARTS[1] if place < tenth else PARTS[2] if place < 2 * tenth else PARTS[0] for place in order]
