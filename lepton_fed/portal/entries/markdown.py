"""Markdown as HTML that can do no harm: written without HTML of its own, and then cleaned of whatever is not known.

Tables, task lists and links as GitHub has them. Links to other places say nothing of where they were followed from.
Pictures and recordings are those of the entry itself, by the names of its attachments: `![what](attachment:name)` shows
one and `[words](attachment:name)` leads to it. There are no others: one from elsewhere would tell elsewhere who reads
this and when, and one with the path of an entry would open that entry in the name of whoever looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lepton_fed.portal.attachments.attached import SCHEME, Attachment
from lepton_fed.portal.entries import anchors, references

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

_TAGS = frozenset(
    [
        "a",
        "audio",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
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
        "video",
    ]
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "loading"},
    "video": {"src", "aria-label", "controls", "preload"},
    "audio": {"src", "aria-label", "controls", "preload"},
    "input": {"type", "checked", "disabled"},
    "li": {"class"},
    "ul": {"class"},
    "ol": {"start", "class"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
    "div": {"class", "tabindex"},
} | {f"h{level}": {"id"} for level in range(2, 7)}
MOST_WORK = 120_000
"""To read a text, as `work` counts it: half a second of a processor. With more it is shown as it was written."""

MOST_BRACKETS = 5_000
"""Of a text that open something; with more of them none is a link. A text of nothing else took ten seconds to read."""

_LINE, _BRACKET, _EMPHASIS, _CELL = 12, 10, 4, 4
"""What they cost, measured beside a sign that Markdown only looks at; a line, where it is the next of nested quotes."""

_EMPHASISING, _SIGNS = "*_~", "!#$%&+-:<=>@\\]^`{}"

_TASK = re.compile(r"\[([ xX])\] ")
_CLASSES = {"task-list-item", "contains-task-list", "scroll"}
_OWN = re.compile(r"/entries/[0-9]+/attachments/[0-9]+")


LONGEST_KEPT = 20_000
"""Characters of a text whose HTML is kept for the next reader; 256 of them may be."""


def rendered(
    text: str,
    naming: references.Naming = references.plainly,
    attachments: Mapping[str, Attachment] | None = None,
) -> str:
    """The text as HTML. `naming`: what runs, models and entities that it speaks of are called for whoever looks.

    `attachments`: those that it may show and lead to, by their names.
    """
    if len(text) <= LONGEST_KEPT and "[[" not in text and SCHEME not in text:
        return _rendered_once(text)
    return _rendered(text, naming, attachments or {})


@lru_cache(maxsize=256)
def _rendered_once(text: str) -> str:
    """Of a text that speaks of nothing whose name depends on who looks."""
    return _rendered(text, references.plainly, {})


def _rendered(text: str, naming: references.Naming, attachments: Mapping[str, Attachment]) -> str:
    import nh3

    if is_plain(text):
        return f"<pre>{escape(text)}</pre>"
    tables = work(text) + _CELL * cells(text) <= MOST_WORK
    return nh3.clean(
        _writer(tables=tables, links=_links(text)).render(text, {"naming": naming, "attachments": attachments}),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def tokens(text: str) -> list[Token]:
    """The text's parts, with links and headings as they were written; none of a text that is shown plainly."""
    return [] if is_plain(text) else _reader(links=_links(text)).parse(text)


def is_plain(text: str) -> bool:
    """Whether it is shown as it was written, without a heading or a link: to read it would take too long."""
    return work(text) > MOST_WORK


def work(text: str) -> int:
    """As much as there is to do to read it, tables left aside: in proportion to its lines and to its signs."""
    return (
        _LINE * (text.count("\n") + 1)
        + (_BRACKET if _links(text) else 1) * text.count("[")
        + _EMPHASIS * sum(map(text.count, _EMPHASISING))
        + sum(map(text.count, _SIGNS))
    )


def cells(text: str) -> int:
    """As many as its tables can have at most: a row has as many as the first one, however little is written in it."""
    blocks = (block.split("\n") for block in text.split("\n\n"))
    return sum(len(lines) * max(line.count("|") for line in lines) for lines in blocks)


