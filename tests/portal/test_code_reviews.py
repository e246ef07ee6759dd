"""Lessons from code reviews: what becomes of a file of comments, whose names are in it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

from lepton_fed.cli import main
from lepton_fed.portal.entries import code_reviews, reading
from lepton_fed.portal.entries.code_reviews import LARGEST, MOST_DRAFTS, Review, imported, read
from lepton_fed.portal.entries.markdown import rendered
from lepton_fed.portal.errors import Forbidden, Unacceptable
from lepton_fed.portal.people import accounts
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]

COMMENTS: list[dict[str, object]] = [
    {
        "path": "src/gear.py",
        "line": 40,
        "author": "王芳",
        "topic": "单位",
        "comment": "毫米与英寸混用",
        "resolution": "已统一",
    },
    {
        "path": "src/axle.py",
        "line": 7,
        "author": "li",
        "topic": " 单位 ",
        "comment": "同上，见王芳的意见，@li 已确认。list is fine",
    },
    {
        "path": "src/gear.py",
        "author": "zhangsan",
        "comment": "# 标题\n```\n密码: hunter2hunter\n\n电话 13812345678，@ZhangSan",
    },
]


def file(comments: object = None, **more: object) -> bytes:
    reviews = COMMENTS if comments is None else comments
    return json.dumps({"format": "code-reviews/1", "reviews": reviews, **more}, ensure_ascii=False).encode()


def drafts(there: World, content: bytes, *, names: bool = False, language: str = "zh") -> dict[str, str]:
    """The drafts' texts by their titles."""
    made = imported(there.portal, there.person("author"), read(content), "研发部门", names=names, language=language)
    with there.acting("author") as acting:
        opened = [reading.opened(acting, number) for number in made]
    assert {one.entry.state for one in opened} == {"draft"}
    return {one.revision.title: one.revision.body for one in opened}


def test_comments_become_drafts_by_topic_and_by_file(either: World) -> None:
    found = drafts(either, file())
    assert list(found) == ["评审经验：单位", "评审经验：src/gear.py"]
    units = found["评审经验：单位"]
    assert units.index("# `src/axle.py:7`") < units.index("# `src/gear.py:40`")
    assert "> 毫米与英寸混用\n\n处理结果：\n\n> 已统一" in units


def test_what_looks_sensitive_is_masked_and_signs_of_a_comment_stay_within_it(there: World) -> None:
    body = drafts(there, file())["评审经验：src/gear.py"]
    assert "hunter2" not in body
    assert "138****5678" in body
    html = rendered(body)
    assert '<blockquote>\n<h2 id="text-标题">标题</h2>\n<pre>' in html
    assert html.endswith("</pre>\n</blockquote>\n")


def test_names_are_there_only_where_the_importer_says_so(there: World) -> None:
    found = "".join(drafts(there, file()).values())
    assert "王芳" not in found
    assert "li " not in found.replace("list is", "")
    assert "ZhangSan" not in found
    assert "见某人的意见，某人 已确认。list is fine" in found
    found = "".join(drafts(there, file(), names=True).values())
    assert "王芳的意见：" in found
    assert "@ZhangSan" in found


def test_a_topic_names_nobody_in_a_title_or_a_tag(there: World) -> None:
    comments = [{"path": "a.py", "author": "王芳芳", "topic": "王芳芳的单位建议", "comment": "王芳芳说要统一"}]
    author = there.person("author")
    (number,) = imported(there.portal, author, read(file(comments)), "研发部门", names=False, language="zh")
    with there.acting("author") as acting:
        found = reading.opened(acting, number).revision
    assert (found.title, found.tags) == ("评审经验：某人的单位建议", ("代码评审", "某人的单位建议"))


def test_a_file_that_is_no_list_of_comments_makes_nothing(there: World) -> None:
    wrong: tuple[bytes, ...] = (
        b"",
        b"[",
        b"[]",
        b"\xff\xfe",
        file([]),
        file([{"path": "a"}]),
        file([{"path": "a", "comment": "b", "more": 1}]),
        file([{"path": "a", "comment": "b", "line": "x"}]),
        file(format="code-reviews/2"),
        file([{"path": "a", "comment": "x"}] * (code_reviews.MOST + 1)),
        b" " * (LARGEST + 1),
    )
    for content in wrong:
        with pytest.raises(Unacceptable):
            read(content)
    with pytest.raises(Unacceptable, match=r"look at: reviews\.0\.comment$"):
        read(file([{"path": "a"}]))


def test_all_are_made_or_none(there: World) -> None:
    many = [{"path": f"{k}.py", "comment": "x"} for k in range(MOST_DRAFTS + 1)]
    long = [{"path": "a.py", "comment": "x" * 20_000}] * 11
    last_is_empty = [{"path": "a.py", "comment": "好"}, {"path": "b.py", "comment": "x", "topic": "\u0301" * 40}]
    for comments in (many, long, last_is_empty):
        with pytest.raises(Unacceptable):
            imported(there.portal, there.person("author"), read(file(comments)), "研发部门", names=False, language="en")
    with there.acting("author") as acting:
        assert reading.to_do(acting).drafts == []


