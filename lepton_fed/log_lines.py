"""What is written of a log record: texts without secrets, of bounded length, and of an exception no text.

    record --Content.line--> {time, level, logger, message, role, site, round, step, reason, error {id, type, places}}
           --Content.trace-> the whole traceback, for the file that stays here, under the same id

A library's exception may quote a row. So its type and the places that it came through are all that a line has of it,
also where it is an argument of the message; an error of ours, as an argument, is a sentence written for people.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from logging import LogRecord
from typing import Any, Literal, TypeAlias

from lepton_fed.errors import LeptonError
from lepton_fed.redaction import Redaction

Role = Literal["coordinator", "department"]
Line: TypeAlias = dict[str, Any]

EXTRAS = ("round", "step", "reason")
"""Fields that a caller may add by `extra=`."""

LONGEST, LONGEST_TRACE, DEEPEST = 4096, 256 * 1024, 32
"""Characters of one text of a line and of one traceback; places of one error, and causes. The middle is left out."""

_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Controls of a terminal, ends of lines and half characters."""


class Content:
    """What one party writes of a record."""

    def __init__(self, role: Role, site: str, redaction: Redaction) -> None:
        self._role, self._site, self._redaction = role, site, redaction

    def line(self, record: LogRecord) -> Line:
        """The fields of a record's line, in their order."""
        line: Line = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._text(message(record)),
            "role": self._role,
            "site": self._site,
        }
        for extra in EXTRAS:
            if (value := getattr(record, extra, None)) is not None:
                line[extra] = value if isinstance(value, int) else self._text(_shown(value))
        if (error := error_of(record)) is not None:
            line["error"] = {"id": error_id(record), **self._error(error)}
        return line

    def trace(self, record: LogRecord) -> str:
        """The whole traceback of the record's error, headed by its id; without secrets."""
        error = error_of(record)
        assert error is not None
        said = escaped(self._text(message(record)))
        trace = self._redaction.of("".join(traceback.format_exception(error)))
        head = f"==== {error_id(record)} {_time(record).isoformat()} {self._site} {record.name}: {said}"
        return f"{head}\n{shortened(trace, LONGEST_TRACE).rstrip()}\n"

    def _error(self, error: BaseException) -> Line:
        chain = [{"type": self._text(_kind(e)), "places": [self._text(p) for p in places(e)]} for e in causes(error)]
        return chain[0] | ({"causes": chain[1:]} if chain[1:] else {})

    def _text(self, text: str) -> str:
        # Struck out first: half of a secret is no longer known as one.
        return shortened(self._redaction.of(text), LONGEST)


class JsonLine(logging.Formatter):
    """One JSON object; Chinese stays, controls are escaped."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content

    def format(self, record: LogRecord) -> str:
        # All of these can only stand within a JSON string, where their escapes mean the same.
        return escaped(json.dumps(self._content.line(record), ensure_ascii=False))


class ShortLine(logging.Formatter):
    """A line for a person: local time, level unless it is INFO, sentence, what was added, type and id of an error."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content

    def format(self, record: LogRecord) -> str:
        line = self._content.line(record)
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        notes = [f"{extra} {line[extra]}" for extra in EXTRAS if extra in line]
        if error := line.get("error"):
            notes.append(f"{error['type']}; its traceback is number {error['id']}")
        said = f"{_time(record).astimezone():%H:%M:%S} {level}{line['message']}"
        return escaped(said + (f" ({', '.join(notes)})" if notes else ""))


class Trace(logging.Formatter):
    """The whole traceback."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content

    def format(self, record: LogRecord) -> str:
        return self._content.trace(record)


def message(record: LogRecord) -> str:
    """The record's sentence; an exception in it that is not ours is its type."""
    args = record.args
    if not args:
        return _shown(record.msg)
    told = {k: _told(v) for k, v in args.items()} if isinstance(args, Mapping) else tuple(map(_told, args))
    try:
        return _shown(record.msg) % told
    except Exception:
        # What was asked to be logged is wrong in itself: no reason to lose the rest, nor to end anything.
        return f"{_shown(record.msg)} (what belongs into it does not fit)"


def error_of(record: LogRecord) -> BaseException | None:
    """The exception that a record is about: the one it was given, or one in its sentence that is not just ours."""
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        return record.exc_info[1]
    args = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    extras = (getattr(record, extra, None) for extra in EXTRAS)
    return next((v for v in (record.msg, *args, *extras) if isinstance(v, BaseException) and _foreign(v)), None)


def error_id(record: LogRecord) -> str:
    """Eight hex digits, the same in everything that is written of a record."""
    return str(record.__dict__.setdefault("error_id", secrets.token_hex(4)))


def causes(error: BaseException) -> list[BaseException]:
    """The exception, what it was raised from, and so on."""
    chain = [error]
    while len(chain) < DEEPEST:
        last = chain[-1]
        before = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if before is None or before in chain:
            break
        chain.append(before)
    return chain


def places(error: BaseException) -> list[str]:
    """`file:line:function` of each frame that it came through, the outermost first."""
    found = [
        f"{_below_home(frame.f_code.co_filename)}:{line}:{frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    half = DEEPEST // 2
    return found if len(found) <= DEEPEST else [*found[:half], "…", *found[-half:]]


def shortened(text: str, longest: int) -> str:
    """The text, with what is over left out of its middle."""
    over, half = len(text) - longest, longest // 2
    return text if over <= 0 else f"{text[:half]} …({over} characters)… {text[-half:]}"


def escaped(text: str) -> str:
    r"""The text on one line and without controls: `\u001b` for the one with which terminals are steered."""
    return _NOT_SHOWN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _told(value: object) -> object:
    return _shown(value) if isinstance(value, BaseException) else value


def _shown(value: object) -> str:
    """Text of a value; of an exception that is not ours, its type."""
    return _kind(value) if isinstance(value, BaseException) and not isinstance(value, LeptonError) else str(value)


def _foreign(error: BaseException) -> bool:
    return not all(isinstance(part, LeptonError) for part in causes(error))


def _kind(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _below_home(file: str) -> str:
    """Where a file is below the folder that it is imported from."""
    homes = [home for home in sys.path if home and file.startswith(home.rstrip(os.sep) + os.sep)]
    return os.path.relpath(file, max(homes, key=len)) if homes else file


def _time(record: LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