def _links(text: str) -> bool:
    """Whether what is in brackets is read as links and references."""
    return text.count("[") <= MOST_BRACKETS


@lru_cache(maxsize=4)
def _writer(*, tables: bool, links: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable("image")
    if tables:
        made.enable("table")
    made.core.ruler.push("tasks", _tasks)
    made.core.ruler.push("wide_tables", _wide_tables)
    made.core.ruler.push("below_the_title", _below_the_title)
    made.core.ruler.push("attachments", _attachments)
    made.core.ruler.push("place_headings", anchors.place_headings)
    return _with_references(made, links)


@lru_cache(maxsize=2)
def _reader(*, links: bool) -> MarkdownIt:
    """Reads what links there are and where they could lead to."""
    from markdown_it import MarkdownIt

    return _with_references(MarkdownIt("commonmark", {"html": False}).disable("image"), links)


def _with_references(made: MarkdownIt, links: bool) -> MarkdownIt:
    made.inline.ruler.before("link", "reference", references.write_reference)
    # "reference" is the rule for `[name]: address` as well.
    return made if links else made.disable(["link", "reference"])


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


def _wide_tables(state: StateCore) -> None:
    """A table that is wider than the page is pushed aside in a box of its own, with the arrow keys as well."""
    from markdown_it.token import Token

    made: list[Token] = []
    for token in state.tokens:
        if token.type == "table_open":
            made.append(Token("html_block", "", 0, content='<div class="scroll" tabindex="0">'))
        made.append(token)
        if token.type == "table_close":
            made.append(Token("html_block", "", 0, content="</div>"))
    state.tokens = made


def _attachments(state: StateCore) -> None:
    """Links to attachments become their paths and, after a `!`, what they show."""
    for block in state.tokens:
        if block.type == "inline" and block.children and SCHEME in block.content:
            block.children = _with_attachments(block.children, state.env["attachments"])


def _with_attachments(tokens: list[Token], known: Mapping[str, Attachment]) -> list[Token]:
    made: list[Token] = []
    shown: Attachment | None = None
    label = ""
    for token in tokens:
        if token.type == "link_open":
            found = _meant(token, known)
            if found is not None and found.of_kind.shown != "file" and _takes_mark(made):
                shown, label = found, ""
                continue
        if shown is None:
            made.append(token)
        elif token.type == "link_close":
            made.append(_shown(shown, label))
            shown = None
        else:
            label += token.content
    return made


def _meant(link: Token, known: Mapping[str, Attachment]) -> Attachment | None:
    """The attachment that a link is about, with the link led to it."""
    href = str(link.attrGet("href") or "")
    found = known.get(unquote(href.removeprefix(SCHEME))) if href.startswith(SCHEME) else None
    if found is not None:
        link.attrSet("href", found.path)
    return found


def _takes_mark(before: list[Token]) -> bool:
    """Whether a `!` stands before it, which is then taken away."""
    if not before or before[-1].type != "text" or not before[-1].content.endswith("!"):
        return False
    before[-1].content = before[-1].content[:-1]
    return True


def _shown(found: Attachment, label: str) -> Token:
    from markdown_it.token import Token

    kind, source, said = found.of_kind.shown, escape(found.path), escape(label)
    if kind == "picture":
        return Token("html_inline", "", 0, content=f'<img src="{source}" alt="{said}" loading="lazy">')
    about = f'src="{source}" aria-label="{said}" controls preload="metadata"'
    return Token("html_inline", "", 0, content=f"<{kind} {about}></{kind}>")


def _below_the_title(state: StateCore) -> None:
    """A text's headings are one level lower than it says: the page's first is the entry's title."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        kept = [one for one in value.split() if one in _CLASSES or (tag == "code" and one.startswith("language-"))]
        return " ".join(kept) or None
    if attribute == "src":
        return value if _OWN.fullmatch(value) else None
    if (tag, attribute) == ("input", "type"):
        return value if value == "checkbox" else None
    return value
