"""A form that is refused comes back with what was typed into it and what is wrong; passwords are never sent back."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from httpx import Response

from lepton_fed.portal.entries import writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.people.tokens import MOST
from tests.portal.browser import Browser
from tests.portal.world import World

WEAK, LONG = "short", "a long 密码 of theirs"


class Forms(HTMLParser):
    """What the fields of a page's forms hold, by where a form leads; and the summaries that are open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.of: dict[str, dict[str, str]] = {}
        self.open: set[str] = set()
        self._fields: dict[str, str] = {}
        self._folded: list[bool] = []
        self._select = self._option = self._area = ""
        self._selected = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = {key: value or "" for key, value in attributes}
        if tag == "details":
            self._folded.append("open" in has)
        elif tag == "form":
            self._fields = self.of.setdefault(has.get("action", ""), {})
            if all(self._folded):
                self.open.add(has.get("action", ""))
        elif tag == "input" and "name" in has and (has.get("type") != "checkbox" or "checked" in has):
            self._fields[has["name"]] = has.get("value", "")
        elif tag == "textarea":
            self._area = has["name"]
            self._fields[self._area] = ""
        elif tag == "select":
            self._select = has["name"]
        elif tag == "option" and self._select:
            self._option, self._selected = has.get("value", ""), "selected" in has
            self._choose(self._option)

    def handle_data(self, data: str) -> None:
        if self._area:
            self._fields[self._area] += data
        elif self._select and data.strip():
            self._choose(self._option or data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self._folded.pop()
        elif tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""

    def _choose(self, option: str) -> None:
        if self._selected or not self._fields.get(self._select):
            self._fields[self._select] = option


def fields(answer: Response, path: str) -> dict[str, str]:
    """What the form that leads there holds, but for the session's token."""
    found = Forms(answer.text)
    assert path in found.open, "the form is to be seen"
    # A browser leaves out the line end that a text begins with.
    return {name: value.removeprefix("\n") for name, value in found.of[path].items() if name != "form_token"}


def refused(there: World, name: str, path: str, sentence: str, /, **typed: str) -> Response:
    """A form that is sent, and refused with that sentence on a page."""
    answer = Browser.before(there.portal).sign_in(name).fill(path, **typed)
    assert 400 <= answer.status_code < 500
    assert re.search(f'role="alert"[^>]*>{re.escape(sentence)}</p>', answer.text)
    return answer


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "Author"}, "the name author is taken"),
        ({"name": "a b"}, "a name to sign in with has 1 to 64 letters without blanks"),
        ({"shown": "\x1b"}, "a name to show has 1 to 64 visible characters"),
        ({"password": WEAK}, "a password has 12 to 1024 characters"),
    ],
)
def test_whoever_could_not_be_added_is_still_typed_but_for_the_password(
    there: World, changed: dict[str, str], sentence: str
) -> None:
    typed = {
        "name": "wang",
        "shown": "王 & 伙伴",
        "department": "生产车间",
        "role": "approver",
        "password": LONG,
    } | changed
    answer = refused(there, "root", "/people", sentence, **typed)
    assert fields(answer, "/people") == {**typed, "password": ""}
    assert typed["password"] not in answer.text
    assert fields(answer, "/people/roles")["name"] == ""
    assert fields(answer, "/people/departments") == {"name": ""}


def test_a_role_for_nobody_says_that_nobody_has_that_name(there: World) -> None:
    typed = {"name": "Nemo", "department": "供应链部门", "role": "reviewer"}
    answer = refused(there, "root", "/people/roles", "nobody here signs in as nemo", **typed)
    assert fields(answer, "/people/roles") == typed
    assert fields(answer, "/people")["name"] == ""
    chinese = Browser.before(there.portal, "zh").sign_in("root").fill("/people/roles", **typed)
    assert (chinese.status_code, "没有人以 nemo 登录" in chinese.text) == (404, True)


def test_a_department_that_could_not_be_added_is_still_typed(there: World) -> None:
    name = "长" * 65
    answer = refused(there, "root", "/people/departments", "a name to show has 1 to 64 visible characters", name=name)
    assert fields(answer, "/people/departments") == {"name": name}


def test_a_password_that_could_not_be_set_leaves_the_form_of_that_person_open(there: World) -> None:
    number, other = (there.person(name).id for name in ("author", "reader"))
    answer = refused(
        there, "admin", f"/people/{number}/password", "a password has 12 to 1024 characters", password=WEAK
    )
    assert fields(answer, f"/people/{number}/password") == {"password": ""}
    assert f"/people/{other}/password" not in Forms(answer.text).open


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"days": "366"}, "a token lasts 1 to 365 days"),
        ({"days": "0"}, "a token lasts 1 to 365 days"),
        ({"name": "报" * 65}, "a name to show has 1 to 64 visible characters"),
    ],
)
def test_a_token_that_could_not_be_made_is_still_typed(there: World, changed: dict[str, str], sentence: str) -> None:
    typed = {"name": "报表", "days": "30", "reach": "everything"} | changed
    assert fields(refused(there, "author", "/account/tokens", sentence, **typed), "/account/tokens") == typed


def test_one_token_too_many_is_refused_as_that(there: World) -> None:
    browser = Browser.before(there.portal).sign_in("author")
    for number in range(MOST):
        browser.fill("/account/tokens", name=f"t{number}")
    answer = browser.fill("/account/tokens", name="报表")
    assert (answer.status_code, "a person has 20 tokens at most; end one first" in answer.text) == (422, True)
    assert fields(answer, "/account/tokens")["name"] == "报表"


