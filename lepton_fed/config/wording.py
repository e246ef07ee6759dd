"""Pydantic's list of errors in the words of the file: which key, what was found, what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from lepton_fed.config import places
from lepton_fed.config.spelling import hinted, nearest
from lepton_fed.translation import joined, said_by, sentence, term

UNKNOWN = "unexpected_keyword_argument"

Problem = tuple[places.Path, str]
"""Where in the file, and the sentence about it."""


def problems(errors: Sequence[Any], kind: type, tree: dict[str, Any], *, secret: bool) -> list[Problem]:
    """One sentence per place. Unknown keys come first: a misspelt key is why another is missing."""
    found: dict[places.Path, Any] = {}
    for error in errors:
        found.setdefault(_path(error["loc"], tree, error["type"]), error)
    # A value that fits no alternative of a union fails each of them; the one that got furthest was meant.
    kept = {p: e for p, e in found.items() if not any(len(q) > len(p) and q[: len(p)] == p for q in found)}
    order = sorted(kept, key=lambda p: kept[p]["type"] != UNKNOWN)
    meant = {_meant(p, kind) for p in order if kept[p]["type"] == UNKNOWN}
    told = [p for p in order if kept[p]["type"] != "missing" or p not in meant]
    return [(_spot(p, kept[p]), _sentence(p, kept[p], kind, secret)) for p in told]


def found(value: Any) -> str:
    """A value as the file writes it, shortened; tables and lists by their kind."""
    if isinstance(value, dict):
        return term("a table")
    if isinstance(value, list):
        return term("a list" if value else "an empty list")
    if isinstance(value, str) and len(value) > 40:
        value = value[:40] + "…"
    return json.dumps(value, ensure_ascii=False)


def _path(loc: Iterable[str | int], tree: Any, kind: str) -> places.Path:
    """Pydantic's location without the names of union branches, which are no keys of the file."""
    loc = tuple(loc)
    path: places.Path = ()
    for position, key in enumerate(loc):
        inside = (isinstance(tree, dict) and key in tree) or (
            isinstance(tree, list) and isinstance(key, int) and key < len(tree)
        )
        if inside:
            path, tree = (*path, key), tree[key]
        elif kind == "missing" and position == len(loc) - 1:
            path = (*path, key)
    return path


def _meant(place: places.Path, kind: type) -> places.Path:
    """The place that an unknown key was probably meant for."""
    *around, key = place
    near = nearest(str(key), places.fields(places.type_at(kind, tuple(around))))
    return (*around, key if near is None else near)


def _spot(place: places.Path, error: Any) -> places.Path:
    """Where to look: of a table that contradicts itself, the first key that the sentence about it names."""
    if error["type"] != "value_error" or not isinstance(error["input"], dict):
        return place
    said = re.findall(r"\w+", str(error["ctx"]["error"]))
    named = [word for word in said if word in error["input"]]
    return (*place, named[0]) if named else place


def _sentence(place: places.Path, error: Any, kind: type, secret: bool) -> str:
    said = places.words(place)
    match error["type"]:
        case "unexpected_keyword_argument":
            return _unknown(place, kind)
        case "missing":
            wanted = places.allowed(places.type_at(kind, place))
            return sentence("{key} is missing; it must be {wanted}", key=_required(place, kind), wanted=wanted)
        case "value_error":
            problem = said_by(error["ctx"]["error"])
            named = not place or problem.startswith(str(place[0]))
            return problem if named else sentence("{key}: {problem}", key=said, problem=problem)
    wanted = places.type_at(kind, place)
    if wanted is None:
        return sentence("`{key}` cannot be read: {problem}", key=said, problem=error["msg"])
    value = error["input"]
    shown = term("not of the right type") if secret else found(value)
    problem = sentence("`{key}` is {shown}, and must be {wanted}", key=said, shown=shown, wanted=places.allowed(wanted))
    return hinted(problem, value, places.literals(wanted)) if isinstance(value, str) and not secret else problem


def _required(place: places.Path, kind: type) -> str:
    """A missing key, written as a table's header where it is one."""
    allowed = places.allowed(places.type_at(kind, place))
    said = places.words(place)
    return {"a table": f"[{said}]", "a list of tables": f"[[{said}]]"}.get(allowed, f"`{said}`")


def _unknown(place: places.Path, kind: type) -> str:
    *around, key = place
    valid = places.fields(places.type_at(kind, tuple(around)))
    near = nearest(str(key), valid)
    said = places.words(place)
    if near is not None:
        return sentence("unknown key `{key}`; did you mean `{near}`?", key=said, near=near)
    tables = ((table, inner) for table, inner in places.tables(kind) if table)
    homes = [places.words(table) for table, inner in tables if key in places.fields(inner)]
    if homes and len(homes) <= 2:
        listed = joined(" or ", (f"[{home}]" for home in homes))
        return sentence("unknown key `{key}`; `{last}` belongs to {homes}", key=said, last=key, homes=listed)
    here = f"[{places.words(tuple(around))}]" if around else term("a file")
    return sentence("unknown key `{key}`; {here} may hold {valid}", key=said, here=here, valid=joined(", ", valid))
