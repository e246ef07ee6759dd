"""Reading what a `DataSource` points at: a pandas table, or arrays.

Every failure is one sentence that begins with the department's name. Messages of parsers, databases and
readers are not passed on: they quote rows, values and connection strings.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lepton_fed.config.spelling import hinted
from lepton_fed.data.department_file import DataSource, require_private
from lepton_fed.data.text import positions
from lepton_fed.errors import ConfigError, DataError, LeptonError
from lepton_fed.translation import said_by, sentence, term

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Arrays:
    """x: (n, *shape) of any number type; y: (n,), absent in a common set without labels."""

    x: np.ndarray
    y: np.ndarray | None


def read(source: DataSource, base: Path, department: str) -> pd.DataFrame | Arrays:
    """The department's rows, filtered and renamed. Paths are relative to `base`. DataError or ConfigError."""
    if source.kind == "npz":
        return read_npz(locate(source, base, department), department)
    if source.kind == "csv":
        table = read_csv(locate(source, base, department), department, source.encoding or "utf-8-sig")
    elif source.kind == "parquet":
        table = read_parquet(locate(source, base, department), department)
    elif source.kind == "sql":
        from lepton_fed.data.database import read_sql

        table = read_sql(source, base, department)
    else:
        given = read_callable(source, department)
        if isinstance(given, Arrays):
            return given
        table = given
    return _named(_chosen(table, source, department), source, department)


def locate(source: DataSource, base: Path, department: str) -> Path:
    """The file that `path` means, inside `distribution` if there is one; DataError where it is absent."""
    assert source.path is not None
    if source.distribution is not None:
        try:
            return installed_file(source.distribution, source.path)
        except DataError as error:
            raise DataError(sentence("{name}: {problem}", name=department, problem=said_by(error))) from None
    path = base / Path(source.path).expanduser()
    if not path.is_file():
        raise DataError(
            sentence(
                "{department}: its data file {path} does not exist; correct `path` in its own file",
                department=department,
                path=path,
            )
        )
    return path


def installed_file(distribution: str, path: str) -> Path:
    """A file of an installed distribution, found without importing the package."""
    try:
        found = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            f"the package {distribution!r} with the data is not installed; install the extra `examples`, "
            f"or that package"
        ) from None
    if not found.is_file():
        raise DataError(
            sentence(
                "the installed package {distribution!r} has no file {path!r}; another version may have it",
                distribution=distribution,
                path=path,
            )
        )
    return found


