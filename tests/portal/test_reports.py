"""Reported errors from a reader's sentence to the owner's answer; comments that are taken back."""

from __future__ import annotations

import pytest

from lepton_fed.portal.entries import access, reading, reports, withdrawals, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.reports import MOST_OPEN, Report
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.finding.search import Asked, find
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]


def report(there: World, name: str, number: int, text: str = "步骤二有误") -> int:
    with there.acting(name) as acting:
        return reports.report(acting, number, text)


def answer(there: World, name: str, number: int, one: int, verdict: str, reason: str = "已核对") -> None:
    with there.acting(name) as acting:
        reports.answer(acting, number, one, verdict, reason)


def seen(there: World, name: str, number: int) -> list[Report]:
    with there.acting(name) as acting:
        return reports.reports(acting, access.seen(acting, number))


def correct(there: World, number: int) -> None:
    """A newer revision for readers."""
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="题", body="正", audience="everyone"), base=1)
    there.send(number, "author", "submit")
    there.send(number, "admin", "publish")


def test_an_error_is_reported_corrected_and_answered(either: World) -> None:
    number = either.publish("题", audience="everyone")
    one = report(either, "shop", number, "步骤二有误，问 13812345678")
    (found,) = seen(either, "author", number)
    assert (found.person, found.text, found.state, found.revision) == ("Shop", "步骤二有误，问 138****5678", "open", 1)
    for name in ("author", "reviewer"):
        with either.acting(name) as acting:
            assert [entry.id for entry in reading.to_do(acting).reported] == [number]
    with pytest.raises(Conflict, match="readers still see"):
        answer(either, "author", number, one, "fixed")
    correct(either, number)
    answer(either, "author", number, one, "fixed", "见修订 2")
    (found,) = seen(either, "shop", number)
    assert (found.state, found.answerer, found.answer) == ("fixed", "Author", "见修订 2")
    with either.acting("author") as acting:
        assert reading.to_do(acting).reported == []
    with pytest.raises(Conflict):
        answer(either, "author", number, one, "no_error")


def test_what_is_none_is_answered_with_a_reason_by_the_owner_or_a_reviewer(there: World) -> None:
    number = there.publish("题", audience="everyone")
    one = report(there, "shop", number)
    for name in ("coauthor", "shop", "reader"):
        with pytest.raises(Forbidden):
            answer(there, name, number, one, "no_error")
    for verdict, reason in (("no_error", " "), ("open", "x"), ("", "x")):
        with pytest.raises(Unacceptable):
            answer(there, "author", number, one, verdict, reason)
    for absent in (0, one + 1, 2**63):
        with pytest.raises(NotThere):
            answer(there, "author", number, absent, "no_error")
    other = there.publish("别", audience="everyone")
    with pytest.raises(NotThere):
        answer(there, "author", other, one, "no_error")
    answer(there, "reviewer", number, one, "no_error")
    assert [found.state for found in seen(there, "author", number)] == ["no_error"]


def test_what_is_retired_may_be_said_to_be_fixed(there: World) -> None:
    number = there.publish("题", audience="everyone")
    one = report(there, "shop", number)
    there.send(number, "admin", "retire", reason="有误")
    answer(there, "author", number, one, "fixed")


def test_readers_see_their_own_reports_and_nobody_elses(there: World) -> None:
    number = there.publish("题", audience="everyone")
    report(there, "shop", number, "我的")
    report(there, "supply", number, "别人的")
    assert [one.text for one in seen(there, "shop", number)] == ["我的"]
    assert {one.text for one in seen(there, "coauthor", number)} == {"我的", "别人的"}
    page = Browser.before(there.portal).sign_in("shop").get(f"/entries/{number}").text
    assert "我的" in page
    assert "别人的" not in page


def test_nobody_floods_an_owner_with_reports(there: World) -> None:
    numbers = [there.publish(f"题 {k}", audience="everyone") for k in range(MOST_OPEN + 1)]
    one = report(there, "shop", numbers[0])
    with pytest.raises(Conflict, match="already"):
        report(there, "shop", numbers[0])
    for number in numbers[1:-1]:
        report(there, "shop", number)
    with pytest.raises(Conflict, match="not answered"):
        report(there, "shop", numbers[-1])
    answer(there, "author", numbers[0], one, "no_error")
    report(there, "shop", numbers[-1])


def test_only_what_readers_see_can_be_wrong(there: World) -> None:
    draft = there.write("草稿")
    with pytest.raises(Conflict, match="nothing of this entry"):
        report(there, "author", draft)
    with pytest.raises(NotThere):
        report(there, "shop", draft)
    number = there.publish("题", audience="everyone")
    for text in ("", " \0 ", "x" * 1001):
        with pytest.raises(Unacceptable):
            report(there, "shop", number, text)


