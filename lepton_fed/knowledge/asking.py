"""Asks the index a question on behalf of an asker, within bounds; the answer holds nothing that he may not read.

    question ──require_question──► a view of the sorts that the asker may read ──► a process of its own ──► Answer

The process stays for further questions and is ended when one takes too long.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lepton_fed.errors import DataError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.answering import READY
from lepton_fed.knowledge.facts import Literal
from lepton_fed.knowledge.index import Index
from lepton_fed.knowledge.questions import require_question
from lepton_fed.knowledge.sorts import Sort
from lepton_fed.knowledge.views import ViewGone, view

_STARTING = 120.0
"""Seconds for a process to start, on a machine that has much else to do."""

Term = str | Literal | None
"""An entity, relation or type by its name; a literal; None where a column of an answer is empty."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one question may take: seconds, rows and characters of the answer, bytes of memory."""

    seconds: float = 30.0
    rows: int = 1000
    characters: int = 1_000_000
    memory: int = 2 << 30

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 3600 or not 0 < self.rows <= 1_000_000:
            raise DataError("a question may take up to 3600 seconds and a million rows, and more than 0 of both")


@dataclass(frozen=True)
class Answer:
    """Rows under their columns. `more`: the bounds were reached, and there would have been more rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Term, ...], ...]
    more: bool = False


class Questioner:
    """Asks one index. Close it, or use it in a `with`."""

    def __init__(self, index: Index, bounds: Bounds | None = None) -> None:
        self.index = index
        self.bounds = bounds or Bounds()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: str, readable: Iterable[Sort]) -> Answer:
        """The answer to SPARQL out of those sorts alone; DataError for what cannot be asked or takes too much.

        ViewGone where the index cannot be read, as where another process replaces it meanwhile.
        """
        require_question(question)
        seen = view(self.index, readable)
        asked = {
            "question": question,
            "store": str(seen.store),
            "state": str(self.index.state),
            "graphs": seen.graphs,
            "rows": self.bounds.rows,
            "characters": self.bounds.characters,
        }
        said = self._said(json.dumps(asked, ensure_ascii=False).encode() + b"\n")
        if "wrong" in said:
            raise DataError(f"the question is no SPARQL that can be answered: {' '.join(said['wrong'].split())[:300]}")
        if "large" in said:
            raise self._too_large()
        if "gone" in said:
            self.close()  # It keeps stores open that are not there any more.
            raise ViewGone(self.index.folder, said["gone"])
        rows = tuple(tuple(_term(one) for one in row) for row in said["rows"])
        return Answer(tuple(said["columns"]), rows, said["more"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _said(self, line: bytes) -> dict[str, Any]:
        try:
            process = self._process or self._started()
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()
            answer = self._line(process, self.bounds.seconds)
        except BrokenPipeError:
            answer = b""
        except BaseException:
            self.close()
            raise
        if not answer.endswith(b"\n"):
            # What takes more memory than it may ends the process without another word.
            self.close()
            raise self._too_large()
        said: dict[str, Any] = json.loads(answer)
        return said

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """What the process writes up to the end of a line, or to its own end; DataError when the time is over."""
        assert process.stdout is not None
        until = time.monotonic() + seconds
        parts: list[bytes] = []
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            while not parts or not parts[-1].endswith(b"\n"):
                left = until - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    raise DataError(
                        f"the question took longer than {seconds:g} seconds and was ended; "
                        "ask for less, or give it more time"
                    )
                part = os.read(process.stdout.fileno(), 1 << 16)
                if not part:
                    break
                parts.append(part)
        return b"".join(parts)

    def _started(self) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", "lepton_fed.knowledge.answering"]
        self._process = subprocess.Popen(
            [*module, str(self.bounds.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_environment(), "PYTHONUTF8": "1"},
        )
        if self._line(self._process, _STARTING) != f"{READY}\n".encode():
            self.close()
            raise DataError("the process that answers questions did not start; is there memory for one more?")
        return self._process

    def _too_large(self) -> DataError:
        return DataError(
            f"the question took more than {self.bounds.memory >> 20} MiB of memory and was ended; ask for less"
        )


def _environment() -> dict[str, str]:
    """What Python needs to start, and no secret that a person's environment may hold."""
    return {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR") if key in os.environ}


def _term(said: list[str] | None) -> Term:
    if said is None:
        return None
    if len(said) == 1:
        return iris.name(said[0])
    text, datatype, *language = said
    return iris.literal(text, datatype, language[0] if language else "")
