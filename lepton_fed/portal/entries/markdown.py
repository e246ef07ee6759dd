"""Markdown as HTML that can do no harm: written without HTML of its own, and then cleaned of whatever is not known.

Tables, task lists and links as GitHub has them. Links to other places say nothing of where they were followed from.
There are no pictures: nothing can be put here for them to show, one from elsewhere would tell elsewhere who reads this
and when, and one with the path of an entry would open that entry in the name of whoever looks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from lepton_fed.portal.entries import anchors, references

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

_TAGS = frozenset(
    [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "input",
        "label",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "input": {"type", "checked", "disabled"},
    "li": {"class"},
    "ul": {"class"},
    "ol": {"start", "class"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
} | {f"h{level}": {"id"} for level in range(2, 7)}
MOST_CELLS = 30_000
"""Of a text's tables; with more they are shown as they were written. A thousand columns need but a letter for a row."""

_TASK = re.compile(r"\[([ xX])\] ")
_CLASSES = {"task-list-item", "contains-task-list"}


LONGEST_KEPT = 20_000
"""Characters of a text whose HTML is kept for the next reader; 256 of them may be."""


def rendered(text: str, naming: references.Naming = references.plainly) -> str:
    """The text as HTML. `naming`: what runs, models and entities that it speaks of are called for whoever looks."""
    if len(text) <= LONGEST_KEPT and "[[" not in text:
        return _rendered_once(text)
    return _rendered(text, naming)


@lru_cache(maxsize=256)
def _rendered_once(text: str) -> str:
    """Of a text that speaks of nothing whose name depends on who looks."""
    return _rendered(text, references.plainly)


def _rendered(text: str, naming: references.Naming) -> str:
    import nh3

    return nh3.clean(
        _writer(tables=cells(text) <= MOST_CELLS).render(text, {"naming": naming}),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def tokens(text: str) -> list[Token]:
    """The text's parts, with links and headings as they were written."""
    return _reader().parse(text)


def cells(text: str) -> int:
    """As many as its tables can have at most: a row has as many as the first one, however little is written in it."""
    blocks = (block.split("\n") for block in text.split("\n\n"))
    return sum(len(lines) * max(line.count("|") for line in lines) for lines in blocks)


@lru_cache(maxsize=2)
def _writer(*, tables: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable("image")
    if tables:
        made.enable("table")
    made.core.ruler.push("tasks", _tasks)
    made.core.ruler.push("below_the_title", _below_the_title)
    made.core.ruler.push("place_headings", anchors.place_headings)
    made.inline.ruler.before("link", "reference", references.write_reference)
    return made


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    """Reads what links there are and where they could lead to."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).disable("image")
    made.inline.ruler.before("link", "reference", references.write_reference)
    return made


def _tasks(state: StateCore) -> None:
    """`[ ]` and `[x]` at the beginning of a list's item are boxes: one look at each token, however long the list is."""
    from markdown_it.token import Token

    lists: list[Token] = []
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type in ("bullet_list_open", "ordered_list_open"):
            lists.append(item)
        elif item.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif item.type == "list_item_open" and paragraph.type == "paragraph_open" and inline.children:
            first = inline.children[0]
            found = _TASK.match(first.content)
            if found is None:
                continue
            box = f'<label><input type="checkbox" disabled{" checked" * (found[1] != " ")}> '
            first.content = first.content[found.end() :]
            before, after = (Token("html_inline", "", 0, content=html) for html in (box, "</label>"))
            inline.children = [before, *inline.children, after]
            item.attrSet("class", "task-list-item")
            lists[-1].attrSet("class", "contains-task-list")


def _below_the_title(state: StateCore) -> None:
    """A text's headings are one level lower than it says: the page's first is the entry's title."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        kept = [one for one in value.split() if one in _CLASSES or (tag == "code" and one.startswith("language-"))]
        return " ".join(kept) or None
    if (tag, attribute) == ("input", "type"):
        return value if value == "checkbox" else None
    return value
