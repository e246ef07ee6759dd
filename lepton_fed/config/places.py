"""Places in a TOML file: the key path that leads there, the line where it stands, the type expected there.

    path ("departments", 1, "roles")   words departments[2].roles   line 17   type tuple[Literal[...], ...]

Paths count from 0 as Python does, words count from 1 as people do.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lepton_fed.translation import Sentence, joined, sentence, term, verbatim

Path = tuple[str | int, ...]


def words(path: Path) -> str:
    """The path as it is said: `departments[2].roles`."""
    said = ""
    for key in path:
        if isinstance(key, int):
            said += f"[{key + 1}]"
        else:
            said += ("." if said else "") + (key if _bare(key) else f'"{key}"')
    return said


def line_of(text: str, path: Path) -> int | None:
    """Line (from 1) of the statement that first defines `path`; the nearest table around it if it is missing.

    The first n lines of a TOML file are TOML too, unless they end inside a statement. So the statement that
    defines a path ends at the smallest n whose lines hold the path, and begins after the last n before it
    that parses: exact for inline tables, dotted keys and long lists, and no second parser to keep.
    """
    lines = text.split("\n")
    while path and not _holds(_parse(lines, len(lines)), path):
        path = path[:-1]
    if not path:
        return None
    low, high = 0, len(lines)  # the first `low` lines do not hold the path, the first `high` do
    while high - low > 1:
        middle = _complete(lines, (low + high) // 2, low)
        if middle == low:  # everything between is one statement
            above = range((low + high) // 2 + 1, high)
            middle = next((n for n in above if _parse(lines, n) is not None), high)
            if middle == high:
                break
        low, high = (low, middle) if _holds(_parse(lines, middle), path) else (middle, high)
    return low + 1


def type_at(kind: Any, path: Path) -> Any:
    """The type that settings of type `kind` expect at `path`; None where nothing may stand."""
    for key in path:
        kind = next((t for t in (_inside(branch, key) for branch in branches(kind)) if t is not None), None)
        if kind is None:
            return None
    return kind


def tables(kind: Any, path: Path = ()) -> Iterator[tuple[Path, type]]:
    """Every table of a file whose whole is `kind`, outermost first, with the keys that lead to it."""
    yield path, kind
    for key, wanted in fields(kind).items():
        for branch in branches(wanted):
            inner = get_args(branch)[0] if get_origin(branch) is tuple else branch
            if dataclasses.is_dataclass(inner):
                yield from tables(inner, (*path, key))


def fields(kind: Any) -> dict[str, Any]:
    """Keys of a table, or of one that may be left out, as TOML writes them, with their values' types."""
    found: dict[str, Any] = {}
    for table in filter(dataclasses.is_dataclass, branches(kind)):
        hints = get_type_hints(table)
        found |= {f.name.rstrip("_"): hints[f.name] for f in dataclasses.fields(table)}
    return found


def branches(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a union, None left out: what can be written in a file."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(b for a in get_args(kind) if a is not type(None) for b in branches(a))
    return (kind,)


def allowed(kind: Any) -> Sentence:
    """A type in words: `a list of 'source' or 'target'`."""
    return joined(" or ", dict.fromkeys(_said(branch) for branch in branches(kind)))


def literals(kind: Any) -> tuple[str, ...]:
    """The words that may be written where a type names them."""
    return tuple(str(w) for b in branches(kind) if get_origin(b) is Literal for w in get_args(b))


def _said(kind: Any) -> Sentence:
    plain = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Any: "any value"}
    if kind in plain:
        return term(plain[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        quoted = [f"'{w}'" for w in inner]
        return joined(" or ", filter(None, (joined(", ", map(verbatim, quoted[:-1])), verbatim(quoted[-1]))))
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return sentence("a list of {what}", what=_many(inner[0]))
        return sentence("a list of {count} values, each {what}", count=len(inner), what=allowed(inner[0]))
    if origin is dict:
        return term("a table") if inner[1] is Any else sentence("a table of {what}", what=_many(inner[1]))
    return term("a table")


def _many(kind: Any) -> Sentence:
    plural = {str: "texts", int: "whole numbers", float: "numbers"}
    if kind in plural:
        return term(plural[kind])
    return term("tables") if dataclasses.is_dataclass(kind) else allowed(kind)


def _inside(kind: Any, key: str | int) -> Any:
    """Type of the value under `key` in a value of type `kind`; None if there can be none."""
    if isinstance(key, str):
        if get_origin(kind) is dict:
            return get_args(kind)[1]
        return fields(kind).get(key)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return inner[0]
        return inner[key] if key < len(inner) else None
    return None


def _bare(key: str) -> bool:
    """Whether a key reads well without quotes; TOML would want them around 研发部门, people do not."""
    return key != "" and all(c.isalnum() or c in "_-" for c in key)


def _parse(lines: list[str], count: int) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines[:count]) + "\n")
    except (ValueError, RecursionError):
        return None


def _complete(lines: list[str], count: int, low: int) -> int:
    """The largest number of lines, at most `count`, that ends with a whole statement."""
    while count > low and _parse(lines, count) is None:
        count -= 1
    return count


def _holds(tree: Any, path: Path) -> bool:
    for key in path:
        if isinstance(key, int):
            if not isinstance(tree, list) or key >= len(tree):
                return False
        elif not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return tree is not None
