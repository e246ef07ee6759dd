"""A department's own file: where its data are, which device it trains on, and what it lets in.

The file stays with the department. One that holds a password must be readable by its owner alone (mode 600),
and a password appears in no repr and in no error: messages are built from keys and rules, never from values.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from lepton_fed.config.load import load
from lepton_fed.errors import ConfigError
from lepton_fed.knowledge.sources import FactSource
from lepton_fed.settings.basis import beyond, negative, not_positive, too_small
from lepton_fed.translation import joined, said_by, sentence, term

Format = Literal["csv", "parquet", "npz", "sql", "callable"]

SUFFIXES: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
"""A compressed CSV (`rows.csv.gz`) is still a CSV."""

PASSWORDS = ("password", "password_file", "password_env")
SECRET_QUERY_KEYS = frozenset({"password", "passwd", "pwd", "sslpassword", "odbc_connect", "token"})
"""Keys of a database URL's query part that may carry a password."""


class _Strict:
    """Read by pydantic when it validates a dataclass: unknown keys are errors."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class DataSource(_Strict):
    """`[data]`: one of `path`, `url` or `call`, and how what it gives becomes a table or arrays."""

    format: Format | None = None
    """Default: from the suffix of `path`; `sql` where there is a `url`, `callable` where a `call`."""
    path: str | None = None
    """A file, relative to the department's file; with `distribution`, inside that installed distribution."""
    distribution: str | None = None
    encoding: str | None = None
    """Of a CSV; default utf-8, with or without a byte order mark."""
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Keep the rows whose column equals one of the values, compared as text. Names are the source's own."""
    rename: dict[str, str] = field(default_factory=dict)
    """Theirs = "ours": the source's column names to the contract's."""
    url: str | None = field(default=None, repr=False)
    """A SQLAlchemy URL."""
    query: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    password_env: str | None = None
    call: str | None = None
    """`module:callable`; it returns a DataFrame, or arrays (x, y)."""
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        given = [key for key in ("path", "url", "call") if getattr(self, key) is not None]
        if len(given) != 1:
            found = joined(" and ", given) if given else term("none of them")
            raise ValueError(sentence("give one of path, url or call, not {given}", given=found))
        self._check_format()
        self._check_companions()

    @property
    def kind(self) -> Format:
        """The format, said or inferred."""
        if self.format is not None:
            return self.format
        if self.path is not None:
            return _format_of(self.path)
        return "sql" if self.url is not None else "callable"

    def _check_format(self) -> None:
        key = {"sql": "url", "callable": "call"}.get(self.kind, "path")
        if getattr(self, key) is None:
            raise ValueError(sentence("format {kind!r} needs {key}", kind=self.kind, key=key))

    def _check_companions(self) -> None:
        """Refuse keys that would be ignored: whoever wrote them believes that they do something."""
        tables = self.kind in ("csv", "parquet", "sql", "callable")
        allowed = {
            "distribution": self.path is not None,
            "encoding": self.kind == "csv",
            "query": self.url is not None,
            "arguments": self.call is not None,
            "where": tables,
            "rename": tables,
        } | dict.fromkeys(PASSWORDS, self.url is not None)
        for key, belongs in allowed.items():
            if getattr(self, key) not in (None, {}) and not belongs:
                raise ValueError(sentence("{key} does not belong to format {kind!r}", key=key, kind=self.kind))
        if self.url is not None and not self.query:
            raise ValueError(sentence("a url needs a query that selects the rows"))
        if sum(getattr(self, key) is not None for key in PASSWORDS) > 1:
            raise ValueError(sentence("give one of {known}", known=joined(", ", PASSWORDS)))
        if self.call is not None and not re.fullmatch(r"[\w.]+:[\w.]+", self.call):
            raise ValueError(sentence('call must read "module:callable"'))


