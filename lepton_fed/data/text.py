"""How values are compared as text: codes of a category, classes of a label, booleans, and a row filter.

A value is first compared as it is written, without blanks around it. Where that matches nothing, both sides
are brought to one form: `true` and `false` in any case read 1 and 0, and a whole number loses its decimals
(1.0 and 1.00 read 1). Nothing else is equal: "01" is not "1", "Yes" is not "yes". A number that was stored as
a number is written in its shortest decimal form, a boolean as True or False.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MISSING_MARKS = frozenset({"", "?", "na", "n/a", "<na>", "nan", "null", "none"})
"""Read as a missing value, in any case, unless the agreed list has them as a code of its own."""

MISSING = -1
UNKNOWN = -2

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0*")


def positions(column: pd.Series[Any], allowed: Sequence[str], *, fold: bool = False) -> np.ndarray:
    """Each value's place in `allowed`, else MISSING or UNKNOWN: (n,) int64. `fold` ignores case."""
    places = _places(allowed, fold)
    codes, different = _different(column)
    found = np.array([_place(written(value), places, fold) for value in different] + [MISSING], dtype=np.int64)
    return np.take(found, codes)


def texts(column: pd.Series[Any]) -> np.ndarray:
    """Each value as written, None where there is none: (n,) object."""
    codes, different = _different(column)
    return np.take(np.array([*(written(value) for value in different), None], dtype=object), codes)


def written(value: object) -> str:
    """One value as text."""
    if isinstance(value, np.floating):
        return str(np.format_float_positional(value, trim="-"))
    if isinstance(value, float):
        return str(np.format_float_positional(np.float64(value), trim="-"))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    return str(value).strip()


def one_form(text: str) -> str:
    """The form in which 1, 1.0 and True are equal."""
    folded = text.casefold()
    if folded in ("true", "false"):
        return "1" if folded == "true" else "0"
    whole = _WHOLE.fullmatch(text)
    shortened = whole[1] if whole else text
    return "0" if shortened == "-0" else shortened


def is_missing_mark(text: str) -> bool:
    return text.casefold() in MISSING_MARKS


def _different(column: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(where each cell's value stands, -1 for none; the different values), so that each is looked at once."""
    import pandas as pd

    cells = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    try:
        codes, different = pd.factorize(cells)
    except TypeError:
        # Lists in a cell cannot be told apart by pandas; as text they are in breach of whatever is asked.
        codes, different = pd.factorize(cells.map(written))
    return codes, np.asarray(different)


def _places(allowed: Sequence[str], fold: bool) -> dict[str, int]:
    """As written first, so that a list may hold both "1" and "1.0"; then in one form."""
    spelled = [text.strip().casefold() if fold else text.strip() for text in allowed]
    places = {text: place for place, text in reversed(list(enumerate(spelled)))}
    for place, text in enumerate(spelled):
        places.setdefault(one_form(text), place)
    return places


def _place(text: str, places: dict[str, int], fold: bool) -> int:
    text = text.casefold() if fold else text
    for form in (text, one_form(text)):
        if form in places:
            return places[form]
    return MISSING if is_missing_mark(text) else UNKNOWN
