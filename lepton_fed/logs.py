"""Where a deployed process writes down what happens: each record once as a line, each error once as a whole.

    record --stream-------> one line of JSON, or a short one for a person at a terminal
           --log.jsonl----> one line of JSON                                  mode 600, bounded
           --errors.log---> the traceback, by the id that the line has        mode 600, bounded, never sent anywhere

What a line holds, and what it never does, is in `log_lines`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TextIO

from lepton_fed.errors import LeptonError
from lepton_fed.log_lines import Content, JsonLine, Role, ShortLine, Trace, error_of
from lepton_fed.redaction import Redaction
from lepton_fed.storage.atomic import unwritable

LOG, ERRORS = "log.jsonl", "errors.log"

LARGEST, KEPT = 8 * 1024 * 1024, 4
"""Bytes of a file before it is put aside as `log.jsonl.1`, and how many of those are kept."""

OWN = ("lepton_fed", "clients", "server")
"""Loggers whose level is the one asked for; of all others, warnings and worse."""

LOUD = ("flwr", "flwr-telemetry")
"""Loggers that get handlers of their own when Flower is imported, be that before `configure` or after."""

_log = logging.getLogger("lepton_fed.logs")


def configure(
    role: Role,
    name: str,
    *,
    folder: Path,
    stream: TextIO | None = None,
    level: int = logging.INFO,
    secrets: Iterable[bytes | str] = (),
) -> Logs:
    """Write this process's log from now on, to `stream` (default: stderr) and to two files in `folder`.

    `name`: the department, or what the coordinator is called. `secrets`: struck out of all that is written, should
    one ever get there; ValueError for one that is too short for that. StorageError if the files cannot be written.
    Close what is returned to leave every logger as it was.
    """
    content = Content(role, name, Redaction(secrets))
    return Logs(_handlers(content, folder, stream or sys.stderr, level), level)


class Logs:
    """The log of this process while it is open; one at a time. In a `with`, an error that ends it is written down."""

    def __init__(self, handlers: list[logging.Handler], level: int) -> None:
        self._handlers = handlers
        self._levels = {logger: logger.level for logger in map(logging.getLogger, (*OWN, *LOUD, ""))}
        self._disarmed = {logging.getLogger(name): Disarm() for name in LOUD}
        for handler in handlers:
            logging.getLogger().addHandler(handler)
        for logger in self._levels:
            logger.setLevel(level if logger.name in OWN else max(level, logging.WARNING))
        for logger, disarm in self._disarmed.items():
            disarm.take(logger)
            logger.addFilter(disarm)
        self._hook, threading.excepthook = threading.excepthook, _ended

    def close(self) -> None:
        """Leave every logger as it was found; the files stay."""
        handlers, self._handlers = self._handlers, []
        if not handlers:
            return
        threading.excepthook = self._hook
        for logger, disarm in self._disarmed.items():
            logger.removeFilter(disarm)
            disarm.give_back(logger)
        for logger, level in self._levels.items():
            logger.setLevel(level)
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error of ours is told to whoever started the process.
        if isinstance(error, Exception) and not isinstance(error, LeptonError):
            _log.critical("the process ends by an error that nobody expected", exc_info=error)
        self.close()


def _ended(args: threading.ExceptHookArgs) -> None:
    """Python by itself would write the text of a thread's exception to stderr."""
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else ""
        _log.critical("the thread %s has ended: %s", name, args.exc_value, exc_info=args.exc_value)


def _handlers(content: Content, folder: Path, stream: TextIO, level: int) -> list[logging.Handler]:
    """Of the stream and of both files, the files open."""
    screen = Screen(stream)
    screen.setFormatter(ShortLine(content) if stream.isatty() else JsonLine(content))
    log = PrivateFile.opened(folder / LOG, JsonLine(content))
    try:
        errors = PrivateFile.opened(folder / ERRORS, Trace(content))
    except BaseException:
        log.close()
        raise
    errors.addFilter(lambda record: error_of(record) is not None)
    for handler in (screen, log, errors):
        handler.addFilter(Threshold(level))
    return [screen, log, errors]


class Screen(logging.StreamHandler[TextIO]):
    """A stream that nobody may be reading any more."""

    def handleError(self, record: LogRecord) -> None:  # noqa: N802
        """Nothing: Python would write the record as it was given, with the secrets in it."""


class PrivateFile(RotatingFileHandler):
    """A file of mode 600, put aside when it is full. Where it cannot be written, stderr is told once; work goes on."""

    _complained = False

    @classmethod
    def opened(cls, path: Path, formatter: logging.Formatter) -> Self:
        """StorageError if it cannot be written."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = cls(path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise unwritable(error, path) from error
        made.setFormatter(formatter)
        return made

    def _open(self) -> IO[Any]:  # type: ignore[override]
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_private)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802
        """One sentence, once; never the record, which may hold what its line would not."""
        error = sys.exc_info()[1]
        if not self._complained:
            self._complained = True
            told = unwritable(error, Path(self.baseFilename)) if isinstance(error, OSError) else type(error).__name__
            with suppress(OSError, ValueError):
                sys.stderr.write(f"the log has gaps from now on: {told}\n")


def _private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Threshold(logging.Filter):
    """The level asked for where a record is ours, warnings elsewhere: libraries set the levels of their loggers."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: LogRecord) -> bool:
        own = record.name.partition(".")[0] in OWN
        return record.levelno >= (self._level if own else max(self._level, logging.WARNING))


class Disarm(logging.Filter):
    """Takes a logger's own handlers away, also those that it gets later, before any of them is asked to write."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: list[logging.Handler] = []

    def filter(self, record: LogRecord) -> bool:
        self.take(logging.getLogger(record.name))
        return True

    def take(self, logger: logging.Logger) -> None:
        self._taken += logger.handlers
        logger.handlers.clear()

    def give_back(self, logger: logging.Logger) -> None:
        for handler in self._taken:
            logger.addHandler(handler)