@dataclass(frozen=True, kw_only=True)
class OwnTerms(_Strict):
    """`[terms]`: what this department asks of every secure sum, beyond what the federation file says."""

    crowd: int | None = None
    """It hides among at least so many others; needed, as 1, in a federation of two."""
    crowd_soft: float = 1.0
    """It makes up no more than 1 / crowd_soft of anything that the sums tell; 1 asks for nothing."""
    coordinator_sees: Literal["sums", "nothing"] = "sums"
    """`nothing`: it takes part in sealed sums only."""
    across_rounds: Literal["off", "warn", "enforce"] = "off"
    """Whether it looks at what the sums of several rounds would tell together, and takes no part in it."""
    noise_multiplier: float = 0.0
    """Noise in every sum, at least so many times the bound of one department's update."""
    minimum_cell: int = 1
    """It takes part in statistics only where cells of so many rows, or of more, are the smallest that leave."""

    def __post_init__(self) -> None:
        if self.minimum_cell < 1:
            raise ValueError(too_small("terms: minimum_cell", self.minimum_cell))
        if self.crowd is not None and self.crowd < 1:
            raise ValueError(too_small("terms: crowd", self.crowd))
        if self.crowd_soft < 1:
            raise ValueError(too_small("terms: crowd_soft", self.crowd_soft))
        if self.noise_multiplier < 0:
            raise ValueError(negative("terms: noise_multiplier", self.noise_multiplier))


@dataclass(frozen=True, kw_only=True)
class OwnPrivacy(_Strict):
    """`[privacy]`: how much everything that is ever released about its rows may cost together."""

    budget: float
    """The largest epsilon, over all runs and statistics."""
    delta: float = 1e-5
    ledger: str | None = None
    """Its ledger, relative to this file; default `privacy.sqlite`, at a deployed department in its kit's state."""
    data_set: str | None = None
    """What the ledger calls these rows; default: the department. Files that name one ledger and one data set share a
    budget."""

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise ValueError(not_positive("privacy: budget", self.budget))
        if not 0 < self.delta < 1:
            raise ValueError(beyond("privacy: delta", self.delta))
        name = self.data_set if self.data_set is not None else "data"
        if not name.strip() or not name.replace("\u3000", " ").isprintable():
            raise ValueError(sentence("privacy: data_set must be one line that can be shown"))


@dataclass(frozen=True, kw_only=True)
class SharedTable(DataSource):
    """`[shared."name"]`: a table that others may read where this department's rules let them; the keys of `[data]`,
    and what of the table leaves.
    """

    columns: tuple[str, ...] = ()
    """The columns that leave, after `rename`; default: all."""
    rows: int | None = None
    """At most so many rows, the first ones; default: all."""
    mask: tuple[str, ...] = ()
    """Columns whose values leave as a keyed hash; equal values stay equal, and the key stays here."""
    groups: tuple[str, ...] = ()
    """A statistic instead of rows: counts by these columns, and means of the other columns that are numbers."""
    minimum: int = 10
    """With `groups`: a group of fewer rows does not leave."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "npz":
            raise ValueError(sentence("a shared table has columns; npz has none"))
        if self.rows is not None and self.rows < 1:
            raise ValueError(too_small("rows", self.rows))
        if self.minimum < 1:
            raise ValueError(too_small("minimum", self.minimum))
        left_out = set(self.mask + self.groups) - set(self.columns) if self.columns else set()
        if left_out:
            raise ValueError(sentence("columns leaves out {name!r}, which mask or groups names", name=min(left_out)))


@dataclass(frozen=True, kw_only=True)
class OwnRead(_Strict):
    """`[reads."name"]`: a table of another department that this one wants to read, before a run's first round."""

    from_: str
    to: str
    """The file that it is written to, relative to this one: .parquet or .csv."""
    purpose: str | None = None
    """What for, as the owner's rules see it; default: the federation's purpose."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_Strict.__pydantic_config__,
        "alias_generator": lambda name: name.rstrip("_"),
        "validate_by_name": True,
        "validate_by_alias": True,
    }

    def __post_init__(self) -> None:
        if not self.to.endswith((".parquet", ".csv")):
            raise ValueError(sentence("to must end in .parquet or .csv"))


@dataclass(frozen=True, kw_only=True)
class OwnGround(_Strict):
    """`[common_ground]`: where its facts are, when others and it find out which entities both know."""

    database: str = field(repr=False)
    """File of its knowledge graph, relative to this one, or the URL of a database."""
    ask: tuple[str, ...] = ()
    """The departments that it asks, before a run's first round; it is asked by whomever its policies let know."""
    to: str | None = None
    """Folder, relative to this file, for what it has in common with each that it asks: `<department>.csv`."""

    def __post_init__(self) -> None:
        if not self.database.strip():
            raise ValueError(sentence("common_ground: database must name a file or a database"))

    @property
    def holds_password(self) -> bool:
        return "://" in self.database and _has_password(self.database)


