"""What was asked of the coordinator's port, by whom and what came of it: one event per call, written before the answer.

    AuditEvent --AuditSink.record--> one line of JSON in a file of mode 600

Accepted calls that carry nothing (heartbeats, polls that find nothing) are not recorded; every refused call is, but
for those of a caller who is being refused already because there are too many of them: of these the first.
An event names departments and paths. It never holds a header, a body, a token or a key.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Literal, Protocol, Self

from lepton_fed.storage.atomic import unwritable

Outcome = Literal["done", "refused", "failed"]


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One call. `actor`: a department, `operator`, `coordinator`, or empty for a stranger. `run`: Flower's number."""

    actor: str
    address: str
    action: str
    outcome: Outcome
    reason: str = ""
    run: str = ""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class AuditSink(Protocol):
    """Somewhere events are kept. `record` is called from several threads; what it raises refuses the call."""

    def record(self, event: AuditEvent) -> None:
        """Keep the event, before the call that it is about is answered."""


class AuditFile:
    """Events as lines of JSON, appended to a file that only its owner may read. StorageError if it cannot be written.

    A line is one write, so a killed process leaves whole lines; it does not wait for the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            os.fchmod(self._descriptor, 0o600)
        except OSError as error:
            raise unwritable(error, path) from error

    def record(self, event: AuditEvent) -> None:
        line = json.dumps({**asdict(event), "time": event.time.isoformat()}, ensure_ascii=False) + "\n"
        # A path that somebody asked for may hold half a character, which no file in UTF-8 can.
        content = line.encode(errors="backslashreplace")
        with self._lock:
            try:
                written = os.write(self._descriptor, content)
            except OSError as error:
                raise unwritable(error, self._path) from error
            if written != len(content):
                raise unwritable(OSError("only a part of the line was written"), self._path)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
