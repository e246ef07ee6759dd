"""The tables that a department shares, as they may leave: chosen columns, masked values, groups that are large enough.

source --read--> columns, rows --> mask | groups --> Parquet
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.department_file import SharedTable
from lepton_fed.data.sources import Arrays, read
from lepton_fed.data.text import texts
from lepton_fed.errors import DataError, LeptonError, StorageError
from lepton_fed.policies.request import Kind
from lepton_fed.reads import Table

if TYPE_CHECKING:
    import pandas as pd

KEY = 32
"""Bytes of the masking key."""

DIGITS = 32
"""Hex digits of a masked value: 128 bits, so that no two values meet."""

COUNT = "rows"
"""The column of a statistic that says how many rows a group has."""


@dataclass(frozen=True)
class SharedTables:
    """A `Shelf` from a department's own file. `key`: the file of its masking key, made when it is first needed."""

    tables: Mapping[str, SharedTable] = field(repr=False)
    base: Path
    key: Path
    department: str

    def kind(self, what: str) -> Kind | None:
        """See `Shelf`."""
        table = self.tables.get(what)
        return None if table is None else ("Statistic" if table.groups else "DataSet")

    def take(self, what: str) -> Table:
        """See `Shelf`. StorageError, since no sentence about this department's files or rows may leave it."""
        try:
            said = self.tables[what]
            found = shared(said, self._read(said), self.department, self._mask_key if said.mask else lambda: b"")
        except LeptonError as error:
            raise StorageError(f"the shared table {what!r} cannot be read: {error}") from error
        content = BytesIO()
        found.to_parquet(content, index=False)
        return Table(content.getvalue(), "Statistic" if said.groups else "DataSet")

    def _read(self, said: SharedTable) -> pd.DataFrame:
        found = read(said, self.base, self.department)
        if isinstance(found, Arrays):
            raise DataError(f"{self.department}: a shared table has columns; its reader returned arrays")
        return found

    def _mask_key(self) -> bytes:
        """32 bytes that never leave: who had them could try out which value a hash stands for."""
        if self.key.exists():
            return _known(self.key)
        try:
            descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise StorageError(f"{self.key} cannot be written: {error.strerror}") from None
        with os.fdopen(descriptor, "wb") as file:
            made = os.urandom(KEY)
            file.write(made)
        return made


def _known(path: Path) -> bytes:
    """The masking key that was made before."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StorageError(f"others may read {path}; run `chmod 600 {path}` first")
    found = path.read_bytes()
    if len(found) != KEY:
        raise StorageError(f"{path} is no masking key; put it back, or take it away and masks change")
    return found


def shared(said: SharedTable, table: pd.DataFrame, department: str, key: Callable[[], bytes]) -> pd.DataFrame:
    """What leaves of a table that was read. `key`: asked for only where something is masked."""
    for column in (*said.columns, *said.mask, *said.groups):
        if column not in table.columns:
            hint = did_you_mean(column, table.columns)
            raise DataError(f"{department}: the shared table has no column {column!r}{hint}")
    if said.columns:
        table = table[list(said.columns)]
    if said.mask:
        secret = key()
        table = table.copy()
        for column in said.mask:
            table[column] = masked(table[column], column, secret)
    if said.groups:
        return grouped(said, table)
    return table if said.rows is None else table.head(said.rows)


def masked(cells: pd.Series[Any], column: str, key: bytes) -> list[str | None]:
    """A keyed hash of each value, apart by column; a missing one stays missing."""
    return [None if text is None else _hash(f"{column}\x00{text}", key) for text in texts(cells)]


def _hash(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def grouped(said: SharedTable, table: pd.DataFrame) -> pd.DataFrame:
    """Counts and means by group, the groups of fewer than `minimum` rows left out."""
    by = list(said.groups)
    numbers = {name: _numbers(table[name]) for name in table.columns if name not in by}
    kept = table[by].assign(**{name: values for name, values in numbers.items() if values is not None})
    groups = kept.groupby(by, dropna=False, sort=True)
    counts = groups.size().rename(COUNT)
    # A mean of fewer values than `minimum` would say too much, however many rows its group has.
    means = groups.mean().where(groups.count() >= said.minimum)
    found = counts.to_frame().join(means.add_prefix("mean of "))
    found = found[found[COUNT] >= said.minimum].reset_index()
    return found if said.rows is None else found.head(said.rows)


def _numbers(cells: pd.Series[Any]) -> Any:
    """The column as numbers; None where it holds anything else."""
    from lepton_fed.data.columns import numbers

    values, _, unreadable = numbers(cells)
    return None if unreadable.any() else values


def write_table(path: Path, content: bytes, department: str) -> None:
    """A table that was received, as Parquet or CSV by the path's suffix, for its owner's eyes (mode 600)."""
    if path.suffix == ".csv":
        content = as_csv(content, department)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{department}: {path} cannot be written: {error.strerror}") from None


def as_csv(content: bytes, department: str) -> bytes:
    """The table as CSV in UTF-8."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(BytesIO(content)).to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, ValueError, OSError):
        raise DataError(f"{department}: what was received is no Parquet; ask its owner") from None
    return str(table.to_csv(index=False)).encode()