@dataclass(frozen=True, kw_only=True)
class DepartmentFile(_Strict):
    """A whole department file."""

    data: DataSource | None = None
    """Absent at a department that has no rows of its own (a target only)."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:1`."""
    code: tuple[str, ...] = ()
    """Modules (and what is below them) whose callables this department runs as model or loss."""
    memory_limit: int | None = None
    """Bytes of device memory that the data may take; larger data are streamed from host memory."""
    terms: OwnTerms = field(default_factory=OwnTerms)
    policies: tuple[str, ...] = ()
    """Files of policies of its own, something`.cedar`, relative to this file."""
    privacy: OwnPrivacy | None = None
    """Absent: no budget, and no ledger of what was spent."""
    shared: dict[str, SharedTable] = field(default_factory=dict)
    """Tables that others may read, by the name that [[sharing]] gives them."""
    reads: dict[str, OwnRead] = field(default_factory=dict)
    """Tables of others that it wants, by that name."""
    knowledge: tuple[FactSource, ...] = ()
    """Where its facts come from; `lepton-fed knowledge import --own` reads them."""
    common_ground: OwnGround | None = None
    """Absent: it finds out nothing with others, and lets nobody."""
    vectors: str | None = None
    """File of its entity vectors (.safetensors), relative to this one, for [knowledge] of the federation file."""

    def __post_init__(self) -> None:
        if len(set(self.policies)) != len(self.policies):
            raise ValueError(sentence("policies names a file twice"))
        if self.memory_limit is not None and self.memory_limit < 0:
            raise ValueError(sentence("memory_limit is a number of bytes and may not be negative"))


def load_department_file(path: str | Path, name: str) -> DepartmentFile:
    """Read the file of department `name`. ConfigError, in one sentence, for whatever is wrong with it."""
    path = Path(path)
    try:
        # `secret`: sentences never show what was found, since that may be a password.
        read = load(path, DepartmentFile, what="department's own file", secret=True)
    except ConfigError as error:
        raise ConfigError(sentence("{name}: {problem}", name=name, problem=said_by(error))) from None
    sources: list[DataSource] = [one for one in (read.data, *read.shared.values()) if one is not None]
    if any(map(_holds_password, sources)) or (read.common_ground is not None and read.common_ground.holds_password):
        require_private(path, name)
    return read


def require_private(path: Path, department: str) -> None:
    """ConfigError unless the file, which holds a password, is readable by its owner alone."""
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            sentence(
                "{department}: {path} holds a password and others may read it; run `chmod 600 {path}` first",
                department=department,
                path=path,
            )
        )


def _format_of(path: str) -> Format:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if len(suffixes) > 1 and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in SUFFIXES:
        raise ValueError(
            sentence("the suffix of {path!r} says no format; say format, one of csv, parquet, npz", path=path)
        )
    return SUFFIXES[suffixes[-1]]


def _holds_password(source: DataSource) -> bool:
    if source.password is not None:
        return True
    return source.url is not None and _has_password(source.url)


def _has_password(address: str) -> bool:
    """Whether a database's URL holds a password, or may."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return True  # Unreadable, so perhaps with a password; reading the data will say what is wrong.
    return url.password is not None or not SECRET_QUERY_KEYS.isdisjoint(key.lower() for key in url.query)
