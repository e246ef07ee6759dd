"""Markdown as readers see it: boxes, tables, links, the entry's own pictures, and no text that keeps a process busy."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from html import escape
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.entries import anchors, markdown, references
from lepton_fed.portal.entries.content import LONGEST_BODY
from lepton_fed.portal.entries.markdown import MOST_BRACKETS, MOST_WORK, cells, is_plain, rendered, tokens, work
from tests.thoroughness import at_most

TABLE = "| 甲 | 乙 |\n|---|---|\n| 1 | 2 |\n"


def test_boxes_are_shown_at_the_beginning_of_items_and_nowhere_else() -> None:
    html = rendered("- [ ] 先\n- [x] **后**\n  1. [X] 内\n- 不 [ ] 是\n- [ ]也不是\n\n[ ] 不是\n")
    assert html.count('<input type="checkbox" disabled="">') == 1
    assert html.count('<input type="checkbox" disabled="" checked="">') == 2
    assert html.count('class="task-list-item"') == 3
    assert '<ul class="contains-task-list">' in html
    assert '<ol class="contains-task-list">' in html


def test_each_token_of_a_list_of_tasks_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    pattern = markdown._TASK

    class Counting:
        def match(self, text: str) -> object:
            nonlocal looks
            looks += 1
            return pattern.match(text)

    monkeypatch.setattr(markdown, "_TASK", Counting())
    assert rendered("- [ ] 项\n" * 300).count("<input") == 300
    assert looks == 300


def test_a_table_is_shown_and_one_of_far_too_many_cells_as_it_was_written() -> None:
    assert '<div class="scroll" tabindex="0"><table>' in rendered(TABLE), "and pushed aside where it is too wide"
    assert "<table>" in rendered("\n".join([TABLE, "正文\n" * 5000, TABLE + "| 1 | 2 |\n" * 2000]))
    huge = "|a" * 400 + "\n" + "|-" * 400 + "\n" + "|\n" * 400
    assert cells(huge) > MOST_WORK
    assert "<table>" not in rendered(huge)
    assert "<table>" not in rendered("\n\n".join(["|a" * 40 + "\n" + "|-" * 40 + "\n" + "|\n" * 40] * 30))


def test_a_text_of_far_too_many_brackets_is_shown_as_it_was_written() -> None:
    few, many = "[它](/entries/1)\n\n[名]\n\n[名]: /entries/2\n", "[[" * (MOST_BRACKETS // 2)
    assert rendered(few).count("<a href=") == len(anchors.targets(tokens(few))) == 2
    text = f"- [x] 先\n\n**粗** {few}[[run:ab]]\n\n{many}"
    html = rendered(text)
    assert "<a href=" not in html
    assert "[它](/entries/1)" in html
    assert "[名]: /entries/2" in html
    assert "<strong>粗</strong>" in html
    assert html.count("<input") == 1
    assert anchors.targets(tokens(text)) == references.spoken_of(tokens(text)) == ()


FAMILIES = {
    "emphasis that opens": "*a",
    "strong that opens": "**a",
    "emphasis of two kinds": "*a_ ",
    "emphasis that closes": "a* ",
    "runs of emphasis": "a***b**c*",
    "strikes": "~~a",
    "brackets": "[",
    "brackets twice": "[[",
    "pictures": "![",
    "links that begin": "[a](",
    "links with an angle": "[a](<b",
    "empty links": "[](x)",
    "references of ours": "[[run:ab]] ",
    "references of ours that do not end": "[[run:ab",
    "angles": "<",
    "addresses": "<http:a",
    "mail": "<a@",
    "elements": '<a b="',
    "comments": "<!--",
    "backticks": "`a",
    "fences": "~~~a\n",
    "escapes": "\\",
    "entities": "&amp",
    "quotes": ">",
    "quoted lines": "> a\n",
    "quotes in lists": "> - ",
    "lists in a line": "- ",
    "numbered in a line": "1. ",
    "items": "- a\n",
    "loose items": "- a\n\n",
    "empty items": "-\n",
    "items of two lines": "  - a\n    b\n",
    "definitions": "[a]: b\n",
    "definitions that do not end": "[a\n",
    "titles that do not end": '[a]: b "\n',
    "headings": "# a\n",
    "underlined": "a\n---\n",
    "rules": "---\n",
    "lines": "a\n",
    "hard breaks": "a  \n",
    "blank lines": "\n",
    "blanks": " ",
    "tabs": "\t",
    "indented": "    a\n",
    "rows": "|-\n",
    "rows without a table": "a|b\n-|-\n",
    "small tables": "|a|\n|-|\n|b|\n\n",
    "tasks": "- [ ] a\n",
    "words": "word ",
    "plain": "齿轮箱",
}
GROWN = {
    "backticks that grow": " ".join("`" * k for k in range(1, 90)),
    "backticks that shrink": "a".join("`" * k for k in range(90, 1, -1)),
    "fences that grow": "\n".join("`" * k for k in range(3, 90)),
    "lists that go deeper": "\n".join("  " * k + "- a" for k in range(80)),
    "quotes that go deeper": "\n".join(">" * k + " a" for k in range(90)),
    "lines after deep quotes": ">" * 15 + "a\n" * 400,
    "lines after deep quotes and lists": "> " * 19 + "- " * 10 + "a\n" * 400,
    "links in links": "[a](" * 999,
    "closed brackets": "[" * 400 + "a]" * 400,
    "definitions all different": "".join(f"[a{k}]: /x\n" for k in range(300)) + "[a1]" * 300,
    "a wide table": "|a" * 90 + "\n" + "|-" * 90 + "\n" + "|\n" * 30,
}


def whole(part: str) -> str:
    """As much of it as an entry may hold."""
    return (part * (LONGEST_BODY // len(part) + 1))[:LONGEST_BODY]


def steps(text: str) -> int:
    """Lines of Python and calls that are taken to show a text: the same on every machine."""
    taken = 0

    def count(frame: FrameType, event: str, argument: object) -> object:
        nonlocal taken
        taken += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        markdown._rendered(text, references.plainly, {})
    finally:
        sys.settrace(before)
    return taken


def most_steps(text: str) -> int:
    tables = work(text) + 4 * cells(text)
    return 350 * (tables if tables <= MOST_WORK else work(text)) + 15 * len(text) + 20_000


@pytest.mark.parametrize(
    "text", [*(part * 400 for part in FAMILIES.values()), *GROWN.values()], ids=[*FAMILIES, *GROWN]
)
def test_to_show_a_text_takes_steps_in_proportion_to_its_lines_and_signs(text: str) -> None:
    rendered("*a* [b](c)")
    assert 0 < steps(text) <= most_steps(text)


@settings(max_examples=at_most(60))
@given(st.lists(st.sampled_from(sorted(FAMILIES.values())), min_size=1, max_size=4), st.integers(1, 60))
def test_so_does_any_mixture_of_what_takes_long(parts: list[str], times: int) -> None:
    text = "".join(parts) * times
    rendered("*a* [b](c)")
    assert steps(text) <= most_steps(text)


@pytest.mark.parametrize("part", FAMILIES.values(), ids=FAMILIES)
def test_what_would_take_more_than_that_is_shown_as_it_was_typed_and_not_read(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = whole(part)
    read: list[str] = []

    class Reading:
        def render(self, text: str, env: object) -> str:
            read.append(text)
            return ""

        def parse(self, text: str) -> list[object]:
            read.append(text)
            return []

    monkeypatch.setattr(markdown, "_writer", lambda **_: Reading())
    monkeypatch.setattr(markdown, "_reader", lambda **_: Reading())
    html, parsed = rendered(text), tokens(text)
    if is_plain(text):
        assert (html, parsed, read) == (f"<pre>{escape(text)}</pre>", [], [])
    else:
        assert read == [text, text]
        assert work(text) <= MOST_WORK


def test_texts_as_people_write_them_are_read_however_long_they_are() -> None:
    paragraph = (
        "先看**振动**，再看[温度](/entries/12)：`0.35 mm/s`，2026-11-30 记录。"
        + "班长每班确认一次并签字。" * 5
        + "\n\n"
    )
    items = "- [x] 检查轴承与油位，每周一次，结果写入台账（编号 A-17），异常时通知班长并停机复查，由白班确认并签字\n"
    code = "    value = measured[key] * (1 - weight) + mean[key] * weight  # a line of a program\n"
    table = (
        "| 编号 | 温度 | 振动 | 结论 |\n|---|---|---|---|\n"
        + "| A-17 | 41.5 | 0.35 | 正常，下次检查在三个月之后 |\n" * 50
        + "\n"
    )
    for part in (paragraph, items, code, table, paragraph + items + code + table):
        assert not is_plain(whole(part))
    assert "<table>" in rendered(whole(paragraph * 99 + table))


@pytest.mark.parametrize(
    ("many", "is_shown_plainly"), [("*a" * 30_000, True), ("*a" * 29_000, False), ("a\n" * 10_001, True)]
)
def test_a_text_of_far_too_many_lines_or_signs_is_shown_as_it_was_typed(many: str, is_shown_plainly: bool) -> None:
    text = f"# 题\n\n<b> **粗** [它](/entries/1)\n\n{many}"
    html = rendered(text)
    assert is_plain(text) is html.startswith("<pre># 题\n") is is_shown_plainly
    assert ("&lt;b&gt; **粗** [它](/entries/1)" in html) is is_shown_plainly
    assert ("<strong>粗</strong>" in html) is not is_shown_plainly
    assert (anchors.anchors(tokens(text)) == frozenset()) is is_shown_plainly


def test_there_are_no_pictures_not_even_of_the_portals_own_paths() -> None:
    html = rendered("![x](/entries/17) ![y](https://evil.example/y.png) ![z]\n\n[z]: /entries/18\n")
    assert "<img" not in html
    assert html.count("<a href=") == 3


def named(name: str, kind: str = "image/png") -> dict[str, Attachment]:
    return {name: Attachment(7, 5, name, kind, 1, "0" * 64, 1, datetime(2026, 1, 1, tzinfo=UTC), None)}


def test_pictures_and_recordings_of_the_entry_itself_are_shown() -> None:
    html = rendered(
        '前![齿轮 **箱** <b>"](attachment:图-1.png)后 [它](attachment:图-1.png)', attachments=named("图-1.png")
    )
    assert '<img src="/entries/5/attachments/7" alt="齿轮 箱 &lt;b&gt;&quot;" loading="lazy">' in html
    assert '<a href="/entries/5/attachments/7"' in html
    assert "<p>前<img" in html
    film = rendered("![它](attachment:a.mp4) 后", attachments=named("a.mp4", "video/mp4"))
    assert '<video src="/entries/5/attachments/7" aria-label="它" controls="" preload="metadata"></video> 后' in film
    assert "<audio" in rendered("![它](attachment:a.mp3)", attachments=named("a.mp3", "audio/mpeg"))
    assert "<a href" in rendered("![它](attachment:a.pdf)", attachments=named("a.pdf", "application/pdf"))


@pytest.mark.parametrize(
    "text",
    [
        "![x](attachment:other.png)",
        "![x](attachment:../../entries/9)",
        "![x](/entries/5/attachments/7)",
        "![x](https://evil.example/attachment:图.png)",
        "![x](//evil.example)",
        "![x](attachment://evil.example/x.png)",
        '<img src="/entries/5/attachments/7">',
        '<video src="/entries/5/attachments/7" autoplay>',
        "![x]\n\n[x]: data:image/png;base64,AAAA",
    ],
)
def test_nothing_else_is_shown_and_no_attachment_of_another_entry(text: str) -> None:
    html = rendered(text, attachments=named("图.png"))
    assert "<img" not in html
    assert "<video" not in html
    assert "attachment:" not in html.replace("[x](attachment", "").replace("evil.example/attachment:", "")
