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
        raise ConfigError(f"{path}: there is no such file; give the path of a {what}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; give the path of a {what}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{one_line(str(path))} cannot be read: {reason}") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"{path} is larger than {LARGEST_FILE // 2**20} MiB, so it is no {what}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8 text; save the file as UTF-8") from None


def read_tree(text: str, path: Path, kind: type, what: str) -> dict[str, Any]:
    """The text as TOML holds it: tables, lists, text, numbers, true and false."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: lists in lists go too deep to be read; a {what} needs few of them") from None
    except ValueError as error:
        raise ConfigError(_not_toml(str(error), text, path)) from None
    if not tree:
        known = ", ".join(f"[{key}]" for key in places.fields(kind))
        raise ConfigError(f"{path} is empty; a {what} is made of the tables {known}")
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


def complain(place: places.Path, sentence: str, text: str, path: Path, *, more: int = 0) -> NoReturn:
    """Raises ConfigError: file, line, sentence, and how many more sentences there would have been."""
    line = places.line_of(text, place)
    where = f"{path}" if line is None else f"{path}, line {line}"
    rest = f" (and {more} more)" if more else ""
    raise ConfigError(one_line(f"{where}: {sentence}{rest}"))


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _not_toml(message: str, text: str, path: Path) -> str:
    """tomllib's message with its place in front."""
    match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if match is not None:
        return one_line(f"{path}, line {match[2]}, column {match[3]}: this is not TOML: {_lower(match[1])}")
    if message.endswith(" (at end of document)"):
        end, last = message.removesuffix(" (at end of document)"), text.rstrip().count("\n") + 1
        return one_line(f"{path}, line {last}: this is not TOML: {_lower(end)}, and the file ends")
    return one_line(f"{path}: this is not TOML: {_lower(message)}")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _unwritable(tree: dict[str, Any]) -> tuple[places.Path, str] | None:
    """The first value that TOML can write and no setting can be, with the sentence about it."""
    todo: list[tuple[places.Path, Any]] = [((), tree)]
    while todo:
        place, value = todo.pop()
        sentence = _against(value)
        if len(place) > DEEPEST:
            outermost = f"tables in `{places.words(place[:1])}`"
            return place[:1], f"{outermost} go more than {DEEPEST} deep; write them flatter"
        if sentence is not None:
            return place, f"`{places.words(place)}` is {sentence}"
        todo.extend(reversed([((*place, key), inner) for key, inner in _entries(value)]))
    return None


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _against(value: Any) -> str | None:
    if isinstance(value, datetime.date | datetime.time):
        return "a date or time, which no setting is; write it as text, in quotes"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}, and must be a finite number"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a whole number of more than 64 bits; write a smaller one"
    return None
