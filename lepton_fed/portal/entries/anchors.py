"""Where links in a text lead, and its headings as places to lead to: `## 步骤 一` is reached by `#步骤-一`.

A heading's name on the page begins with `text-`, so that no text can take the name of a part of the portal's own page;
links to headings are turned towards these names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

PREFIX = "text-"
_SIGNS = re.compile(r"[^\w\- ]")
_PLACE = re.compile(r"(/entries/\d+)?#(.+)", re.DOTALL)


def place_headings(state: StateCore) -> None:
    """Headings have names, and links lead to them."""
    for token, name in _named(state.tokens):
        token.attrSet("id", PREFIX + name)
    for link in _links(state.tokens):
        found = _PLACE.fullmatch(str(link.attrGet("href") or ""))
        if found is not None:
            link.attrSet("href", f"{found[1] or ''}#{PREFIX}{found[2]}")


def anchors(tokens: Sequence[Token]) -> frozenset[str]:
    """The names of a text's headings, without the prefix."""
    return frozenset(name for _, name in _named(tokens))


def targets(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Where its links lead, each once, in their order, as they were written."""
    found = (unquote(str(link.attrGet("href") or "")) for link in _links(tokens))
    return tuple(dict.fromkeys(found))


def _named(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Each heading with its name; of several that are alike, all but the first have a number."""
    counts: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            said = "".join(one.content for one in inline.children or () if one.type in ("text", "code_inline"))
            name = _SIGNS.sub("", said.strip().lower()).replace(" ", "-")
            count = counts.get(name, 0)
            counts[name] = count + 1
            yield token, f"{name}-{count}" if count else name


def _links(tokens: Sequence[Token]) -> Iterator[Token]:
    return (one for token in tokens for one in token.children or () if one.type == "link_open")
