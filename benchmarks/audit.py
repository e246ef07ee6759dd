"""Seconds to append 10,000 entries to the audit log, to export it, and to verify it from the database and from a file.

    python -m benchmarks.audit [--entries 10000] [--sealed 20] [--departments 3] [--url postgresql://...]

`--sealed`: entries per transaction, each of which ends in a signed head that every department countersigns. The first
time is the clock's, the second the processor's, which says what a machine that is not busy would take.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.machine import machine
from lepton_fed.audit import (
    CounterSignature,
    Decided,
    Entry,
    Keys,
    ModelMade,
    Openings,
    Released,
    Spent,
    append,
    countersigned,
    export_log,
    read_export,
    seal,
    written,
)
from lepton_fed.audit.verification import verify_written
from lepton_fed.secagg.keys import Identity
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.database import Database

LOG = "基准"

Done = TypeVar("Done")


def entry(number: int, names: tuple[str, ...], openings: Openings) -> Entry:
    """One of four kinds in turn."""
    digest = number.to_bytes(32, "big")
    match number % 4:
        case 0:
            context, reason = openings.commit(f"ε {number}"), openings.commit("permitted")
            return Decided(
                number, "run", names[0], names[1], "训练", "生产线数据", "预测", True, ("a",), digest, context, reason
            )
        case 1:
            return Released(number, "run", number, 1, digest, "model", "all", names, digest)
        case 2:
            return Spent(number, "run", number, names[0], "生产线数据", 1, number, 1e-5, digest)
    return ModelMade(number, "run", number, names[0], digest, digest)


def main() -> None:
    """Print one line per step, and the machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--sealed", type=int, default=20)
    parser.add_argument("--departments", type=int, default=3)
    parser.add_argument("--url")
    chosen = parser.parse_args()
    for name, value in machine().items():
        print(f"{name:14} {value}")
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.url or sqlite_url(Path(folder) / "audit.sqlite")
        measure(url, Path(folder) / "log.jsonl", chosen.entries, chosen.sealed, chosen.departments)


def measure(url: str, file: Path, entries: int, sealed: int, departments: int) -> None:
    """Every step once, in order."""
    coordinator = Identity("coordinator", bytes(31) + b"\x01")
    parties = [Identity(f"部门{k:02}", bytes(31) + bytes([k + 2])) for k in range(departments)]
    keys = Keys(LOG, (coordinator.public,), {one.name: (one.public,) for one in parties})
    database = schema.opened(url, patience=10, durable=True)
    timed("append, seal, countersign, commit", lambda: fill(database, coordinator, parties, entries, sealed))
    found = timed("read the database", lambda: written(database, LOG))
    assert timed("verify it", lambda: verify_written(found, keys)).sound
    timed("export", lambda: export_log(found, file))
    read = timed("read the file", lambda: read_export(file))
    assert timed("verify it", lambda: verify_written(read, keys)).sound
    print(f"{entries} entries, {len(found.heads)} heads, {departments} departments, {file.stat().st_size / 1e6:.1f} MB")
    database.close()


def fill(database: Database, coordinator: Identity, parties: list[Identity], entries: int, sealed: int) -> None:
    """`sealed` entries a transaction."""
    names = tuple(one.name for one in parties)
    for first in range(0, entries, sealed):
        openings = Openings()
        made = [entry(number, names, openings) for number in range(first, min(first + sealed, entries))]
        with database.writing() as connection:
            append(connection, LOG, made, openings)
            head = seal(connection, LOG, coordinator)
            for one in parties:
                countersigned(connection, LOG, head, CounterSignature.sign(head.signed.head, one), one.public)


def timed(what: str, step: Callable[[], Done]) -> Done:
    clock, processor = time.perf_counter(), time.process_time()
    done = step()
    print(f"{what:36} {time.perf_counter() - clock:7.3f} s {time.process_time() - processor:7.3f} s")
    return done


if __name__ == "__main__":
    main()
