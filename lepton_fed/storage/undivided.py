"""Ctrl-C falls into what a transaction does, never into how it begins or ends.

Python raises KeyboardInterrupt between any two instructions, also between those that give a lock back. SQLAlchemy and
SQLite's driver then leave a transaction open that nobody can end any more: the program's own next write finds the
database locked, and no later one can begin.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any]

SECOND_THOUGHT = 1.0
"""Seconds after which another signal of the kind is not held back any more: whoever sends it will not wait."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Undivided(Generic[T]):
    """A context manager around another one, whose `__enter__` and `__exit__` signals wait for.

    A signal that comes meanwhile is handled as soon as the other one has begun, whose block is then left at once, or
    has ended. Inside of the block signals are handled when they come. Python handles signals in the main thread;
    in others this changes nothing.
    """

    def __init__(self, inner: AbstractContextManager[T]) -> None:
        self._inner = inner
        self._replaced: dict[int, Handler] = {}
        self._inside = False
        self._came: dict[int, float] = {}

    def __enter__(self) -> T:
        begun = False
        try:
            self._hold()
            value = self._inner.__enter__()
            begun = True
            self._inside = True
            self._handle_what_came()
        except BaseException as error:
            self._inside = False
            try:
                if begun:
                    self._inner.__exit__(type(error), error, error.__traceback__)
            finally:
                self._let_go()
            raise
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._inside = False
        try:
            return self._inner.__exit__(kind, error, trace)
        finally:
            self._let_go()

    def _hold(self) -> None:
        if not _in_main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._replaced[number] = handler
                signal.signal(number, self._on_signal)

    def _let_go(self) -> None:
        try:
            if _in_main_thread():  # Elsewhere nobody can; what stays hands the signals on.
                for number, handler in self._replaced.items():
                    signal.signal(number, handler)
        finally:
            self._inside = True
            self._handle_what_came()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # The call of __exit__ has already begun, and would not be made again.
        leaving = frame is not None and frame.f_code is Undivided.__exit__.__code__
        now = time.monotonic()
        insists = now - self._came.get(number, now) > SECOND_THOUGHT
        if insists or (self._inside and not leaving):
            self._replaced[number](number, frame)
        else:
            self._came.setdefault(number, now)

    def _handle_what_came(self) -> None:
        if self._came:
            number = next(iter(self._came))
            del self._came[number]
            try:
                self._replaced[number](number, None)
            finally:
                self._handle_what_came()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
