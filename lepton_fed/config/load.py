"""A TOML file into frozen dataclasses; whatever is wrong becomes one sentence that names the line.

    bytes --read_text--> text --read_tree--> dict --validate--> Settings

Nothing is guessed: "3" is no number, 2.0 no whole number, true no 1, and an unknown key is an error.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from lepton_fed.config import places, wording
from lepton_fed.config.spelling import one_line
from lepton_fed.errors import ConfigError
from lepton_fed.translation import Making, again, joined, sentence, spelt, term

T = TypeVar("T")

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes. A longer file was not written by hand: somebody gave the data instead."""
DEEPEST = 32
"""Tables in tables. Deeper than any setting, shallower than where recursion ends."""


def load(path: Path, kind: type[T], *, what: str, secret: bool = False) -> T:
    """The file at `path` as `kind`, a dataclass of settings. Raises ConfigError, one sentence.

    `what` names such a file in sentences ("federation file"). With `secret`, sentences never show a value.
    """
    text = read_text(path, what)
    return validate(read_tree(text, path, kind, what), kind, text, path, secret=secret)


def read_text(path: Path, what: str) -> str:
    """The file's text, without a byte order mark."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        why = sentence("{path}: there is no such file; give the path of a {kind}", path=path, kind=term(what))
        raise ConfigError(why) from None
    except IsADirectoryError:
        raise ConfigError(
            sentence("{path} is a folder; give the path of a {kind}", path=path, kind=term(what))
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        why = sentence("{path} cannot be read: {reason}", path=one_line(str(path)), reason=term(reason))
        raise ConfigError(why) from None
    if len(raw) > LARGEST_FILE:
        most = LARGEST_FILE // 2**20
        raise ConfigError(
            sentence("{path} is larger than {most} MiB, so it is no {kind}", path=path, most=most, kind=term(what))
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        why = sentence("{path}, line {line}: this is not UTF-8 text; save the file as UTF-8", path=path, line=line)
        raise ConfigError(why) from None


def read_tree(text: str, path: Path, kind: type, what: str) -> dict[str, Any]:
    """The text as TOML holds it: tables, lists, text, numbers, true and false."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        why = sentence(
            "{path}: lists in lists go too deep to be read; a {kind} needs few of them", path=path, kind=term(what)
        )
        raise ConfigError(why) from None
    except ValueError as error:
        raise ConfigError(_not_toml(str(error), text, path)) from None
    if not tree:
        known = joined(", ", (f"[{key}]" for key in places.fields(kind)))
        raise ConfigError(
            sentence("{path} is empty; a {kind} is made of the tables {known}", path=path, kind=term(what), known=known)
        )
    problem = _unwritable(tree)
    if problem is not None:
        complain(*problem, text, path)
    return tree


def validate(tree: dict[str, Any], kind: type[T], text: str, path: Path, *, secret: bool = False) -> T:
    """The tree as `kind`; unknown keys, missing ones and wrong values raise ConfigError."""
    from pydantic import ValidationError

    # Strict JSON: the mode of pydantic that reads lists as tuples, tables as dataclasses and guesses nothing.
    document = json.dumps(tree, ensure_ascii=False)
    try:
        settings: T = _adapter(cast(Any, kind)).validate_json(document, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        found = wording.problems(error.errors(include_url=False), kind, tree, secret=secret)
        complain(*found[0], text, path, more=len(found) - 1)
    return settings


def complain(place: places.Path, problem: str, text: str, path: Path, *, more: int = 0) -> NoReturn:
    """Raises ConfigError: file, line, the sentence about the problem, and how many more there would have been."""
    line = places.line_of(text, place)
    where = str(path) if line is None else sentence("{path}, line {line}", path=path, line=line)
    if more:
        problem = sentence("{problem} (and {more} more)", problem=problem, more=more)
    raise ConfigError(spelt(sentence("{where}: {problem}", where=where, problem=problem), one_line))


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _not_toml(message: str, text: str, path: Path) -> str:
    """tomllib's message with its place in front."""
    match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if match is not None:
        said = sentence(
            "{path}, line {line}, column {column}: this is not TOML: {message}",
            path=path, line=match[2], column=match[3], message=_lower(match[1]),
        )  # fmt: skip
    elif message.endswith(" (at end of document)"):
        end, last = message.removesuffix(" (at end of document)"), text.rstrip().count("\n") + 1
        said = sentence(
            "{path}, line {line}: this is not TOML: {message}, and the file ends",
            path=path, line=last, message=_lower(end),
        )  # fmt: skip
    else:
        said = sentence("{path}: this is not TOML: {message}", path=path, message=_lower(message))
    return spelt(said, one_line)


_PARSERS: tuple[Making, ...] = (
    lambda value: sentence("illegal character {value}", value=value),
    lambda value: sentence("found invalid character {value}", value=value),
    lambda value: sentence("expected '{value}'", value=value),
    lambda value: sentence('expected "{value}"', value=value),
    lambda value: sentence("cannot mutate immutable namespace {value}", value=value),
    lambda value: sentence("cannot redefine namespace {value}", value=value),
    lambda value: sentence("cannot declare {value} twice", value=value),
    lambda value: sentence("duplicate inline table key {value}", value=value),
    term,
)
"""What tomllib says."""


def _lower(message: str) -> str:
    return again(message[:1].lower() + message[1:], _PARSERS)


def _unwritable(tree: dict[str, Any]) -> tuple[places.Path, str] | None:
    """The first value that TOML can write and no setting can be, with the sentence about it."""
    todo: list[tuple[places.Path, Any]] = [((), tree)]
    while todo:
        place, value = todo.pop()
        problem = _against(value)
        if len(place) > DEEPEST:
            outermost = places.words(place[:1])
            return place[:1], sentence(
                "tables in `{key}` go more than {most} deep; write them flatter", key=outermost, most=DEEPEST
            )
        if problem is not None:
            return place, sentence("`{key}` is {problem}", key=places.words(place), problem=problem)
        todo.extend(reversed([((*place, key), inner) for key, inner in _entries(value)]))
    return None


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _against(value: Any) -> str | None:
    if isinstance(value, datetime.date | datetime.time):
        return sentence("a date or time, which no setting is; write it as text, in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        return sentence("{value}, and must be a finite number", value=value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return sentence("a whole number of more than 64 bits; write a smaller one")
    return None
