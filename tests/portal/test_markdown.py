"""Markdown as readers see it: boxes, tables, links, the entry's own pictures, and no text that keeps a process busy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.entries import anchors, markdown, references
from lepton_fed.portal.entries.markdown import MOST_BRACKETS, MOST_CELLS, cells, rendered, tokens

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
    assert "<table>" in rendered(TABLE)
    assert "<table>" in rendered("\n".join([TABLE, "正文\n" * 5000, TABLE + "| 1 | 2 |\n" * 2000]))
    huge = "|a" * 400 + "\n" + "|-" * 400 + "\n" + "|\n" * 400
    assert cells(huge) > MOST_CELLS
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
