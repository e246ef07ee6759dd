"""Markdown as HTML that can do no harm: written without HTML of its own, and then cleaned of whatever is not known.

Tables, task lists and links as GitHub has them. Links to other places say nothing of where they were followed from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

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
        "img",
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
    "img": {"src", "alt", "title"},
    "input": {"type", "checked", "disabled"},
    "li": {"class"},
    "ul": {"class"},
    "ol": {"start", "class"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
}
_CLASSES = {"task-list-item", "contains-task-list"}


def rendered(text: str) -> str:
    """The text as HTML."""
    import nh3

    return nh3.clean(
        _writer().render(text),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


@lru_cache(maxsize=1)
def _writer() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.tasklists import tasklists_plugin

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.use(tasklists_plugin, label=True)
    made.core.ruler.push("below_the_title", _below_the_title)
    return made


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
    if (tag, attribute) == ("img", "src"):
        # A picture from elsewhere would tell elsewhere who reads this, and when.
        return value if value.startswith("/") and not value.startswith("//") else None
    return value
