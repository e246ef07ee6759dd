"""Suggestions: what goes with an entry, what is unread, why; never who reads what, or what is not for somebody."""

from __future__ import annotations

import pytest

from lepton_fed.portal.entries import access, reading, reports, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.finding import keywords, suggestions
from lepton_fed.portal.finding.suggestions import FLOOR, Suggestion
from lepton_fed.portal.people import accounts
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]


def readers(
    there: World, count: int, department: str = "生产车间", *, name: str = "r", others: int = 2 * FLOOR
) -> list[str]:
    """That many more readers of a department, which has as many `others`, of whom nobody speaks."""
    quiet = [f"{name}{department}还有{k}" for k in range(others)]
    made = [f"{name}{department}{k}" for k in range(count)]
    with there.portal.database.writing() as connection:
        for one in [*made, *quiet]:
            person = accounts.add_person(
                connection, name=one, shown=one, department=department, password="x", now=there.clock.now
            )
            accounts.set_role(connection, person.id, department, "reader")
    return made


def opened(there: World, people: list[str], *entries: int) -> None:
    for name in people:
        with there.acting(name) as acting:
            for entry in entries:
                reading.note_opening(acting, entry)


def told(found: list[Suggestion]) -> dict[int, list[tuple[str, dict[str, object]]]]:
    return {one.entry.id: [(reason.kind, dict(reason.values)) for reason in one.reasons] for one in found}


def related(there: World, name: str, entry: int) -> dict[int, list[tuple[str, dict[str, object]]]]:
    with there.acting(name) as acting:
        return told(suggestions.related(acting, access.seen(acting, entry)))


def unread(there: World, name: str) -> dict[int, list[tuple[str, dict[str, object]]]]:
    with there.acting(name) as acting:
        return told(suggestions.unread(acting))


def three(there: World, **of: object) -> tuple[int, int, int]:
    """Three entries for everybody that have nothing in common."""
    of = {"audience": "everyone"} | of
    texts = {"甲壳": "蓝色河流", "乙烯": "红砖房屋", "丙纶": "白云山顶"}
    one, two, other = (there.publish(title, body, **of) for title, body in texts.items())
    return one, two, other


def test_what_enough_people_opened_together_goes_together_the_next_day(either: World) -> None:
    one, two, other = three(either)
    opened(either, readers(either, FLOOR), one, two)
    opened(either, ["supply"], one, other)
    assert related(either, "shop", one) == {}, "what was opened today counts tomorrow"
    either.clock.forward(days=1)
    assert related(either, "shop", one) == {two: [("department", {"department": "生产车间"})]}
    assert related(either, "shop", two) == {one: [("department", {"department": "生产车间"})]}
    assert unread(either, "supply") == {two: [("department_unread", {"department": "生产车间"})]}


def test_fewer_than_three_others_say_nothing_and_whoever_asks_is_none_of_them(there: World) -> None:
    one, two, _ = three(there)
    few = readers(there, FLOOR - 1)
    opened(there, [*few, "shop"], one, two)
    there.clock.forward(days=1)
    assert related(there, "shop", one) == {}, "two others, and who asks"
    for name in few:
        assert related(there, name, one) == {}
    assert related(there, "supply", one) == {two: [("department", {"department": "生产车间"})]}
    opened(there, ["supply"], one)
    there.clock.forward(days=1)
    assert unread(there, "supply") == {two: [("department_unread", {"department": "生产车间"})]}


def test_a_department_is_named_only_where_enough_of_it_did(there: World) -> None:
    one, two, _ = three(there)
    opened(there, [*readers(there, FLOOR - 1), *readers(there, FLOOR - 1, "供应链部门")], one, two)
    there.clock.forward(days=1)
    assert related(there, "reader", one) == {two: [("people", {})]}


def test_a_department_of_few_is_not_named_since_all_of_them_would_be(there: World) -> None:
    one, two, _ = three(there)
    opened(there, readers(there, FLOOR, "供应链部门", others=0), one, two)
    there.clock.forward(days=1)
    assert related(there, "reader", one) == {two: [("people", {})]}


def test_no_name_of_a_reader_is_ever_shown(there: World) -> None:
    one, two, _ = three(there)
    people = readers(there, 4, name="秘密读者")
    opened(there, people, one, two)
    there.clock.forward(days=1)
    browser = Browser.before(there.portal, "zh").sign_in("shop")
    page = browser.get(f"/entries/{one}").text
    assert "打开过此条目的生产车间同事也打开过" in page
    assert "秘密读者" not in page + browser.get("/").text


