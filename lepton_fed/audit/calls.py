"""Takes calls of the coordinator's port into the log, many at a time, so that a call itself costs the tree nothing.

audit_event 1 2 3 ... ──► Called* ──► under the next head       how far: `taken`, in the same transaction
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection, Row, select

from lepton_fed.audit.commitments import Openings
from lepton_fed.audit.entries import Called
from lepton_fed.audit.log import append
from lepton_fed.audit.taken import take, taken
from lepton_fed.flower.link_audit import AuditEvent, Outcome
from lepton_fed.storage.call_tables import AuditEventRow

SOURCE = "calls"

AT_ONCE = 5_000
"""Calls that one transaction takes in, in about a third of a second: others wait for it meanwhile. The rest is taken
in with the next head."""


def take_calls(connection: Connection, log: str) -> int:
    """Append the calls that the log does not have yet; returns how many."""
    table = AuditEventRow
    after = taken(connection, log, SOURCE)
    rows = connection.execute(
        select(table.__table__).where(table.id > after).order_by(table.id).limit(AT_ONCE)
    ).fetchall()
    if rows and take(connection, log, SOURCE, rows[-1].id):
        openings = Openings()
        append(connection, log, [Called.of(_event(row), openings) for row in rows], openings)
    return len(rows)


def _event(row: Row[tuple[object, ...]]) -> AuditEvent:
    return AuditEvent(
        time=row.time,
        actor=row.actor,
        address=row.address,
        action=row.action,
        outcome=cast(Outcome, row.outcome),
        reason=row.reason,
        run=row.run,
    )
