"""Tables of the audit log.

    audit_log 1 --- n audit_entry
        |   \\------- n audit_opening
        |   \\------- n audit_taken
        \\------- n audit_head 1 --- n audit_countersignature

What an entry leaves open is a commitment; the opening can be forgotten without it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import Base


class AuditLogRow(Base):
    """A log: how many entries it has, and the hashes (32 bytes each) that the next is appended to. Locked meanwhile."""

    __tablename__ = "audit_log"

    log: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEntryRow(Base):
    """An entry: its bytes, the hashes of its leaf and of the subtrees that it completes. Triggers keep it as it is."""

    __tablename__ = "audit_entry"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    nodes: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHeadRow(Base):
    """A signed head in its canonical bytes. Triggers keep it as it is."""

    __tablename__ = "audit_head"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCounterSignatureRow(Base):
    """A department's signature on a head. Triggers keep it as it is."""

    __tablename__ = "audit_countersignature"
    __table_args__ = (ForeignKeyConstraint(["log", "number"], ["audit_head.log", "audit_head.number"]),)

    log: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    department: Mapped[str] = mapped_column(Text, primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditOpeningRow(Base):
    """The text behind a commitment of an entry, and its salt; may be erased, and nothing else may be done to it."""

    __tablename__ = "audit_opening"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    commitment: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str] = mapped_column(Text)


class AuditTakenRow(Base):
    """Up to which number the entries of a source (a run's rounds, a department's docket, calls) are in a log."""

    __tablename__ = "audit_taken"

    log: Mapped[str] = mapped_column(ForeignKey("audit_log.log"), primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
