"""Seconds to append 10,000 entries to the audit log, to export it, and to verify it from the database and from a file;
then what the log costs a simulated round.

    python -m benchmarks.audit [--entries 10000] [--sealed 20] [--departments 3] [--rounds 100] [--url postgresql://...]

`--sealed`: entries per transaction, each of which ends in a signed head that every department countersigns. The first
time is the clock's, the second the processor's, which says what a machine that is not busy would take. Of the rounds,
each is recorded with its entries and without, in turn, by processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.arguments import begin, integer
from benchmarks.machine import machine
from lepton_fed.accounts import Account, AgreedPlan, ReleasedSum
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
from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.own_log import DepartmentLog
from lepton_fed.audit.run_log import RunLog
from lepton_fed.audit.verification import verify_written
from lepton_fed.history import Measurement
from lepton_fed.messages import Attest, Message, Reply
from lepton_fed.secagg.keys import Identity
from lepton_fed.settings import Audit
from lepton_fed.storage import RunStore, schema, sqlite_url
from lepton_fed.storage.database import Database
from lepton_fed.storage.store import Also
from lepton_fed.transport import OnReply

LOG = "基准"
EVERY = Audit().every
ABOUT: dict[str, Any] = {"name": LOG, "purpose": "", "fingerprint": "", "federation_toml": "", "seed": 0}

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
    parser.add_argument("--entries", type=integer(1), default=10_000)
    parser.add_argument("--sealed", type=integer(1), default=20)
    parser.add_argument("--departments", type=integer(2, 100), default=3)
    parser.add_argument("--rounds", type=integer(1), default=100)
    parser.add_argument("--url")
    chosen = parser.parse_args()
    for name, value in machine().items():
        print(f"{name:14} {value}")
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.url or sqlite_url(Path(folder) / "audit.sqlite")
        measure(url, Path(folder) / "log.jsonl", chosen.entries, chosen.sealed, chosen.departments)
        measure_rounds(sqlite_url(Path(folder) / "runs.sqlite"), Path(folder), chosen.rounds, chosen.departments)


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


def measure_rounds(url: str, folder: Path, rounds: int, departments: int) -> None:
    """What is added to a simulated round: its entries, and, every so many rounds, a head."""
    names = tuple(f"部门{k:02}" for k in range(departments))
    keys = KeyFolder(folder, LOG)
    with RunStore(url, durable=False) as store:
        bare, run = (store.start_run(**ABOUT, folder=folder / name) for name in ("bare", "run"))
        log = RunLog(store.database, keys.signers(names), run)
        watching = Watching({name: keys.department(name, log.signers.coordinator.public, run) for name in names})
        spent = {"without": 0.0, "with": 0.0, "head": 0.0}
        for number in range(1, rounds + 1):
            measured = [Measurement(number, name, "test", "auc", 0.5) for name in names]
            spent["without"] += seconds(partial(store.record_round, bare, number, 0.1, measured))
            also = partial(recorded, log, number, names)
            spent["with"] += seconds(lambda n=number, m=measured, a=also: store.record_round(run, n, 0.1, m, a()))  # type: ignore[misc]
            if number % EVERY == 0:
                spent["head"] += seconds(partial(log.attest, watching, names))
    entries = 1000 * (spent["with"] - spent["without"]) / rounds
    head = 1000 * spent["head"] / max(1, rounds // EVERY)
    print(f"a round: entries {entries:.2f} ms beside {1000 * spent['without'] / rounds:.2f} ms for its measurements;")
    print(f"a head countersigned by {departments} {head:.1f} ms; in all {entries + head / EVERY:.2f} ms a round")


def recorded(log: RunLog, number: int, names: tuple[str, ...]) -> Also:
    """As a secure round of one hub is told: plan, survivors, two sums."""
    digest = number.to_bytes(32, "big")
    sums = tuple(ReleasedSum(group, "all", names, digest) for group in ("updates", "measurements"))
    return log.summed(number, [Account(number, 0, AgreedPlan(digest, digest, digest, names, 2), names, digest, sums)])


class Watching:
    """Departments that only answer for the audit."""

    def __init__(self, logs: dict[str, DepartmentLog]) -> None:
        self.logs = logs

    def exchange(self, messages: Mapping[str, Message], on_reply: OnReply | None = None) -> Iterator[tuple[str, Reply]]:
        for name, message in messages.items():
            assert isinstance(message, Attest)
            yield name, self.logs[name].answer(message)


def seconds(step: Callable[[], object]) -> float:
    """Of the processor: nothing here waits for a disk, and a busy machine would make noise of a few milliseconds."""
    started = time.process_time()
    step()
    return time.process_time() - started


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
    begin(main)
