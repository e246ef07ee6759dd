"""The tables of entries, as SQL speaks of them, and what each row of them becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import RowMapping, Table

from lepton_fed.storage.portal_entry_tables import CommentRow, EntryRow, MoveRow, RevisionRow, TagRow, UseRow
from lepton_fed.storage.portal_trust_tables import ReportRow, WithdrawalRow

ENTRY = cast(Table, EntryRow.__table__)
REVISION = cast(Table, RevisionRow.__table__)
MOVE = cast(Table, MoveRow.__table__)
TAG = cast(Table, TagRow.__table__)
COMMENT = cast(Table, CommentRow.__table__)
USE = cast(Table, UseRow.__table__)
REPORT = cast(Table, ReportRow.__table__)
WITHDRAWAL = cast(Table, WithdrawalRow.__table__)


@dataclass(frozen=True)
class Entry:
    """An entry, without its texts. `published`: the revision that readers see, None: none."""

    id: int
    department: str
    shelf: int
    kind: str
    title: str
    owner: int
    state: str
    newest: int
    published: int | None
    review_by: date | None
    made: datetime
    changed: datetime
    day: int
    opened: int
    helped: int


@dataclass(frozen=True)
class Saved:
    """A revision without its text; `review_by`: until when its author says that it holds, None: for as long as usual;
    `masked`, `kept`: how many sensitive places were masked, and left as they are."""

    entry: int
    number: int
    shelf: int
    title: str
    tags: tuple[str, ...]
    author: int
    saved: datetime
    review_by: date | None
    note: str
    masked: int
    kept: int


@dataclass(frozen=True)
class Revision(Saved):
    """A text as it was saved."""

    body: str


def entry_of(row: RowMapping) -> Entry:
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})


def saved_of(row: RowMapping) -> Saved:
    return Saved(**_saved(row))


def revision_of(row: RowMapping) -> Revision:
    return Revision(body=row["body"], **_saved(row))


def _saved(row: RowMapping) -> dict[str, Any]:
    values = {name: row[name] for name in Saved.__dataclass_fields__}
    return {**values, "tags": tuple(json.loads(values["tags"]))}
