"""What a person sees while a pipeline runs: lines, and on a terminal below them what is being done; both on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Self


class Screen:
    """`say` a line, `show` which steps are under way."""

    def __init__(self) -> None:
        self._console: Any = None
        self._status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, markup=False)
            self._status = self._console.status("beginning")

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._console is not None:
            self._console.print(line)
        else:
            print(line, file=sys.stderr, flush=True)

    @property
    def show(self) -> Callable[[Collection[str]], None] | None:
        """Takes the names of the steps under way; None where nobody watches."""
        return None if self._status is None else self._shown

    def _shown(self, steps: Collection[str]) -> None:
        from rich.text import Text

        # A description may hold what rich takes for markup.
        self._status.update(Text("  ".join(name.replace("/", " ", 1) for name in steps) or "waiting"))

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
