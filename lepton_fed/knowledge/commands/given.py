"""What a command makes of its options: the graph they name, the person, the source of a change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.errors import ConfigError

if TYPE_CHECKING:
    from lepton_fed.knowledge import KnowledgeGraph, Provenance


@contextmanager
def opened(database: str, *, make: bool = False, bounds: object = None) -> Iterator[KnowledgeGraph]:
    from lepton_fed.knowledge import Bounds, KnowledgeGraph

    if not make and "://" not in database and not Path(database).is_file():
        raise ConfigError(f"{database} does not exist; name a database with --database, or import facts first")
    assert bounds is None or isinstance(bounds, Bounds)
    with KnowledgeGraph(database, bounds=bounds) as graph:
        yield graph


def halves(text: str, option: str, form: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not sign or not left or not right:
        raise ConfigError(f"{option} is written {form}, found {text!r}")
    return left, right


def person(by: str | None) -> str:
    import getpass

    return by or os.environ.get("LEPTON_FED_PERSON") or getpass.getuser()


def provenance(department: str, source: str, by: str | None, reason: str) -> Provenance:
    from lepton_fed.knowledge import Provenance

    return Provenance(department=department, source=source, by=person(by), reason=reason)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