def test_an_entry_is_found_below_its_like_while_an_error_is_open(either: World) -> None:
    first, second = (either.publish("齿轮箱", audience="everyone") for _ in range(2))

    def order() -> list[int]:
        with either.acting("shop") as acting:
            return [hit.entry for hit in find(acting, Asked(text="齿轮")).hits]

    assert order() == [second, first]
    one = report(either, "shop", second)
    assert order() == [first, second]
    answer(either, "author", second, one, "no_error")
    assert order() == [second, first]


def test_a_report_is_made_and_answered_on_the_page_in_both_languages(there: World) -> None:
    number = there.publish("题", audience="everyone")
    shop = Browser.before(there.portal, "zh").sign_in("shop")
    assert "步骤&lt;二&gt;" in shop.fill(f"/entries/{number}/reports", text="步骤<二>").text
    author = Browser.before(there.portal, "en").sign_in("author")
    assert f"/entries/{number}?newest=1" in author.get("/work").text
    page = author.get(f"/entries/{number}").text
    assert "步骤&lt;二&gt;" in page
    assert "publish a newer revision first" in page
    assert "It is fixed" not in page
    correct(there, number)
    assert "It is fixed" in author.get(f"/entries/{number}").text
    author.fill(f"/entries/{number}/reports/1/answer", verdict="fixed", reason="谢谢")
    page = shop.get(f"/entries/{number}").text
    assert "已更正" in page
    assert "谢谢" in page


def test_a_report_is_made_and_answered_by_calls(there: World, call: Call) -> None:
    path = f"/entries/{there.publish('题', audience='everyone')}/reports"
    made = call("shop", "POST", path, json={"text": "有误"})
    assert made.status_code == 201
    assert [one["id"] for one in call("author", "GET", "/work").json()["reported"]] == [1]
    verdict = {"verdict": "no_error", "reason": "见附录"}
    assert call("shop", "POST", f"{path}/{made.json()['id']}/answer", json=verdict).status_code == 403
    assert call("author", "POST", f"{path}/{made.json()['id']}/answer", json=verdict).status_code == 204
    (one,) = call("shop", "GET", path).json()
    assert (one["state"], one["answer"], one["answerer"]) == ("no_error", "见附录", "Author")
    assert call("supply", "GET", path).json() == []


# ---------------------------------------------------------------- comments that are taken back


def said(there: World, number: int) -> list[tuple[str, str]]:
    with there.acting("reader") as acting:
        found = reading.comments(acting, number)
    return [(one.text, "" if one.taken_back is None else one.taken_back.person) for one in found]


def take_back(there: World, name: str, number: int, comment: int, reason: str = "") -> None:
    with there.acting(name) as acting:
        withdrawals.take_back(acting, number, comment, reason)


def test_whoever_said_something_takes_it_back_and_a_line_stays(either: World) -> None:
    number = either.publish("题", audience="everyone")
    for text in ("一", "二"):
        with either.acting("shop") as acting:
            reading.comment(acting, number, text)
    take_back(either, "shop", number, 1)
    assert said(either, number) == [("", "Shop"), ("二", "")]
    with pytest.raises(Conflict):
        take_back(either, "shop", number, 1)


def test_a_reviewer_takes_back_what_somebody_else_said_and_says_why(there: World) -> None:
    number, other = (there.publish(title, audience="everyone") for title in "甲乙")
    with there.acting("shop") as acting:
        reading.comment(acting, number, "骂人")
    for name in ("author", "supply", "shop-admin"):
        with pytest.raises(Forbidden):
            take_back(there, name, number, 1, "不妥")
    with pytest.raises(Unacceptable):
        take_back(there, "reviewer", number, 1, " ")
    for where, comment in ((other, 1), (number, 2), (number, 0), (number, 2**63)):
        with pytest.raises(NotThere):
            take_back(there, "reviewer", where, comment, "不妥")
    assert said(there, number) == [("骂人", "")]
    take_back(there, "reviewer", number, 1, "不妥")
    page = Browser.before(there.portal).sign_in("shop").get(f"/entries/{number}").text
    assert "Taken back by Reviewer. 不妥" in page
    assert "骂人" not in page


def test_a_comment_is_taken_back_on_the_page_and_by_a_call(there: World, call: Call) -> None:
    number = there.publish("题", audience="everyone")
    shop = Browser.before(there.portal, "zh").sign_in("shop")
    shop.fill(f"/entries/{number}/comments", text="一")
    assert "已由Shop撤回" in shop.fill(f"/entries/{number}/comments/1/take-back").text
    call("shop", "POST", f"/entries/{number}/comments", json={"text": "二"})
    assert call("shop", "POST", f"/entries/{number}/comments/2/withdrawal", json={}).status_code == 204
    comments = call("reader", "GET", f"/entries/{number}").json()["comments"]
    assert [(one["id"], one["text"], one["taken_back"]["person"]) for one in comments] == [
        (1, "", "Shop"),
        (2, "", "Shop"),
    ]
