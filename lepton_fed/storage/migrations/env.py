"""Tells Alembic which connection to migrate: that of `schema.upgrade`, or `-x url=...` at the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import NullPool, create_engine

from lepton_fed.storage.models import Base
from lepton_fed.storage.schema import VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection


def migrate(connection: Connection) -> None:
    """Run the steps that Alembic was asked for, inside the connection's transaction."""
    # SQLite cannot change a column in place; batch mode makes a new table and copies.
    batch = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=batch,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """On the caller's connection, or on a new one at the shell."""
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    engine = create_engine(context.get_x_argument(as_dictionary=True)["url"], poolclass=NullPool)
    with engine.begin() as connection:
        migrate(connection)


# Alembic loads this file under the name env_py; an ordinary import does nothing.
if __name__ == "env_py":
    main()
