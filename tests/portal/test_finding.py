"""Search: whatever a text contains is found, in either database and order; nothing that one may not see."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import reading, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.finding.index import MARK, PASSAGE, TsVector, filled
from lepton_fed.portal.finding.plain import piece
from lepton_fed.portal.finding.search import PAGE, Asked, find, published
from lepton_fed.portal.finding.words import MOST_TOKENS, spans, terms, tokens
from lepton_fed.portal.people.rights import used_shelves
from tests.portal.browser import Browser
from tests.portal.world import World

TEXTS = {
    "联邦学习平台": "这是一个测试文档，介绍联邦学习与质检模型。Lepton-AI 平台 v2.1 已上线。",
    "齿轮箱": "齿轮箱振动超限时，先停机，再检查润滑。温度上限为 85 摄氏度。",
    "Supplier guide": "How a supplier is rated: quality, delivery, price. 华东钢铁为一级供应商。",
    "图": "图纸编号 A-17，版本𠀀。",
}

LETTERS = st.text(alphabet="联邦学习质检模型图纸abAB12 。，-", min_size=1, max_size=12)


def numbers(acting: Acting, text: str, **more: str) -> list[int]:
    return [hit.entry for hit in find(acting, Asked(text=text, **more)).hits]  # type: ignore[arg-type]


def holds(text: str, query: str) -> bool:
    """What the tokenizer promises: for each part of the query, its tokens follow each other in the text."""
    own = list(tokens(text))
    for term in terms(query):
        size = len(term.tokens)
        windows = (own[k : k + size] for k in range(len(own) - size + 1))
        ends = (w[-1].startswith(term.tokens[-1]) if term.open else w[-1] == term.tokens[-1] for w in windows)
        starts = (own[k : k + size - 1] == list(term.tokens[:-1]) for k in range(len(own) - size + 1))
        if not any(a and b for a, b in zip(starts, ends, strict=True)):
            return False
    return True


@given(st.text(alphabet="联邦学习质检模型图纸", min_size=1, max_size=12), st.data())
def test_every_piece_of_a_chinese_text_is_found_in_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert holds(f"前言。{text}，后记", text[start:end])


@given(LETTERS, LETTERS)
def test_a_chinese_query_is_found_only_where_it_stands(text: str, query: str) -> None:
    chinese = all("\u4e00" <= c <= "\u9fff" for c in query)
    if chinese and len(query) <= MOST_TOKENS:
        assert holds(text, query) == (query in text)


def test_every_part_of_the_texts_is_found_in_both_databases(either: World) -> None:
    known = {either.publish(title, body): title + "\n" + body for title, body in TEXTS.items()}
    draw = random.Random(7)
    with either.acting("reader") as acting:
        for number, text in known.items():
            for size in (1, 2, 3, 5, 9):
                for _ in range(6):
                    start = draw.randrange(len(text) - size + 1)
                    piece = text[start : start + size].replace('"', "")
                    # A piece that cuts through a Latin word is another word.
                    if not terms(piece) or not holds(text, piece):
                        continue
                    assert number in numbers(acting, piece), piece
                    expected = {n for n, t in known.items() if holds(t, piece)}
                    assert set(numbers(acting, piece)) == expected, piece


TYPED = {
    "测试": "联邦学习平台",
    "图": "图",
    "lepton ai": "联邦学习平台",
    '"Lepton AI"': "联邦学习平台",
    "ＬＥＰＴＯＮ": "联邦学习平台",
    "85": "齿轮箱",
    "振动 润滑": "齿轮箱",
    "一级供应商 rated": "Supplier guide",
    "A-17": "图",
    "𠀀": "图",
    "版本𠀀": "图",
}


def test_what_people_type_finds_what_they_mean(either: World) -> None:
    known = {title: either.publish(title, body) for title, body in TEXTS.items()}
    with either.acting("reader") as acting:
        for query, title in TYPED.items():
            assert numbers(acting, query)[:1] == [known[title]], query


def test_a_phrase_is_found_wherever_a_long_text_is_cut(either: World) -> None:
    body = "".join(chr(0x4E00 + k) for k in range(3 * PASSAGE))
    number = either.publish("长文", body + " " + "重复" * 9000 + "末尾")
    with either.acting("reader") as acting:
        for start in range(PASSAGE - MOST_TOKENS, PASSAGE + 4, 5):
            assert numbers(acting, body[start : start + MOST_TOKENS]) == [number], start
        assert numbers(acting, "复末尾") == [number]
        assert numbers(acting, body[0] + body[2]) == []


def test_what_is_about_it_new_or_useful_comes_first(either: World) -> None:
    old = either.publish("旧", "齿轮")
    either.clock.forward(days=400)
    new = either.publish("新", "齿轮")
    titled = either.publish("齿轮", "题目里有")
    helpful = either.publish("有用", "齿轮")
    from lepton_fed.portal.entries.reading import note_help

    for name in ("reader", "reviewer", "coauthor"):
        with either.acting(name) as acting:
            note_help(acting, helpful)
    with either.acting("reader") as acting:
        assert numbers(acting, "齿轮") == [titled, helpful, new, old]
        assert numbers(acting, "") == [helpful, titled, new, old]


def test_filters_narrow_and_pages_follow_each_other(either: World) -> None:
    made = [either.publish(f"题{k}", "齿轮", tags=["甲" if k % 2 else "乙"]) for k in range(PAGE + 3)]
    other = either.publish("外", "齿轮", by="shop-author", audience="everyone", kind="faq")
    with either.acting("reader") as acting:
        first, second = (find(acting, Asked(text="齿轮", page=page)) for page in (1, 2))
        assert (first.total, first.pages, len(first.hits), len(second.hits)) == (PAGE + 4, 2, PAGE, 4)
        assert {h.entry for h in (*first.hits, *second.hits)} == {*made, other}
        beyond = find(acting, Asked(text="齿轮", page=9))
        assert (beyond.total, beyond.hits) == (PAGE + 4, ())
        assert numbers(acting, "齿轮", department="生产车间") == [other]
        assert numbers(acting, "", kind="faq") == [other]
        assert set(numbers(acting, "", tag="甲")) == set(made[1::2])


def test_search_shows_nothing_that_is_not_for_the_person(either: World) -> None:
    own = either.publish("本部", "齿轮")
    named = either.publish("指定", "齿轮", audience="named", named=["生产车间"])
    every = either.publish("公开", "齿轮", audience="everyone")
    either.write("草稿", "齿轮", audience="everyone")
    seen = {"reader": {own, named, every}, "shop": {named, every}, "supply": {every}, "root": {every}}
    for name, expected in seen.items():
        with either.acting(name) as acting:
            found = find(acting, Asked(text="齿轮"))
            assert {hit.entry for hit in found.hits} == expected, name
            assert found.total == len(expected)


def test_what_is_retired_or_revised_is_found_no_longer(either: World) -> None:
    from lepton_fed.portal.entries import writing
    from lepton_fed.portal.entries.content import Content

    number = either.publish("题", "齿轮")
    with either.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="题", body="轴承"), base=1)
    with either.acting("reader") as acting:
        assert (numbers(acting, "齿轮"), numbers(acting, "轴承")) == ([number], []), "readers see what is published"
    either.send(number, "author", "submit")
    either.send(number, "reviewer", "publish")
    with either.acting("reader") as acting:
        assert (numbers(acting, "齿轮"), numbers(acting, "轴承")) == ([], [number])
    either.send(number, "author", "retire", reason="过时")
    with either.acting("reader") as acting:
        assert numbers(acting, "轴承") == []


def test_an_index_of_another_tokenizer_is_made_again(either: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = either.publish("题", "齿轮")
    portal = either.portal
    monkeypatch.setattr("lepton_fed.portal.finding.index.MARK", MARK + "x")
    with portal.database.writing() as connection:
        portal.words.remove(connection, number)
        filled(portal.words, connection, lambda: published(connection))
    with either.acting("reader") as acting:
        assert numbers(acting, "齿轮") == [number]


def test_a_passage_stays_below_what_postgresql_keeps_of_a_word() -> None:
    assert PASSAGE + MOST_TOKENS < 256
    assert TsVector is not None


def test_a_snippet_shows_the_text_without_its_signs_and_with_its_masks(there: World) -> None:
    there.publish("题", "## 原因\n\n> **润滑**不足，`问` 138****5678。")
    with there.acting("reader") as acting:
        (hit,) = find(acting, Asked(text="润滑")).hits
    assert "".join(part.text for part in hit.text) == "原因 润滑不足，问 138****5678。"


SIGNED = """# 步骤

