"""What entries speak of: runs, models and entities, typed simply, kept as typed, named for whoever looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.entries import references, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.markdown import rendered, tokens
from lepton_fed.portal.entries.markdown_files import exported
from lepton_fed.portal.entries.references import Named, Reference, about, read, spoken_of
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]

STEEL = Reference("entity", "urn:lepton:entity:华东钢铁")
MODEL = "9f" * 32


def test_what_a_text_speaks_of_is_read_wherever_a_link_may_stand() -> None:
    text = f"""# [[entity:华东钢铁]]

- **[[run:0B1C-2|第三次]]** 与 [[model:{MODEL.upper()}]]，[[entity:http://x.example/a#b]]，[[entity:Lepton AI]]

`[[run:code]]` \\[[run:escaped]] [[run:no blanks]] [[model:short]] [[nothing:x]] [[run:]] [[entity:华东钢铁]]

```
[[run:fenced]]
```
"""
    assert spoken_of(tokens(text)) == (
        STEEL,
        Reference("run", "0b1c-2"),
        Reference("model", MODEL),
        Reference("entity", "http://x.example/a#b"),
        Reference("entity", "urn:lepton:entity:Lepton%20AI"),
    )


def test_it_is_a_link_where_there_is_a_page_and_its_name_where_there_is_none() -> None:
    text = "见 [[run:a|第<三>次]] 与 [[run:b]]"
    html = rendered(text, lambda one: Named(f"运行<{one.target}>", "/federation/runs/a" if one.target == "a" else ""))
    assert '<a href="/federation/runs/a" rel="noopener noreferrer nofollow">第&lt;三&gt;次</a> 与 运行&lt;b&gt;' in html
    assert rendered("见 [[run:b]]") == "<p>见 b</p>\n"


@given(st.text("[]:|run models&<>\"'\\`*_()!#", max_size=60))
def test_whatever_is_typed_makes_a_page_without_harm(text: str) -> None:
    html = rendered(f"[[run:{text}]] [[entity:{text}]]", lambda one: Named(one.target, f"/x?{one.target}"))
    assert "<script" not in html
    assert "javascript:" not in html


def test_published_entries_are_found_by_what_they_speak_of(either: World) -> None:
    either.write("草稿", "[[entity:华东钢铁]]")
    number = either.publish("供应商", "[[entity:华东钢铁]] 与 [[run:a1]]", audience="everyone")
    hidden = either.publish("内部", "[[entity:华东钢铁]]")

    def found(name: str, *things: Reference) -> list[int]:
        with either.acting(name) as acting:
            return [one.entry for one in about(acting, things)]

    assert found("shop", STEEL) == [number]
    assert found("reader", STEEL, Reference("run", "a1")) == [hidden, number]
    assert found("reader", Reference("run", "a2")) == found("reader") == []
    either.send(number, "admin", "retire", reason="旧")
    assert found("shop", STEEL) == []


def test_a_revision_that_is_saved_just_before_it_is_published_speaks_of_what_it_says(there: World) -> None:
    number = there.publish("题", "无", audience="everyone")
    with there.acting("admin") as acting:
        early = writing.spoken_of(acting, number, 2)
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="题", body="[[run:a1]]", audience="everyone"), base=1)
    there.send(number, "author", "submit")
    with there.acting("admin") as acting:
        writing.move(acting, number, "publish", revision=2, speaks=early)
        assert [one.entry for one in about(acting, [Reference("run", "a1")])] == [number]


def test_a_newer_revision_speaks_of_what_it_says(there: World) -> None:
    number = there.publish("题", "[[run:a1]]", audience="everyone")
    author = Browser.before(there.portal).sign_in("author")
    author.fill(f"/entries/{number}/edit", title="题", body="[[run:a2]]", base=1, audience="everyone")

    def speaking(run: str) -> list[int]:
        with there.acting("shop") as acting:
            return [one.entry for one in about(acting, [Reference("run", run)])]

    assert (speaking("a1"), speaking("a2")) == ([number], [])
    there.send(number, "author", "submit")
    there.send(number, "admin", "publish")
    assert (speaking("a1"), speaking("a2")) == ([], [number])


def test_a_call_tells_which_entries_speak_of_something(there: World, call: Call) -> None:
    number = there.publish("供应商", "[[entity:华东钢铁]]")
    asked = {"kind": "entity", "target": "华东钢铁"}
    given = {"entry": number, "title": "供应商", "kind": "note", "department": "研发部门"}
    assert call("reader", "GET", "/references", params=asked).json() == [given]
    assert call("reader", "GET", "/references", params={**asked, "target": STEEL.target}).json() == [given]
    assert call("shop", "GET", "/references", params=asked).json() == []
    for wrong in ({**asked, "kind": "model"}, {**asked, "target": "\0"}):
        assert call("reader", "GET", "/references", params=wrong).json() == []
    assert call("reader", "GET", "/references", params={"kind": "x", "target": "y"}).status_code == 422


def test_what_is_exported_is_what_was_typed(there: World, tmp_path: Path) -> None:
    number = there.publish("题", "[[run:A1|第三次]] [[entity:华东钢铁]]")
    with there.acting("reader") as acting:
        exported(acting, tmp_path / "条目")
    written = tmp_path / "条目" / "研发部门" / f"{number}.md"
    assert "[[run:A1|第三次]] [[entity:华东钢铁]]" in written.read_text("utf-8")


def test_what_nobody_can_be_led_to_is_a_name(there: World) -> None:
    number = there.publish("题", "[[entity:华东钢铁]] [[run:a1b2c3d4e5f6a7b8]]")
    browser = Browser.before(there.portal, "zh").sign_in("reader")
    assert "<p>华东钢铁 运行 a1b2c3d4e5f6</p>" in browser.get(f"/entries/{number}").text


@pytest.mark.parametrize(
    ("kind", "target", "means"),
    [
        ("run", " A-1 ", "a-1"),
        ("run", "-", None),
        ("run", "a/b", None),
        ("run", "x" * 65, None),
        ("model", MODEL, MODEL),
        ("model", MODEL[:-1], None),
        ("entity", "齿轮箱", "urn:lepton:entity:齿轮箱"),
        ("entity", " ", None),
        ("entity", "a\nb", None),
        ("thing", "a", None),
    ],
)
def test_what_can_be_meant(kind: str, target: str, means: str | None) -> None:
    found = read(kind, target)
    assert (None if found is None else found.target) == means


def test_of_a_text_so_many_are_kept() -> None:
    text = " ".join(f"[[run:{k}]]" for k in range(references.MOST + 50))
    assert len(spoken_of(tokens(text))) == references.MOST
