"""What is typed into a form of an entry is not lost, and nothing is saved that its author has not seen."""

from __future__ import annotations

import re
from html import unescape

import pytest

from lepton_fed.portal.entries import reading, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.web.guard import LARGEST
from tests.portal.browser import Browser
from tests.portal.world import World


def hidden(page: str) -> dict[str, str]:
    """What a page's forms send that nobody typed."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


def body(there: World, number: int) -> str:
    with there.acting("author") as acting:
        return reading.opened(acting, number, newest=True).revision.body


def test_whoever_saves_later_sees_what_was_changed_meanwhile_and_saves_over_it(there: World) -> None:
    number = there.write("题", "一")
    path = f"/entries/{number}/edit"
    later, first = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("coauthor")
    began = hidden(later.get(path).text)
    for k in (1, 2):
        assert first.fill(path, title="题", body=f"二{k}", base=k).status_code == 200
    told = later.fill(path, **began, title="题", body="我的")
    assert told.status_code == 409 and "我的</textarea>" in told.text
    assert "in the place of revision 3" in told.text
    link = f'href="/entries/{number}/differences?older=1&amp;newer=3" target="_blank" rel="noopener"'
    assert link in told.text
    assert later.get(f"/entries/{number}/differences?older=1&newer=3").status_code == 200
    assert first.fill(path, title="题", body="三", base=3).status_code == 200
    again = later.fill(path, **hidden(told.text), title="题", body="我的")
    assert again.status_code == 409 and "differences?older=1&amp;newer=4" in again.text
    assert later.fill(path, **hidden(again.text), title="题", body="我的").status_code == 200
    assert body(there, number) == "我的"


def test_a_form_that_says_nothing_of_a_revision_links_to_none(there: World) -> None:
    number = there.write("题", "一")
    told = Browser.before(there.portal).sign_in("author").fill(f"/entries/{number}/edit", title="题", body="文", base=9)
    assert told.status_code == 409 and "differences" not in told.text
    assert hidden(told.text)["base"] == "1"


PHONE, OTHER, SECRET = "13812345678", "13912345678", "hunter2hunter"


def test_only_what_was_shown_is_kept_or_masked(there: World) -> None:
    author = Browser.before(there.portal).sign_in("author")
    typed = {"title": "题", "department": "研发部门"}
    for choice in ("keep", "mask"):
        first = author.fill("/entries/new", **typed, body=f"问 {PHONE}")
        assert first.status_code == 409 and f"<td>{PHONE}</td>" in first.text
        more = {**typed, "body": f"问 {PHONE} 或 {OTHER}，password: {SECRET}"}
        second = author.fill("/entries/new", **hidden(first.text), **more, sensitive=choice)
        assert second.status_code == 409
        assert all(f"<td>{one}</td>" in second.text for one in (PHONE, OTHER, SECRET))
        saved = author.fill("/entries/new", **hidden(second.text), **more, sensitive=choice)
        assert saved.status_code == 200
        assert (SECRET in saved.text, OTHER in saved.text) == (choice == "keep", choice == "keep")


def test_who_writes_on_around_what_was_shown_is_not_asked_again(there: World) -> None:
    author, number = Browser.before(there.portal).sign_in("author"), there.write("题")
    path = f"/entries/{number}/edit"
    asked = author.fill(path, title="题", body=f"问 {PHONE} 或 {OTHER}", base=1)
    assert asked.status_code == 409
    kept = author.fill(path, **hidden(asked.text), title="题", body=f"先问 {OTHER}，再问 {PHONE}。", sensitive="keep")
    assert kept.status_code == 200 and "the author kept: 2" in kept.text
    again = author.fill(path, title="题", body=f"问 {PHONE}", base=2)
    gone = author.fill(path, **hidden(again.text), title="题", body="不问", sensitive="keep")
    assert gone.status_code == 200, "nothing is left to ask about"


def test_what_looks_sensitive_in_tags_is_masked_whatever_is_kept(there: World) -> None:
    author = Browser.before(there.portal).sign_in("author")
    typed = {"title": "题", "body": f"问 {PHONE}", "tags": f"甲，{OTHER}", "department": "研发部门"}
    asked = author.fill("/entries/new", **typed)
    kept = author.fill("/entries/new", **hidden(asked.text), **typed, sensitive="keep")
    assert kept.status_code == 200
    assert PHONE in kept.text and OTHER not in kept.text and "139****5678" in kept.text


def lines(length: int) -> str:
    """As many characters as a field lets somebody type, and as its browser sends them."""
    return ("行\n" * length)[: length - 1].replace("\n", "\r\n") + "末"


def test_a_line_end_counts_one_character_as_in_the_field(there: World) -> None:
    number = there.publish("题", audience="everyone")
    reader, author = Browser.before(there.portal).sign_in("shop"), Browser.before(there.portal).sign_in("admin")
    path = f"/entries/{number}"
    for to, longest in (("comments", 4000), ("reports", 1000)):
        assert reader.fill(f"{path}/{to}", text=lines(longest)).status_code == 200, to
        assert reader.fill(f"{path}/{to}", text=lines(longest) + "多").status_code == 422, to
    assert author.fill("/entries/preview", body=lines(200_000).replace("行", "x")).status_code == 200
    said = author.fill(f"{path}/move", move="retire", revision=1, reason=lines(500)).text
    assert lines(500).replace("\r", "") in said, "whole to its end"
    with there.acting("admin") as acting:
        assert [one.text for one in reading.comments(acting, number)] == [lines(4000).replace("\r", "")]


@pytest.mark.parametrize("letter", ["汉", "😀"])
def test_a_text_that_the_field_takes_is_sent_shown_and_saved(there: World, letter: str) -> None:
    author, text = Browser.before(there.portal).sign_in("author"), letter * 200_000
    typed = {"title": "题", "department": "研发部门", "body": text}
    assert letter * 1000 in author.fill("/entries/preview", body=text).text
    saved = author.fill("/entries/new", **typed)
    assert saved.status_code == 200
    path = saved.url.path
    assert author.fill(f"{path}/edit", **typed, base=1).status_code == 200
    removed = author.fill(f"{path}/attachments/1/remove", **typed, base=2)
    assert removed.status_code == 404, "it was read, and there is none"
    assert author.fill("/entries/new", **typed | {"body": text + letter}).status_code == 422
    course = author.fill("/courses/new", title="课", department="研发部门", about=text)
    assert (course.status_code, course.url.path) == (200, "/courses/1")


def test_a_long_form_is_read_only_for_somebody_who_is_signed_in(there: World) -> None:
    no_form, kind = b"x" * (LARGEST + 1), {"Content-Type": "multipart/form-data; boundary=b"}
    for content in (no_form, iter([no_form])):
        stranger = Browser.before(there.portal)
        answer = stranger.post("/entries/new", content=content, headers=kind)
        assert answer.status_code == 401 and "Nothing was saved" in answer.text
    author = Browser.before(there.portal).sign_in("author")
    assert author.post("/entries/new", content=no_form, headers=kind).status_code == 400


def test_a_reason_is_not_lost_where_a_colleague_decides_first(there: World) -> None:
    for other, left in (("publish", True), ("request_changes", False)):
        number = there.write("题", audience="everyone")
        there.send(number, "author", "submit")
        reviewer = Browser.before(there.portal).sign_in("reviewer")
        reviewer.get(f"/entries/{number}?newest=1")
        there.send(number, "admin", other, reason="理由")
        asked = {"move": "request_changes", "revision": 1, "reason": "请补充 <b>"}
        late = reviewer.fill(f"/entries/{number}/move", **asked)
        assert late.status_code == 409 and "not in the state for that" in late.text
        assert "请补充 &lt;b&gt;</textarea>" in late.text and "<h1>题</h1>" in late.text
        assert ('id="reason"' in late.text, "it is not saved" in late.text) == (left, not left)


def test_a_decision_without_its_reason_shows_the_entry_with_the_field(there: World) -> None:
    published, waiting = there.publish("旧"), there.write("新")
    there.send(waiting, "author", "submit")
    reviewer = Browser.before(there.portal, "zh").sign_in("reviewer")
    for number, move in ((published, "retire"), (waiting, "request_changes")):
        asked = reviewer.fill(f"/entries/{number}/move", move=move, revision=1, reason=" ")
        assert asked.status_code == 422
        assert '<p class="note bad" role="alert" id="no-reason">请填写理由</p>' in asked.text
        assert 'aria-describedby="no-reason"' in asked.text and f'value="{move}"' in asked.text
        assert reviewer.fill(f"/entries/{number}/move", **hidden(asked.text), move=move, reason="因").status_code == 200


def test_who_only_reads_an_entry_decides_nothing_and_sees_no_draft(there: World) -> None:
    number = there.publish("题", audience="everyone")
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="草稿", body="机密", audience="everyone"), base=1)
    answer = Browser.before(there.portal).sign_in("shop").fill(f"/entries/{number}/move", move="retire", revision=2)
    assert answer.status_code == 403 and "机密" not in answer.text and "<article" not in answer.text
