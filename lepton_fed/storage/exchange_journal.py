"""Who answered in each exchange of the round under way, so that a coordinator that was killed plays it the same again.

    exchanges.jsonl     {"round": 7}                      the round
                        {"answered": ["A", "B", "D"]}     one line per exchange that is over

Departments give the same answer to the same question. What a round came to depends on who answered in time, too, and
that only the coordinator knew. A line is one write, so a killed process leaves whole lines, or a last one that is not
whole and does not count. Names only: nothing that anybody answered is here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unwritable


class ExchangeJournal:
    """The journal in one file, of one process at a time."""

    def __init__(self, path: Path) -> None:
        """StorageError if the file cannot be read or written."""
        self._path = Path(path)
        self._round, self._known = _read(self._path)
        self._played = 0

    def begin(self, round: int) -> None:
        """A round begins: anew, or again if the journal is about it."""
        self._played = 0
        if round != self._round:
            self._round, self._known = round, []
            self._write({"round": round}, os.O_TRUNC)

    def due(self) -> frozenset[str] | None:
        """Who answered in the next exchange when it was played before; None if it was not."""
        return frozenset(self._known[self._played]) if self.replaying else None

    @property
    def begun(self) -> bool:
        """Whether an exchange of some round is over."""
        return bool(self._known)

    @property
    def replaying(self) -> bool:
        """Whether the next exchange was played before."""
        return self._played < len(self._known)

    def over(self, answered: list[str]) -> None:
        """The exchange is over; these have answered."""
        if not self.replaying:
            self._known.append(answered)
            self._write({"answered": answered}, os.O_APPEND)
        self._played += 1

    def _write(self, line: dict[str, object], how: int) -> None:
        content = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
            try:
                written = os.write(descriptor, content)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unwritable(error, self._path) from error
        if written != len(content):
            raise StorageError(f"{self._path} cannot be written: its disk is full; free some space")


def _read(path: Path) -> tuple[int, list[list[str]]]:
    """The round and its exchanges; what does not read is as if it had not been written."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return 0, []
    except OSError as error:
        raise unwritable(error, path) from error
    round, known = 0, list[list[str]]()
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            break
        match said:
            case {"round": int(number)}:
                round, known = number, []
            case {"answered": list(names)} if all(isinstance(name, str) for name in names):
                known.append(names)
            case _:
                break
    return round, known