def read_csv(path: Path, department: str, encoding: str = "utf-8-sig") -> pd.DataFrame:
    """All columns as text, exactly as written: a code such as 007 or NA survives."""
    import pandas as pd

    try:
        # The header is read as a row, or pandas would rename a column that is there twice, and would take the
        # first column for an index where rows are longer than the header.
        rows = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding=encoding)
    except LookupError:
        raise ConfigError(
            sentence(
                "{department}: encoding {encoding!r} is not known; gb18030 and utf-8 are examples",
                department=department,
                encoding=encoding,
            )
        ) from None
    except UnicodeError:
        raise DataError(
            sentence(
                "{department}: {path} is not {encoding} text; say its encoding, for example gb18030",
                department=department,
                path=path,
                encoding=encoding,
            )
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(
            sentence("{department}: {path} is empty; a header and rows were expected", department=department, path=path)
        ) from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise DataError(
            sentence(
                "{department}: {path} cannot be read as CSV; its rows differ in length or are broken",
                department=department,
                path=path,
            )
        ) from None
    except OSError as error:
        raise _unreadable(department, path, error) from None
    table = rows.iloc[1:].reset_index(drop=True)
    table.columns = pd.Index(list(rows.iloc[0].str.strip()))
    return table


def _unreadable(department: str, path: Path, error: OSError) -> DataError:
    reason = term(error.strerror or "it is broken")
    return DataError(
        sentence("{department}: {path} cannot be read: {reason}", department=department, path=path, reason=reason)
    )


def read_parquet(path: Path, department: str) -> pd.DataFrame:
    import pyarrow
    import pyarrow.parquet

    try:
        # pandas' own metadata would turn a column into the index, out of the contract's sight.
        table: pd.DataFrame = pyarrow.parquet.ParquetFile(path).read().to_pandas(ignore_metadata=True)
    except OSError as error:
        raise _unreadable(department, path, error) from None
    except (pyarrow.ArrowException, ValueError):
        raise DataError(
            sentence(
                "{department}: {path} cannot be read as Parquet; write it again or correct `path`",
                department=department,
                path=path,
            )
        ) from None
    return table


def read_npz(path: Path, department: str) -> Arrays:
    """Arrays `x` and `y`; nothing in the file is ever unpickled."""
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            if "x" not in file:
                raise DataError(
                    sentence(
                        "{department}: {path} has no array 'x'; save with numpy.savez(path, x=..., y=...)",
                        department=department,
                        path=path,
                    )
                )
            return Arrays(file["x"], file.get("y"))
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise DataError(
            sentence(
                "{department}: {path} cannot be read as npz; arrays of numbers were expected",
                department=department,
                path=path,
            )
        ) from None
    except OSError as error:
        raise _unreadable(department, path, error) from None


def read_callable(source: DataSource, department: str) -> pd.DataFrame | Arrays:
    """What the department's own reader returns. Its errors are named by type and place, not quoted."""
    import pandas as pd

    reader = _callable(source, department)
    try:
        given = reader(**source.arguments)
    except LeptonError as error:
        raise DataError(sentence("{name}: {problem}", name=department, problem=said_by(error))) from None
    except Exception as error:
        raise DataError(f"{department}: its reader {source.call} failed with {_kind_and_place(error)}") from None
    if isinstance(given, pd.DataFrame):
        return given.set_axis(given.columns.astype(str), axis=1).reset_index(drop=True)
    if isinstance(given, tuple) and len(given) == 2 and not (source.where or source.rename):
        return Arrays(np.asarray(given[0]), np.asarray(given[1]))
    table = "a DataFrame" if source.where or source.rename else "a DataFrame or arrays (x, y)"
    raise DataError(f"{department}: its reader {source.call} returned {type(given).__name__}; {table} was expected")


def _callable(source: DataSource, department: str) -> Callable[..., Any]:
    assert source.call is not None
    module, _, name = source.call.partition(":")
    try:
        reader: Any = importlib.import_module(module)
        for part in name.split("."):
            reader = getattr(reader, part)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{department}: call {source.call}: no module {error.name!r} is installed") from None
    except AttributeError:
        raise ConfigError(f"{department}: call {source.call}: {module} has no such name") from None
    except Exception as error:
        raise ConfigError(f"{department}: call {source.call}: {module} fails with {_kind_and_place(error)}") from None
    if not callable(reader):
        raise ConfigError(f"{department}: call {source.call} is not something that can be called")
    _check_arguments(reader, source, department)
    return reader  # type: ignore[no-any-return]


def _check_arguments(reader: Callable[..., Any], source: DataSource, department: str) -> None:
    try:
        signature = inspect.signature(reader)
    except ValueError:
        return  # Written in C, without a signature; the call itself will tell.
    try:
        signature.bind(**source.arguments)
    except TypeError as error:
        # Python's sentence names arguments, never their values.
        raise ConfigError(f"{department}: the arguments of {source.call} do not fit: {error}") from None


def _kind_and_place(error: Exception) -> str:
    place = ""
    trace = error.__traceback__
    while trace is not None:
        place = f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}{place}"


def password_of(source: DataSource, base: Path, department: str) -> str | None:
    """The password, from wherever the department keeps it. ConfigError where it is not there."""
    if source.password_env is not None:
        if source.password_env not in os.environ:
            raise ConfigError(f"{department}: the environment variable {source.password_env} (password_env) is not set")
        return os.environ[source.password_env]
    if source.password_file is None:
        return source.password
    path = base / Path(source.password_file).expanduser()
    if not path.is_file():
        raise ConfigError(f"{department}: its password_file {path} does not exist")
    require_private(path, department)
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError):
        raise ConfigError(
            sentence("{department}: its password_file {path} cannot be read as text", department=department, path=path)
        ) from None


def _chosen(table: pd.DataFrame, source: DataSource, department: str) -> pd.DataFrame:
    """The rows that `where` keeps; DataError where none is left."""
    _refuse_twins(table, department)
    for column, values in source.where.items():
        _require_column(table, column, "where", department)
        table = table[positions(table[column], values) >= 0]
    if table.empty:
        why = sentence("`where` keeps none of its rows") if source.where else sentence("its source holds no rows")
        raise DataError(
            sentence(
                "{department}: {why}; a department without rows cannot train or evaluate",
                department=department,
                why=why,
            )
        )
    return table.reset_index(drop=True)


def _named(table: pd.DataFrame, source: DataSource, department: str) -> pd.DataFrame:
    for column in source.rename:
        _require_column(table, column, "rename", department)
    table = table.rename(columns=source.rename)
    _refuse_twins(table, department)
    return table


def _require_column(table: pd.DataFrame, column: str, key: str, department: str) -> None:
    if column not in table.columns:
        raise DataError(
            hinted(
                sentence(
                    "{department}: its data have no column {column!r}, which `{key}` names",
                    department=department,
                    column=column,
                    key=key,
                ),
                column,
                table.columns,
            )
        )


def _refuse_twins(table: pd.DataFrame, department: str) -> None:
    """Two columns of one name: said by place, since a file without a header has values in its first row."""
    twins = [place for place, twin in enumerate(table.columns.duplicated(keep=False), start=1) if twin]
    named = [place for place in twins if str(table.columns[place - 1])]
    if named:
        places = " and ".join(str(place) for place in named[:2])
        raise DataError(f"{department}: columns {places} of its data have the same name; rename one at the source")
