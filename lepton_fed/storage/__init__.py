"""What a run leaves behind: its folder, its checkpoint, its history and its rows in a database.

    RunFolder    the files of one run, locked by the process that writes it
    Checkpoint   the state to resume from; killed at any moment, it is the old one or the new one
    ExchangeJournal  who answered in the round under way
    LedgerFile   what a department must never forget about secure sums; survives a power cut
    RunStore     runs, rounds, measurements and models in SQLite or any other SQLAlchemy database
    AuditTable   calls of the coordinator's port, in such a database
    write_history, read_history    measurements as one Parquet file

Every name is imported when it is first used, so that a run without a database never waits for SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.storage.atomic import write_atomically
    from lepton_fed.storage.audit_table import AuditTable, StoredEvent
    from lepton_fed.storage.checkpoint import Checkpoint, Saved
    from lepton_fed.storage.exchange_journal import ExchangeJournal
    from lepton_fed.storage.history_file import read_history, write_history
    from lepton_fed.storage.ledger_file import LedgerFile
    from lepton_fed.storage.run_folder import RunFolder
    from lepton_fed.storage.run_record import RunRecord
    from lepton_fed.storage.store import RunStore, StoredModel, StoredRound, StoredRun, sqlite_url

_HOMES = {
    "AuditTable": "audit_table",
    "Checkpoint": "checkpoint",
    "ExchangeJournal": "exchange_journal",
    "LedgerFile": "ledger_file",
    "RunFolder": "run_folder",
    "RunRecord": "run_record",
    "RunStore": "store",
    "Saved": "checkpoint",
    "StoredEvent": "audit_table",
    "StoredModel": "store",
    "StoredRound": "store",
    "StoredRun": "store",
    "read_history": "history_file",
    "sqlite_url": "store",
    "write_atomically": "atomic",
    "write_history": "history_file",
}

__all__ = [
    "AuditTable",
    "Checkpoint",
    "ExchangeJournal",
    "LedgerFile",
    "RunFolder",
    "RunRecord",
    "RunStore",
    "Saved",
    "StoredEvent",
    "StoredModel",
    "StoredRound",
    "StoredRun",
    "read_history",
    "sqlite_url",
    "write_atomically",
    "write_history",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
