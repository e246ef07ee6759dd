"""Ctrl-C falls into what a transaction does, never into how it begins or ends.

Python raises KeyboardInterrupt between any two instructions, also between those that give a lock back. SQLAlchemy and
SQLite's driver then leave a transaction open that nobody can end any more: the program's own next write finds the
database locked, and no later one can begin.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        self._came: list[int] = []

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
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._replaced[number] = handler
                signal.signal(number, self._on_signal)

    def _let_go(self) -> None:
        self._inside = True
        try:
            for number, handler in self._replaced.items():
                signal.signal(number, handler)
        finally:
            self._handle_what_came()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # The call of __exit__ has already begun, and would not be made again.
        leaving = frame is not None and frame.f_code is Undivided.__exit__.__code__
        if self._inside and not leaving:
            self._replaced[number](number, frame)
        else:
            self._came.append(number)

    def _handle_what_came(self) -> None:
        while self._came:
            number = self._came.pop()
            self._replaced[number](number, None)