先看 [手册](/entries/7 "第一版")，![振动图](attachment:振动(1).png) 与 [![小图](attachment:x)](/entries/9)。
[[run:0b1c|第三次]] 用了 [[entity:华东钢铁]]。

| 量 | 值 |
|:---|--:|
| 温度 | 85 |

------

- [x] ~~旧轴承~~ 换新
1. [ ] 待办
"""


def test_a_snippet_has_no_links_rules_or_boxes(there: World) -> None:
    there.publish("题", SIGNED)
    with there.acting("reader") as acting:
        (hit,) = find(acting, Asked(text="温度")).hits
    shown = "步骤 先看 手册，振动图 与 小图。 第三次 用了 华东钢铁。 量 值 温度 85 旧轴承 换新 待办"
    assert "".join(part.text for part in hit.text) == shown


def test_a_snippet_that_is_cut_within_a_link_shows_nothing_of_where_it_leads() -> None:
    for start in range(len(SIGNED)):
        for end in range(start + 60, len(SIGNED) + 1):
            shown = piece(SIGNED, start, end)
            for sign in ("](", "[[", "attach", "entries", "0b1c", "png", "--", "~~", "[x]"):
                assert sign not in shown, (start, end, shown)


@given(st.text(alphabet="[]()!|:-_=~*`# \nax", max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_a_snippet_says_nothing_that_the_text_does_not(text: str, start: int, end: int) -> None:
    shown = piece(text, start, end)
    left = iter(text)
    assert all(sign in left for sign in shown)


def test_what_was_found_is_marked_in_the_text_as_it_is() -> None:
    text = "Lepton 与 LEPTON：图纸，图"
    marked = [text[start:end] for start, end in spans(text, "lepton 图纸")]
    assert marked == ["Lepton", "LEPTON", "图纸"]
    assert list(spans("ẞß", "ss")) == []
    assert list(spans("a", "。")) == []


def test_policies_are_asked_about_shelves_with_entries_alone(there: World) -> None:
    number = there.publish("题", audience="everyone")
    with there.acting("author") as acting:
        for base, named in enumerate((["生产车间"], ["供应链部门"], ["生产车间", "供应链部门"]), 1):
            text = Content.given(title="题", body="文", audience="named", named=named)
            writing.revise(acting, number, text, base=base)
        assert [shelf.audience for shelf in used_shelves(acting.connection).values()] == ["everyone"]


def test_what_no_database_keeps_is_found_nowhere_and_not_kept(either: World) -> None:
    number = either.publish("题")
    with either.acting("author") as acting:
        reading.comment(acting, number, "甲\0乙")
        assert reading.comments(acting, number)[0].text == "甲乙"
        for asked in (Asked(department="\0"), Asked(kind="\0"), Asked(tag="\0"), Asked(text="\0")):
            assert find(acting, asked).total == 0
        writing.move(acting, number, "confirm", revision=1, reason="a\0")


def test_a_confirmation_does_not_make_an_entry_new(there: World) -> None:
    number = there.publish("题")
    there.clock.forward(days=100)
    there.send(number, "author", "confirm")
    with there.acting("reader") as acting:
        (hit,) = find(acting, Asked()).hits
    assert hit.published == there.clock.now.date() - timedelta(days=100)


def test_a_script_that_searches_gets_the_count_and_the_pages_of_what_it_asked_for(there: World) -> None:
    for k in range(PAGE + 1):
        there.publish(f"齿轮 {k}")
    browser = Browser.before(there.portal).sign_in("reader")
    part = browser.get("/search?q=齿轮", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert f"{PAGE + 1} entries" in part
    assert "page=2" in part
    back = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in browser.get("/search?q=齿轮", headers=back).text