def test_nothing_is_made_of_what_somebody_sends_who_may_not_write_there(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(found: object) -> NoReturn:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(code_reviews, "_grouped", never)
    for name, department, refusal in (
        ("reader", "研发部门", Forbidden),
        ("author", "生产车间", Forbidden),
        ("author", "无", Unacceptable),
    ):
        with pytest.raises(refusal):
            imported(there.portal, there.person(name), read(file()), department, names=False, language="en")


def test_others_write_while_drafts_are_made(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    grouped, others = code_reviews._grouped, []

    def meanwhile(found: Iterable[Review]) -> object:
        others.append(there.write("题"))
        return grouped(found)

    monkeypatch.setattr(code_reviews, "_grouped", meanwhile)
    assert len(drafts(there, file())) == 2
    assert len(others) == 1


def test_of_two_names_that_begin_alike_the_longer_one_is_left_out_whole(there: World) -> None:
    comments = [
        {"path": "a.py", "author": name, "comment": "王芳芳、王芳、@li-na、lina。"} for name in ("王芳", "王芳芳")
    ]
    comments += [{"path": "a.py", "author": name, "comment": "好"} for name in ("li", "li-na")]
    assert "> 某人、某人、某人、lina。" in "".join(drafts(there, file(comments)).values())


def test_each_letter_is_looked_at_once_however_many_commented(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, end = 0, code_reviews._end

    def counting(text: str, start: int, names: code_reviews.Names) -> int:
        nonlocal looks
        looks += 1
        return end(text, start, names)

    monkeypatch.setattr(code_reviews, "_end", counting)
    found = [Review(path="p", author=f"somebody{k}", comment="x" * 80) for k in range(1000)]
    code_reviews._contents(found, names=False, language="en")
    assert looks <= sum(len(one.comment) + len("p") for one in found) + len("Lessons from reviews: p")


def test_a_file_is_taken_on_the_page(there: World) -> None:
    author = Browser.before(there.portal, "en").sign_in("author")
    assert 'href="/lessons"' in author.get("/entries/new").text
    assert "With the names" in author.get("/lessons").text

    def send(content: bytes) -> tuple[int, str]:
        fields = {"form_token": author.form, "department": "研发部门"}
        answer = author.post("/lessons", data=fields, files={"file": ("r.json", content, "application/json")})
        return answer.status_code, answer.text

    code, text = send(b"\xef\xbb\xbf" + file())
    assert code == 200
    assert "Lessons from reviews: 单位" in text
    code, text = send(file([{"path": "<script>"}]))
    assert (code, "look at: reviews.0.comment" in text) == (422, True), text
    assert send(b"x" * 2_000_000)[0] == 413
    assert author.fill("/lessons", department="研发部门").status_code == 422


def test_after_a_bad_file_the_page_still_has_what_was_chosen(there: World) -> None:
    with there.portal.database.writing() as connection:
        accounts.set_role(connection, there.person("author").id, "生产车间", "author")
    author = Browser.before(there.portal).sign_in("author")
    home, other = "<option selected>研发部门</option>", "<option selected>生产车间</option>"
    empty = author.get("/lessons").text
    assert home in empty and other not in empty and 'value="true">' in empty
    fields = {"form_token": author.form, "department": "生产车间", "names": "true"}
    again = author.post("/lessons", data=fields, files={"file": ("r.json", b"{", "application/json")})
    assert again.status_code == 422
    assert other in again.text and home not in again.text
    assert 'name="names" value="true" checked>' in again.text


def test_comments_are_taken_by_a_call(there: World, call: Call) -> None:
    sent = {"department": "研发部门", "language": "zh", "reviews": COMMENTS}
    answer = call("author", "POST", "/lessons", json=sent)
    assert (answer.status_code, answer.json()) == (201, [1, 2])
    assert call("shop-author", "POST", "/lessons", json=sent).status_code == 403
    assert call("author", "POST", "/lessons", json={**sent, "reviews": [{"path": "a"}]}).status_code == 422


def test_comments_are_taken_by_a_command(there: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.json").write_bytes(file())
    command = ["portal", "import-reviews", str(tmp_path / "门户")]
    with pytest.raises(SystemExit) as ended:
        main([*command, str(tmp_path / "r.json"), "--as", "author", "--department", "研发部门", "--language", "zh"])
    assert (ended.value.code, capsys.readouterr().out) == (0, "2 drafts made of 3 comments\n")
    for name, path in (("author", "none.json"), ("reader", "r.json")):
        with pytest.raises(SystemExit) as ended:
            main([*command, str(tmp_path / path), "--as", name, "--department", "研发部门"])
        said = capsys.readouterr()
        assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
