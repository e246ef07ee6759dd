"""What all tables are made of: their base, names of constraints, and the types of columns that SQLAlchemy lacks."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, Double, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up in a column called INTEGER, of 64 bits, and in no other."""


def among(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A check that a column holds one of these; named for the column."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=column)


class Utc(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the zone, so it is put back; a time without a zone is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Measured(TypeDecorator[float]):
    """A measured number; NaN (an AUC with one class, say) is NULL, which SQL's own averages leave out."""

    impl = Double()
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


class WholeNumber(TypeDecorator[int]):
    """An integer of any size, as text: a seed may have more bits than a database's integers."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class Base(DeclarativeBase):
    """All tables of lepton-fed."""

    metadata = MetaData(naming_convention=NAMING)
