"""Runs, rounds, measurements and models in a database: SQLite by default, any SQLAlchemy URL by choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from sqlalchemy import URL, Connection, delete, insert, select, update
from sqlalchemy.orm import Session

from lepton_fed.errors import StorageError
from lepton_fed.history import Measurement
from lepton_fed.storage import schema
from lepton_fed.storage.database import Database
from lepton_fed.storage.run_record import STATUSES, Status
from lepton_fed.storage.run_tables import MeasurementRow, ModelRow, RoundRow, RunRow

Also = Callable[[Connection], None]
"""What else is written in a transaction: both, or neither. The audit log is, so that it tells what was recorded."""


def nothing(connection: Connection) -> None:
    """Nothing else."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """One run. `started` and `finished` are UTC; `folder` is where its files are."""

    id: str
    name: str
    purpose: str
    fingerprint: str
    federation_toml: str
    seed: int
    folder: str
    started: datetime
    finished: datetime | None
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StoredRound:
    """One completed round and how many seconds it took."""

    number: int
    seconds: float
    recorded: datetime


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A target's model; `digest` is the sha256 of its file in hex."""

    department: str
    digest: str
    file: str
    created: datetime


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


class RunStore:
    """The rows of all runs. Opening it brings the schema up to date. Close it, or use it in a `with`.

    Every method raises StorageError, in one sentence and without a password, if the database cannot be
    reached, read or written, or is locked for longer than `patience` seconds. `durable`: each change waits
    for the disk (SQLite; other databases have settings of their own). `also` of a method: what is written with it.
    """

    def __init__(self, url: str | URL, *, patience: float = 10.0, durable: bool = True) -> None:
        self._database = schema.opened(url, patience=patience, durable=durable)

    @property
    def database(self) -> Database:
        """Where the rows are, and the audit log beside them."""
        return self._database

    def close(self) -> None:
        """Give back the connections."""
        self._database.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start_run(
        self,
        *,
        name: str,
        purpose: str,
        fingerprint: str,
        federation_toml: str,
        seed: int,
        folder: Path | str,
        id: str | None = None,  # noqa: A002
        started: datetime | None = None,
        also: Also = nothing,
    ) -> str:
        """Record that a run begins; returns its id. The `id` of a run that is there goes on with that run.

        Its settings and folder become the given ones: it may have been moved or be asked for more rounds.
        Whether they are close enough to go on is for the caller to judge, who has both federation files.
        """
        with self._writing(also) as session:
            if id is not None and (known := session.get(RunRow, id)) is not None:
                known.fingerprint, known.federation_toml = fingerprint, federation_toml
                known.folder = str(folder)
                known.status, known.reason, known.finished = "running", "", None
                return id
            row = RunRow(
                id=id or str(uuid4()),
                name=name,
                purpose=purpose,
                fingerprint=fingerprint,
                federation_toml=federation_toml,
                seed=seed,
                folder=str(folder),
                started=started or datetime.now(UTC),
                finished=None,
                status="running",
                reason="",
            )
            session.add(row)
            return row.id

    def record_round(
        self, run: str, number: int, seconds: float, measurements: Sequence[Measurement], also: Also = nothing
    ) -> None:
        """Store a round with all that was measured in it, or nothing; a round that is there is replaced."""
        rows = _rows(run, number, measurements)
        with self._writing(also) as session:
            _known(session, run)
            session.execute(delete(RoundRow).where(RoundRow.run == run, RoundRow.number == number))
            row = {"run": run, "number": number, "seconds": seconds, "recorded": datetime.now(UTC)}
            session.execute(insert(RoundRow), [row])
            if rows:
                session.execute(insert(MeasurementRow), rows)

    def forget_after(self, run: str, number: int) -> None:
        """Remove the rounds after `number`: those that a resumed run will do again."""
        with self._writing() as session:
            _known(session, run)
            session.execute(delete(RoundRow).where(RoundRow.run == run, RoundRow.number > number))

    def record_model(self, run: str, department: str, *, digest: str, file: Path | str, also: Also = nothing) -> None:
        """Store where a target's model is; one that is there is replaced."""
        with self._writing(also) as session:
            _known(session, run)
            row = ModelRow(run=run, department=department, digest=digest, file=str(file), created=datetime.now(UTC))
            session.merge(row)

    def finish_run(self, run: str, status: Status, reason: str = "", also: Also = nothing) -> None:
        """Record how a run ended, now."""
        if status not in STATUSES:
            raise ValueError(f"a run's status is one of {', '.join(STATUSES)}, not {status!r}")
        with self._writing(also) as session:
            _known(session, run)
            values = {"status": status, "reason": reason, "finished": datetime.now(UTC)}
            session.execute(update(RunRow).where(RunRow.id == run).values(values))

    def runs(self) -> list[StoredRun]:
        """All runs, the newest first."""
        with self._reading() as session:
            rows = session.scalars(select(RunRow).order_by(RunRow.started.desc(), RunRow.id))
            return [_run(row) for row in rows]

    def run(self, run: str) -> StoredRun:
        """One run by its id."""
        with self._reading() as session:
            return _run(_known(session, run))

    def rounds(self, run: str) -> list[StoredRound]:
        """The completed rounds of a run in order."""
        with self._reading() as session:
            _known(session, run)
            rows = session.scalars(select(RoundRow).where(RoundRow.run == run).order_by(RoundRow.number))
            return [StoredRound(number=r.number, seconds=r.seconds, recorded=r.recorded) for r in rows]

    def history(self, run: str) -> list[Measurement]:
        """All measurements of a run by round, within a round as they were recorded."""
        table = MeasurementRow
        with self._reading() as session:
            _known(session, run)
            rows = session.execute(
                select(table.round, table.department, table.part, table.metric, table.value)
                .where(table.run == run)
                .order_by(table.round, table.position)
            )
            return [Measurement(*row) for row in rows]

    def models(self, run: str) -> list[StoredModel]:
        """The models of a run, by department."""
        with self._reading() as session:
            _known(session, run)
            rows = session.scalars(select(ModelRow).where(ModelRow.run == run))
            found = [
                StoredModel(department=r.department, digest=r.digest, file=r.file, created=r.created) for r in rows
            ]
        # Sorted here: databases order Chinese text each in their own way.
        return sorted(found, key=lambda model: model.department)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._database.reading() as connection, Session(connection) as session:
            yield session

    @contextmanager
    def _writing(self, also: Also = nothing) -> Iterator[Session]:
        with self._database.writing() as connection, Session(connection) as session:
            yield session
            session.flush()
            also(connection)


def _known(session: Session, run: str) -> RunRow:
    row = session.get(RunRow, run)
    if row is None:
        raise StorageError(f"the database has no run {run}; use the database that it was recorded in")
    return row


def _rows(run: str, number: int, measurements: Sequence[Measurement]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    seen: set[tuple[str, str, str]] = set()
    for position, m in enumerate(measurements):
        key = (m.department, m.part, m.metric)
        if m.round != number:
            raise ValueError(f"a measurement of round {m.round} among those of round {number}")
        if key in seen:
            raise ValueError(f"round {number}: {m.metric} of {m.department!r} ({m.part}) was measured twice")
        seen.add(key)
        rows.append(
            {
                "run": run,
                "round": number,
                "position": position,
                "department": m.department,
                "part": m.part,
                "metric": m.metric,
                "value": m.value,
            }
        )
    return rows


def _run(row: RunRow) -> StoredRun:
    return StoredRun(
        id=row.id,
        name=row.name,
        purpose=row.purpose,
        fingerprint=row.fingerprint,
        federation_toml=row.federation_toml,
        seed=row.seed,
        folder=row.folder,
        started=row.started,
        finished=row.finished,
        status=row.status,
        reason=row.reason,
    )
