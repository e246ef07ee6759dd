"""history.parquet: every measurement of a run in long form, one row each, in the order they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lepton_fed.errors import StorageError
from lepton_fed.history import Measurement
from lepton_fed.storage.atomic import unreadable, write_atomically

_COLUMNS = tuple(f.name for f in fields(Measurement))


def write_history(path: Path, measurements: Sequence[Measurement], *, durable: bool = True) -> None:
    """Replace the file: round (int64), department, part, metric (text), value (float64; NaN stays NaN)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [getattr(m, name) for m in measurements] for name in _COLUMNS}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=_schema()), sink, write_page_checksum=True)
    write_atomically(path, (memoryview(sink.getvalue()),), durable=durable)


def read_history(path: Path) -> list[Measurement]:
    """What `write_history` wrote; StorageError if the file is missing, damaged or something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # From bytes: pyarrow's own errors on opening a file do not say which kind they are.
        # On one thread: a short process may end before Arrow's own have, and then aborts.
        source = pa.BufferReader(path.read_bytes())
        table = pq.read_table(source, page_checksum_verification=True, use_threads=False)
        columns = table.select(list(_COLUMNS)).cast(_schema()).to_pydict()
    except OSError as error:
        if error.errno is None:
            raise _damaged(path) from error
        raise unreadable(error, path) from error
    except (pa.ArrowException, KeyError) as error:
        raise _damaged(path) from error
    return [Measurement(*row) for row in zip(*(columns[name] for name in _COLUMNS), strict=True)]


def _damaged(path: Path) -> StorageError:
    return StorageError(f"{path} is no readable history; it was damaged or is another kind of file")


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"round": pa.int64(), "value": pa.float64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=False) for name in _COLUMNS])