def test_nothing_is_suggested_that_somebody_may_not_read(either: World) -> None:
    there = either
    one, two, _ = three(there, tags=["轴承"])
    hidden = there.publish("甲壳机密", "蓝色河流", tags=["轴承"])
    draft = there.write("甲壳草稿", "蓝色河流", tags=["轴承"], audience="everyone")
    people = [*readers(there, FLOOR, "研发部门")]
    opened(there, people, one, two, hidden)
    for name in people:
        with there.acting(name) as acting:
            reading.note_help(acting, hidden)
    there.clock.forward(days=1)
    opened(there, ["shop", "reader"], one)
    assert set(related(there, "reader", one)) >= {two, hidden}
    assert hidden in unread(there, "reader")
    for name in ("shop", "supply", "root"):
        assert hidden not in related(there, name, one)
        assert hidden not in unread(there, name)
    for name in ("shop", "reader", "author"):
        assert draft not in related(there, name, one) | unread(there, name)
    with there.acting("shop") as acting, pytest.raises(NotThere):
        suggestions.related(acting, access.seen(acting, hidden))


def test_what_somebody_read_once_and_may_read_no_longer_says_nothing_of_its_text(there: World) -> None:
    seed = there.publish("曾公开", "很普通", audience="everyone")
    alike = there.publish("另一篇", "齿轮振动", audience="everyone")
    opened(there, ["supply"], seed)
    with there.acting("author") as acting:
        new = Content.given(title="现机密", body="齿轮振动", audience="department")
        writing.revise(acting, seed, new, base=1)
    there.send(seed, "author", "submit")
    there.send(seed, "admin", "publish")
    there.clock.forward(days=1)
    assert alike not in unread(there, "supply")
    opened(there, ["reader"], seed)
    assert alike in unread(there, "reader")


def test_tags_and_words_in_common_are_reasons_that_are_shown(there: World) -> None:
    one = there.publish("轴承异响", "齿轮箱振动 gearbox", tags=["质检", "轴承"], audience="everyone")
    tagged = there.publish("采购流程", "合同付款", tags=["质检"], audience="everyone")
    worded = there.publish("停机记录", "gearbox 振动很大", audience="everyone")
    nothing = there.publish("食堂菜单", "米饭", audience="everyone")
    found = related(there, "shop", one)
    assert found[tagged] == [("tags", {"tags": "质检"})]
    ((kind, values),) = found[worded]
    assert kind == "words"
    assert {"gearbox", "振动"} <= set(str(values["words"]).split(", "))
    assert nothing not in found
    there.send(worded, "author", "retire", reason="x")
    assert worded not in related(there, "shop", one)


def test_what_helped_other_departments_this_quarter_is_for_whoever_has_not_read_it(there: World) -> None:
    one, two, other = three(there)
    helps = [*readers(there, 3), "supply"]
    for name in helps:
        with there.acting(name) as acting:
            reading.note_help(acting, one)
    for name in readers(there, 2, name="zwei"):
        with there.acting(name) as acting:
            reading.note_help(acting, two)
    assert unread(there, "shop") == {one: [("helped", {"count": 4})]}
    assert unread(there, "supply") == {}, "opened, as it helped"
    assert unread(there, "author") == {}, "their own"
    assert related(there, "shop", other) == {}, "it has nothing to do with that"
    there.clock.forward(days=60)
    assert unread(there, "shop") == {}


def test_what_is_alike_stands_before_what_is_popular(there: World) -> None:
    one, two, other = three(there)
    everybody = readers(there, 12)
    opened(there, everybody, other)
    opened(there, everybody[:4], one, two)
    there.clock.forward(days=1)
    assert list(related(there, "shop", one)) == [two, other]


def test_suggestions_are_the_same_in_an_old_portal_whose_keywords_are_made_when_it_is_opened(there: World) -> None:
    one = there.publish("轴承异响", "齿轮箱", audience="everyone")
    two = there.publish("轴承更换", "齿轮箱", audience="everyone")
    with there.portal.database.writing() as connection:
        before = set(map(tuple, connection.execute(keywords.KEYWORD.select())))
        connection.execute(keywords.KEYWORD.delete())
    with there.portal.database.writing() as connection:
        there.portal.prepare(connection)
        assert set(map(tuple, connection.execute(keywords.KEYWORD.select()))) == before
    assert two in related(there, "shop", one)


def test_a_draft_has_nothing_beside_it_and_calls_say_what_pages_say(there: World, call: Call) -> None:
    one, two, _ = three(there)
    opened(there, readers(there, FLOOR), one, two)
    there.clock.forward(days=1)
    draft = there.write("甲壳", "蓝色河流")
    assert related(there, "author", draft) == {}
    (found,) = call("shop", "GET", f"/entries/{one}/related").json()
    assert (found["entry"], found["reasons"]) == (two, ["People of 生产车间 who opened this also opened it"])
    opened(there, ["shop"], one)
    (found,) = call("shop", "GET", "/suggestions").json()
    assert (found["title"], found["department"]) == ("乙烯", "研发部门")
    assert "who opened what you opened" in Browser.before(there.portal).sign_in("shop").get("/").text


def test_what_has_an_error_that_nobody_answered_stands_below_its_like(there: World) -> None:
    one, two, other = three(there, tags=["轴承"])
    before = list(related(there, "shop", one))
    assert set(before) == {two, other}
    with there.acting("supply") as acting:
        reports.report(acting, before[0], "有误")
    assert list(related(there, "shop", one)) == before[::-1]
