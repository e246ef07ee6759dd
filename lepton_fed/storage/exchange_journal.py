"""Who answered in each exchange of the round under way, so that a coordinator that was killed plays it the same again.

    exchanges.jsonl     {"round": 7, "attempt": 0, "membership": "a0...", "sessions": {"A": "9f...", ...}}
                        {"answered": ["A", "B", "D"], "said": {"A": "bWFza2Vk...", ...}}     one line per exchange over
                        {"given": true}                   before departments are asked for what they give only once

Departments give the same answer to the same question. What a round came to depends on who answered in time, too, and
that only the coordinator knew. Who is killed together with the coordinator cannot say again what it said; so what is
sealed or masked, and not long, is here as well, and nothing that could be read.

What a killed process left of a line does not count, and the next line takes its place.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import unreadable, unwritable


@dataclass
class Exchange:
    """An exchange that is over. `said`: by department, in base64."""

    answered: list[str]
    said: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        return {"answered": self.answered, "said": self.said}


@dataclass
class Played:
    """What is known of a round. `attempt`: of its first secure attempt; `sessions`: processes of departments then;
    `membership`: as the administrator signed it, in hex; `given`: whether departments may have given what they give
    only once.
    """

    round: int = 0
    attempt: int = 0
    membership: str = ""
    sessions: dict[str, str] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    given: bool = False

    @property
    def head(self) -> dict[str, Any]:
        return {"round": self.round, "attempt": self.attempt, "membership": self.membership, "sessions": self.sessions}


class ExchangeJournal:
    """The journal in one file, of one process at a time."""

    def __init__(self, path: Path) -> None:
        """StorageError if the file cannot be read."""
        self._path = Path(path)
        self._known, self._size = _read(self._path)
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

    def head(self, membership: str, sessions: Mapping[str, str], attempt: int = 0) -> None:
        """A round, or further attempts at it, begin with this membership and these processes; the rest is forgotten."""
        self._known = Played(self._known.round, attempt, membership, dict(sessions))
        self._rewrite()

    @property
    def replaying(self) -> bool:
        """Whether the next exchange was played before."""
        return self._place < len(self._known.exchanges)

    def due(self) -> frozenset[str] | None:
        """Who answered in the next exchange when it was played before; None if it was not."""
        return frozenset(self._known.exchanges[self._place].answered) if self.replaying else None

    def said(self) -> dict[str, bytes]:
        """What was kept of the answers to the next exchange, where it was played before."""
        if not self.replaying:
            return {}
        return {name: b64decode(text) for name, text in self._known.exchanges[self._place].said.items()}

    def gives(self) -> None:
        """The next exchange asks departments for what they give only once."""
        if not self._known.given:
            self._known.given = True
            self._write({"given": True})

    def over(self, answered: list[str], said: Mapping[str, bytes] | None = None) -> None:
        """The exchange is over; these have answered. `said`: answers to keep, sealed or masked."""
        if not self.replaying:
            kept = {name: b64encode(raw).decode() for name, raw in (said or {}).items()}
            self._known.exchanges.append(Exchange(answered, kept))
            self._write(self._known.exchanges[-1].line)
        self._place += 1

    def undo(self) -> None:
        """The last exchange did not bring enough; nobody was told so, and it may be played once more."""
        self._known.exchanges = self._known.exchanges[: max(0, self._place - 1)]
        self._rewrite()

    def _rewrite(self) -> None:
        """All that is known, in the place of what was written; the round is played from its beginning."""
        known, self._place = self._known, 0
        lines = [known.head, *([{"given": True}] if known.given else []), *(one.line for one in known.exchanges)]
        content = b"".join(map(_encoded, lines))
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            part.unlink(missing_ok=True)
            part.touch(0o600, exist_ok=False)
            part.write_bytes(content)
            part.replace(self._path)
        except OSError as error:
            raise unwritable(error, self._path) from error
        self._size = len(content)

    def _write(self, line: Mapping[str, Any]) -> None:
        """Writes a line after those that count."""
        content = _encoded(line)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.ftruncate(descriptor, self._size)
                written = os.pwrite(descriptor, content, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unwritable(error, self._path) from error
        if written != len(content):
            raise StorageError(f"{self._path} cannot be written: its disk is full; free some space")
        self._size += written


def _encoded(line: Mapping[str, Any]) -> bytes:
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> tuple[Played, int]:
    """The round and its exchanges, and how many bytes say so; the rest is as if it had not been written."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Played(), 0
    except OSError as error:
        raise unreadable(error, path) from error
    found, size = Played(), 0
    for line in content.splitlines(keepends=True):
        after = _after(found, line) if line.endswith(b"\n") else None
        if after is None:
            break
        found, size = after, size + len(line)
    return found, size


def _after(known: Played, line: bytes) -> Played | None:
    """What is known with one more line; None if the line is none of ours."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    match said:
        case {"round": int(round), "attempt": int(attempt), "membership": str(by), "sessions": dict(sessions)}:
            return Played(round, attempt, by, sessions)
        case {"given": True}:
            return replace(known, given=True)
        case {"answered": list(names), "said": dict(kept)}:
            return replace(known, exchanges=[*known.exchanges, Exchange(names, kept)])
    return None
