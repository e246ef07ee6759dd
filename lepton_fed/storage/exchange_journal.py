"""Who answered in each exchange of the round under way, so that a coordinator that was killed plays it the same again.

    exchanges.jsonl     {"round": 7, "attempt": 0, "serial": 1, "sessions": {"A": "9f...", ...}}
                        {"answered": ["A", "B", "D"]}     one line per exchange that is over
                        {"given": true}                   before departments are asked for what they give only once

Departments give the same answer to the same question. What a round came to depends on who answered in time, too, and
that only the coordinator knew. A line is one write, so a killed process leaves whole lines, or a last one that is not
whole and does not count. Names and numbers of processes only: nothing that anybody answered is here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unreadable, unwritable, write_atomically


@dataclass
class Played:
    """What is known of a round. `attempt`: of its first secure attempt; `sessions`: processes of departments then;
    `serial`: of the membership; `given`: whether departments may have given what they give only once.
    """

    round: int = 0
    attempt: int = 0
    serial: int = 0
    sessions: dict[str, str] = field(default_factory=dict)
    exchanges: list[list[str]] = field(default_factory=list)
    given: bool = False

    @property
    def head(self) -> dict[str, Any]:
        return {"round": self.round, "attempt": self.attempt, "serial": self.serial, "sessions": self.sessions}


class ExchangeJournal:
    """The journal in one file, of one process at a time."""

    def __init__(self, path: Path) -> None:
        """StorageError if the file cannot be read."""
        self._path = Path(path)
        self._known = _read(self._path)
        self._place = 0
        """How many exchanges have been played, or played again, by this process."""

    @property
    def known(self) -> Played:
        """What was played of the round under way."""
        return self._known

    def begin(self, round: int) -> None:
        """A round begins: again if the journal is about it, or anew."""
        self._place = 0
        if round != self._known.round:
            self._known = Played(round)

    def head(self, serial: int, sessions: Mapping[str, str], attempt: int = 0) -> None:
        """A round, or further attempts at it, begin with this membership and these processes; the rest is forgotten."""
        self._place = 0
        self._known = Played(self._known.round, attempt, serial, dict(sessions))
        self._write(self._known.head, os.O_TRUNC)

    @property
    def replaying(self) -> bool:
        """Whether the next exchange was played before."""
        return self._place < len(self._known.exchanges)

    def due(self) -> frozenset[str] | None:
        """Who answered in the next exchange when it was played before; None if it was not."""
        return frozenset(self._known.exchanges[self._place]) if self.replaying else None

    def gives(self) -> None:
        """The next exchange asks departments for what they give only once."""
        if not self._known.given:
            self._known.given = True
            self._write({"given": True}, os.O_APPEND)

    def over(self, answered: list[str]) -> None:
        """The exchange is over; these have answered."""
        if not self.replaying:
            self._known.exchanges.append(answered)
            self._write({"answered": answered}, os.O_APPEND)
        self._place += 1

    def undo(self) -> None:
        """The last exchange did not bring enough; nobody was told so, and it may be played once more."""
        known = self._known
        known.exchanges = known.exchanges[: max(0, self._place - 1)]
        self._place = 0
        lines = [known.head, *([{"given": True}] if known.given else [])]
        lines += [{"answered": names} for names in known.exchanges]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomically(self._path, text, durable=False)

    def _write(self, line: Mapping[str, Any], how: int) -> None:
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


def _read(path: Path) -> Played:
    """The round and its exchanges; what does not read is as if it had not been written."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return Played()
    except OSError as error:
        raise unreadable(error, path) from error
    found = Played()
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            break
        match said:
            case {"round": int(round), "attempt": int(attempt), "serial": int(serial), "sessions": dict(sessions)}:
                found = Played(round, attempt, serial, sessions)
            case {"given": True}:
                found.given = True
            case {"answered": list(names)} if all(isinstance(name, str) for name in names):
                found.exchanges.append(names)
            case _:
                break
    return found