def test_of_a_password_that_could_not_be_changed_nothing_is_sent_back(there: World) -> None:
    wrong = "the current password is not right"
    answer = refused(there, "author", "/account/password", wrong, current="a wrong one of mine", chosen=LONG)
    assert fields(answer, "/account/password") == {"current": "", "chosen": ""}
    assert "a wrong one of mine" not in answer.text and LONG not in answer.text


def test_what_was_chosen_for_a_file_of_comments_stays_chosen(there: World) -> None:
    Browser.before(there.portal).sign_in("root").fill(
        "/people/roles", name="author", department="供应链部门", role="author"
    )
    browser = Browser.before(there.portal).sign_in("author")
    for chosen in ({"department": "供应链部门", "names": "true"}, {"department": "研发部门"}):
        answer = browser.post(
            "/lessons",
            data={"form_token": browser.form, **chosen},
            files={"file": ("comments.json", json.dumps({"x": 1}).encode(), "application/json")},
        )
        assert answer.status_code == 422
        assert fields(answer, "/lessons") == {**chosen, "file": ""}


def test_an_heir_who_may_not_write_there_is_still_typed(there: World) -> None:
    path = f"/entries/{there.publish('题')}/owner"
    sentence = "an owner is somebody who may write in this department"
    for name in ("nemo", "shop", " <b> "):
        assert fields(refused(there, "author", path, sentence, name=name), path) == {"name": name}


def test_a_comment_that_is_refused_is_still_typed_on_the_entry(there: World) -> None:
    number = there.publish("题", audience="everyone")
    path, long = f"/entries/{number}/comments", "长" * 3_998 + "\r\n好<b>"
    answer = refused(there, "shop", path, "a comment has 1 to 4000 characters", text=long)
    assert fields(answer, path) == {"text": long}
    assert fields(answer, f"/entries/{number}/helped") == {}
    assert Browser.before(there.portal).sign_in("shop").fill(path, text="长" * 3_998 + "\r\n好").status_code == 200


def test_what_is_reported_and_answered_in_vain_is_still_typed(there: World) -> None:
    number = there.publish("题", audience="everyone")
    path = f"/entries/{number}/reports"
    already = "you have reported an error here already, and it is not answered yet"
    browser = Browser.before(there.portal).sign_in("shop")
    assert browser.fill(path, text="步骤二有误").status_code == 200
    assert fields(refused(there, "shop", path, already, text="步骤三\n也有误"), path) == {"text": "步骤三\n也有误"}
    early = "readers still see the revision in which the error was reported; publish a newer one first"
    answer = refused(there, "author", f"{path}/1/answer", early, verdict="fixed", reason="见修订 2")
    assert fields(answer, f"{path}/1/answer") == {"reason": "见修订 2"}


def test_what_was_typed_into_a_form_that_is_gone_meanwhile_is_still_on_the_page(there: World) -> None:
    number = there.publish("题", audience="everyone")
    path = f"/entries/{number}/reports"
    assert Browser.before(there.portal).sign_in("shop").fill(path, text="步骤二有误").status_code == 200
    late = Browser.before(there.portal).sign_in("author")
    assert late.fill(f"{path}/1/answer", verdict="no_error", reason="无误").status_code == 200
    for where, sent in ((f"{path}/1/answer", {"verdict": "no_error", "reason": "又 <b>"}), (path, {"text": "又 <b>"})):
        if where == path:
            there.send(number, "admin", "retire", reason="过时")
        answer = late.fill(where, **sent)
        assert answer.status_code == 409
        assert 'id="typed" readonly>\n又 &lt;b&gt;</textarea>' in answer.text, where


def test_a_reason_to_take_a_comment_back_is_asked_for_where_it_belongs(there: World) -> None:
    number = there.publish("题", audience="everyone")
    path = f"/entries/{number}/comments"
    for text in ("一", "二"):
        Browser.before(there.portal).sign_in("shop").fill(path, text=text)
    answer = refused(there, "admin", f"{path}/1/take-back", "give a reason", reason=" ")
    assert fields(answer, f"{path}/1/take-back") == {"reason": " "}
    assert f"{path}/2/take-back" not in Forms(answer.text).open


def test_why_an_entry_was_sent_on_in_vain_is_still_typed(there: World) -> None:
    number = there.publish("题", audience="everyone")
    path = f"/entries/{number}/move"
    answer = refused(there, "admin", path, "give a reason", move="retire", revision="1", reason=" ")
    assert answer.status_code == 422
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="新", body="文", audience="everyone"), base=1)
    late = "somebody else has saved a newer version; look at it first"
    answer = refused(there, "admin", path, late, move="retire", revision="1", reason="过时")
    assert fields(answer, path) == {"reason": "过时", "revision": "2"}
    assert "<h1>新</h1>" in answer.text, "the revision to look at"


def test_whoever_may_not_send_an_entry_on_is_told_that_and_no_more(there: World) -> None:
    number = there.publish("题", audience="everyone")
    answer = refused(there, "shop", f"/entries/{number}/move", "that is not yours to do with this entry",
                     move="retire", revision="1", reason="过时")  # fmt: skip
    assert (answer.status_code, "<textarea" in answer.text) == (403, False)
    assert Browser.before(there.portal).sign_in("shop").fill("/entries/99/comments", text="x").status_code == 404
