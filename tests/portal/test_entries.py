"""The way of an entry: who may send it where, what readers see meanwhile, and that nothing is lost on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import product

import pytest

from lepton_fed.portal.entries import access, reading, states, writing
from lepton_fed.portal.entries.content import LONGEST_BODY, Content
from lepton_fed.portal.entries.states import Mover
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, PortalError, Sensitive, Unacceptable
from lepton_fed.portal.finding.search import Asked, find
from lepton_fed.portal.people.rights import Rights
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.standing import standing
from lepton_fed.storage.portal_entry_tables import MOVES, STATES
from tests.portal.world import World


def state(there: World, number: int) -> tuple[str, int | None, int]:
    with there.acting("author") as acting:
        entry = access.seen(acting, number).entry
        return entry.state, entry.published, entry.newest


def revise(there: World, number: int, by: str, body: str, base: int) -> int:
    with there.acting(by) as acting:
        return writing.revise(acting, number, Content.given(title="题", body=body), base=base)


def body_for(there: World, name: str, number: int) -> str:
    with there.acting(name) as acting:
        return reading.opened(acting, number).revision.body


# ---------------------------------------------------------------- the table of states


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("move", MOVES)
def test_a_move_that_is_not_in_the_table_is_refused(before: str, move: str) -> None:
    everything = Mover(writes=True, reviews=True, wrote=False)
    if (before, move) in states.TABLE:
        assert states.after(before, move, everything, "why") == states.TABLE[before, move].after
    else:
        with pytest.raises(Conflict):
            states.after(before, move, everything, "why")


@pytest.mark.parametrize("mover", [Mover(*of) for of in product((False, True), repeat=4)])
def test_what_is_offered_is_what_is_allowed(mover: Mover) -> None:
    for before, move in states.TABLE:
        offered = move in states.moves(before, mover)
        try:
            states.after(before, move, mover, "why")
        except (Forbidden, Conflict):
            assert not offered
        else:
            assert offered


def test_every_state_and_move_of_the_database_is_known() -> None:
    assert {before for before, _ in states.TABLE} | {rule.after for rule in states.TABLE.values()} == set(STATES)
    assert {move for _, move in states.TABLE} == set(MOVES)


# ---------------------------------------------------------------- two persons


@pytest.mark.parametrize("name", ["reviewer", "admin"])
def test_nobody_publishes_what_they_wrote_whatever_else_they_are(there: World, name: str) -> None:
    number = there.write("题", by=name)
    there.send(number, name, "submit")
    with pytest.raises(Forbidden, match="somebody else decides"):
        there.send(number, name, "publish")
    assert state(there, number) == ("in_review", None, 1)


def test_nobody_publishes_a_text_in_which_a_revision_is_theirs(there: World) -> None:
    number = there.write("题")
    revise(there, number, "reviewer", "改", 1)
    revise(there, number, "author", "再改", 2)
    there.send(number, "author", "submit")
    with pytest.raises(Forbidden):
        there.send(number, "reviewer", "publish")
    assert there.send(number, "admin", "publish") == "published"
    # What was published stands: only what came since counts.
    revise(there, number, "author", "新", 3)
    there.send(number, "author", "submit")
    assert there.send(number, "reviewer", "publish") == "published"


def test_who_may_only_write_does_not_publish_and_who_may_only_read_does_not_submit(there: World) -> None:
    number = there.publish("题", audience="everyone")
    revise(there, number, "author", "改", 1)
    there.send(number, "author", "submit")
    for name in ("coauthor", "reader", "shop", "shop-admin"):
        with pytest.raises(Forbidden):
            there.send(number, name, "publish", revision=2)


def test_changes_are_requested_with_a_reason_and_then_made(there: World) -> None:
    number = there.write("题")
    there.send(number, "author", "submit")
    with pytest.raises(Unacceptable, match="give a reason"):
        there.send(number, "reviewer", "request_changes")
    assert there.send(number, "reviewer", "request_changes", reason="太短") == "changes_requested"
    with there.acting("author") as acting:
        assert [entry.id for entry in reading.to_do(acting).drafts] == [number]
        said = reading.moves(acting, access.seen(acting, number))
    assert (said[0].move, said[0].text, said[0].person) == ("request_changes", "太短", "Reviewer")
    revise(there, number, "author", "更长", 1)
    assert state(there, number) == ("draft", None, 2)


# ---------------------------------------------------------------- for whom a text will be


RULES = """
forbid (principal, action == Action::"review", resource) when { resource.audience == "everyone" }
unless { principal.administrator.contains(resource.department) };
forbid (principal, action == Action::"write", resource) when { resource.audience == "everyone" }
unless { principal.reviewer.contains(resource.department) || principal.department == Department::"供应链部门" };
"""


def widened(there: World) -> int:
    """Published for the department, and submitted for everybody by the administrator."""
    there.portal.rights = Rights({"own.cedar": RULES})
    number = there.publish("题", "内部")
    with there.acting("admin") as acting:
        writing.revise(acting, number, Content.given(title="题", body="公开", audience="everyone"), base=1)
    there.send(number, "admin", "submit")
    return number


def test_rights_are_asked_for_the_readers_that_a_text_will_have(there: World) -> None:
    number = widened(there)
    with pytest.raises(Forbidden):
        there.send(number, "reviewer", "publish")
    with there.acting("reviewer") as acting:
        assert reading.to_do(acting).reviews == []
    assert state(there, number) == ("in_review", 1, 2)


def test_a_draft_for_others_is_not_there_for_whoever_may_not_work_for_them(there: World) -> None:
    number = widened(there)
    assert body_for(there, "author", number) == "内部"
    with there.acting("author") as acting:
        found = access.seen(acting, number)
        assert not found.works
        assert [one.number for one in access.revisions(acting, found)] == [1]
        with pytest.raises(NotThere):
            access.revision(acting, found, 2)


def test_an_old_draft_for_others_is_not_there_either(there: World) -> None:
    number = widened(there)
    there.send(number, "admin", "take_back")
    with there.acting("admin") as acting:
        writing.revise(acting, number, Content.given(title="题", body="又内部"), base=2)
    with there.acting("author") as acting:
        found = access.seen(acting, number)
        assert found.works
        assert [one.number for one in access.revisions(acting, found)] == [3, 1]


# ---------------------------------------------------------------- what stands still, and what is lost


def test_a_text_stands_still_while_it_is_reviewed(there: World) -> None:
    number = there.write("题", "甲")
    there.send(number, "author", "submit")
    with pytest.raises(Conflict, match="being reviewed"):
        revise(there, number, "author", "乙", 1)
    there.send(number, "author", "take_back")
    assert revise(there, number, "author", "乙", 1) == 2


def test_two_authors_at_once_do_not_overwrite_each_other(there: World) -> None:
    number = there.write("题")
    revise(there, number, "coauthor", "先", 1)
    with pytest.raises(Conflict, match="newer version"):
        revise(there, number, "author", "后", 1)
    there.send(number, "author", "submit")
    with pytest.raises(Conflict):
        there.send(number, "reviewer", "publish", revision=1)


def test_readers_see_what_is_published_until_the_next_is(there: World) -> None:
    number = there.publish("题", "甲")
    revise(there, number, "author", "乙", 1)
    assert body_for(there, "reader", number) == "甲"
    there.send(number, "author", "submit")
    there.send(number, "reviewer", "request_changes", reason="不")
    assert body_for(there, "reader", number) == "甲"
    with there.acting("reader") as acting:
        with pytest.raises(NotThere):
            reading.opened(acting, number, newest=True)
        assert [one.number for one in access.revisions(acting, access.seen(acting, number))] == [1]


def test_an_old_revision_comes_back_as_a_new_one(there: World) -> None:
    number = there.publish("题", "甲")
    revise(there, number, "author", "乙", 1)
    with there.acting("author") as acting:
        assert writing.restore(acting, number, 1, base=2, note="恢复") == 3
    with there.acting("author") as acting:
        seen = access.seen(acting, number)
        found = [access.revision(acting, seen, one.number) for one in access.revisions(acting, seen)]
    assert [(one.number, one.body) for one in found] == [(3, "甲"), (2, "乙"), (1, "甲")]


def test_a_list_holds_the_newest_so_many_and_no_text(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = there.publish("题")
    for base in (1, 2, 3):
        revise(there, number, "author", "改", base)
    with there.acting("author") as acting:
        for said in "甲乙丙":
            reading.comment(acting, number, said)
        for module in (access, reading):
            monkeypatch.setattr(module, "MOST_LISTED", 2)
        seen = access.seen(acting, number)
        assert [one.number for one in access.revisions(acting, seen)] == [4, 3]
        assert not hasattr(access.revisions(acting, seen)[0], "body")
        assert [one.text for one in reading.comments(acting, number)] == ["乙", "丙"]
        writing.move(acting, number, "submit", revision=4)
        assert [one.move for one in reading.moves(acting, seen)] == ["submit", "publish"]


def test_an_earlier_revision_is_for_those_that_it_was_published_for(there: World) -> None:
    number = there.publish("题", "内部细节")
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="题", body="公开", audience="everyone"), base=1)
    there.send(number, "author", "submit")
    there.send(number, "reviewer", "publish")
    with there.acting("shop") as acting:
        found = access.seen(acting, number)
        assert [one.number for one in access.revisions(acting, found)] == [2]
        with pytest.raises(NotThere):
            access.revision(acting, found, 1)


def test_what_is_retired_is_gone_for_readers_and_can_be_revised(there: World) -> None:
    number = there.publish("题")
    there.send(number, "reviewer", "retire", reason="过时")
    with there.acting("reader") as acting, pytest.raises(NotThere):
        access.seen(acting, number)
    revise(there, number, "author", "新", 1)
    assert state(there, number) == ("draft", None, 2)


def test_what_has_expired_comes_back_until_somebody_confirms_it(there: World) -> None:
    number = there.publish("题")
    waiting: Callable[[str], list[int]] = lambda name: _stale(there, name)  # noqa: E731
    assert waiting("author") == []
    there.clock.forward(days=181)
    assert (waiting("author"), waiting("reviewer"), waiting("reader")) == ([number], [number], [])
    there.send(number, "author", "confirm")
    assert waiting("author") == waiting("reviewer") == []


def test_a_draft_keeps_nobody_from_taking_down_what_readers_see(there: World) -> None:
    number = there.publish("题", "泄露")
    revise(there, number, "author", "草稿", 1)
    there.send(number, "author", "submit")
    assert there.send(number, "reviewer", "retire", reason="泄露") == "in_review"
    assert state(there, number) == ("in_review", None, 2)
    with there.acting("reader") as acting:
        assert find(acting, Asked(text="泄露")).total == 0
        with pytest.raises(NotThere):
            access.seen(acting, number)
    with there.acting("reviewer") as acting:
        said = reading.moves(acting, access.seen(acting, number))[0]
        assert (said.move, said.revision) == ("retire", 1)
    with pytest.raises(Conflict):
        there.send(number, "reviewer", "confirm")
    assert there.send(number, "reviewer", "publish") == "published"


def test_what_stands_only_as_a_draft_is_titled_and_kept_like_that(there: World) -> None:
    number = there.publish("旧", tags=["旧"])
    with there.acting("author") as acting:
        text = Content.given(title="新", body="公开", tags=["新"], audience="everyone")
        writing.revise(acting, number, text, base=1)
    there.send(number, "author", "retire", reason="过时")
    with there.acting("author") as acting:
        found = reading.opened(acting, number)
        assert (found.entry.title, found.entry.shelf) == ("新", found.revision.shelf)


def test_what_has_expired_is_told_of_and_confirmed_beside_a_draft(there: World) -> None:
    number = there.publish("题")
    revise(there, number, "author", "草稿", 1)
    there.clock.forward(days=181)
    assert _stale(there, "reviewer") == [number]
    assert there.send(number, "reviewer", "confirm") == "draft"
    assert _stale(there, "reviewer") == []


def test_an_entry_holds_from_its_publication_on(there: World) -> None:
    number = there.write("题")
    there.clock.forward(days=200)
    there.send(number, "author", "submit")
    there.send(number, "admin", "publish")
    assert _stale(there, "author") == []
    there.clock.forward(days=181)
    assert _stale(there, "author") == [number]


def test_a_draft_does_not_say_how_long_what_readers_see_holds(there: World) -> None:
    number = there.publish("题")
    before = there.clock.now.date() + writing.HOLDS
    later = before + timedelta(days=900)
    with there.acting("author") as acting:
        writing.revise(acting, number, Content.given(title="题", body="文", review_by=later), base=1)
    assert _review_by(there, number) == before
    there.send(number, "author", "submit")
    there.send(number, "reviewer", "publish")
    assert _review_by(there, number) == later


def _review_by(there: World, number: int) -> date | None:
    with there.acting("author") as acting:
        return access.seen(acting, number).entry.review_by


def _stale(there: World, name: str) -> list[int]:
    with there.acting(name) as acting:
        return [entry.id for entry in reading.to_do(acting).stale]


# ---------------------------------------------------------------- what is handed in


def test_nothing_sensitive_is_saved_before_its_author_has_said_so(there: World) -> None:
    text = Content.given(title="题", body="电话13812345678")
    with pytest.raises(Sensitive), there.acting("author") as acting:
        writing.begin(acting, "研发部门", "note", text)
    with there.acting("author") as acting:
        assert reading.to_do(acting).drafts == []
        masked = writing.begin(acting, "研发部门", "note", text, sensitive="mask")
        kept = writing.begin(acting, "研发部门", "note", text, sensitive="keep")
        found = [reading.opened(acting, number).revision for number in (masked, kept)]
    assert [(one.body, one.masked, one.kept) for one in found] == [
        ("电话138****5678", 1, 0),
        ("电话13812345678", 0, 1),
    ]


def test_what_is_written_without_being_asked_is_masked_at_once(there: World) -> None:
    text = Content.given(title="题", body="文", tags=["13812345678"])
    with there.acting("author") as acting:
        number = writing.begin(acting, "研发部门", "note", text)
        writing.revise(acting, number, text, base=1, note="见13812345678")
        writing.move(acting, number, "submit", revision=2, reason="密码：hunter2x")
        reading.comment(acting, number, "打13812345678")
        found = reading.opened(acting, number)
        assert (found.revision.tags, found.revision.masked, found.revision.note) == (
            ("138****5678",),
            1,
            "见138****5678",
        )
        assert reading.comments(acting, number)[0].text == "打138****5678"
        assert reading.moves(acting, found.access)[0].text == "密码：****"


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "题\n"},
        {"title": "x" * 201},
        {"body": " \n"},
        {"body": "x" * (LONGEST_BODY + 1)},
        {"tags": ("x" * 41,)},
        {"audience": "world"},
        {"audience": "named"},
        {"named": ("a",)},
    ],
)
def test_content_checks_itself(wrong: dict[str, object]) -> None:
    with pytest.raises(PortalError):
        Content(**{"title": "题", "body": "文", **wrong})  # type: ignore[arg-type]


def test_content_is_cleaned_of_what_cannot_be_seen_or_stored() -> None:
    made = Content.given(title=" a\x00\n b ", body="x\r\ny\x08\ud800", tags="甲，乙, 甲;;")
    assert (made.title, made.body, made.tags) == ("a b", "x\ny?", ("甲", "乙"))


@pytest.mark.parametrize("part", ["title", "body", "tags"])
def test_content_has_no_more_marks_on_a_letter_than_can_be_composed_at_once(part: str) -> None:
    text = {"title": "题", "body": "文", "tags": ""}
    Content.given(**{**text, part: "e" + "\u0301" * 30})  # type: ignore[arg-type]
    with pytest.raises(Unacceptable):
        Content.given(**{**text, part: "e" + "\u0301" * 20_000 + "\u0327" * 20_000})  # type: ignore[arg-type]


def test_whoever_may_not_write_has_no_text_looked_through(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Content, "found", lambda self: pytest.fail("looked through"))
    with pytest.raises(Forbidden), there.acting("reader") as acting:
        writing.begin(acting, "研发部门", "note", Content.given(title="题", body="文"))


def test_an_entry_is_written_for_ones_own_department_and_for_departments_that_there_are(there: World) -> None:
    text = Content.given(title="题", body="文")
    for department, content in {"生产车间": text, "无": text}.items():
        with pytest.raises(PortalError), there.acting("author") as acting:
            writing.begin(acting, department, "note", content)
    with pytest.raises(Unacceptable), there.acting("author") as acting:
        named = Content.given(title="题", body="文", audience="named", named=["无"])
        writing.begin(acting, "研发部门", "note", named)
    with pytest.raises(Forbidden), there.acting("reader") as acting:
        writing.begin(acting, "研发部门", "note", text)


def test_an_owner_is_somebody_who_may_write_there(there: World) -> None:
    number = there.publish("题", audience="everyone")
    with there.acting("author") as acting:
        for name in ("shop-author", "reader", "nobody"):
            with pytest.raises(PortalError):
                writing.give(acting, number, name)
        writing.give(acting, number, "coauthor")
        assert access.seen(acting, number).entry.owner == there.person("coauthor").id
        said = reading.moves(acting, access.seen(acting, number))[0]
        assert (said.move, said.person, said.text) == ("give", "Author", "Coauthor")


def test_nobody_takes_a_colleagues_entry(there: World) -> None:
    number = there.publish("题")
    with there.acting("coauthor") as acting, pytest.raises(Forbidden):
        writing.give(acting, number, "coauthor")
    with there.acting("reviewer") as acting:
        writing.give(acting, number, "coauthor")


def test_an_owner_that_cannot_be_is_one_answer_whether_there_is_such_a_person_or_not(there: World) -> None:
    number = there.publish("题")
    said = []
    for name in ("shop", "nobody", "a b", "x" * 500):
        with there.acting("author") as acting, pytest.raises(Unacceptable) as told:
            writing.give(acting, number, name)
        said.append(str(told.value))
    assert len(set(said)) == 1


def test_help_is_for_whoever_owned_the_entry_then(there: World) -> None:
    number = there.publish("题", audience="everyone")
    with there.acting("shop") as acting:
        reading.note_help(acting, number)
    with there.acting("author") as acting:
        writing.give(acting, number, "coauthor")
    with there.acting("supply") as acting:
        reading.note_help(acting, number)
        found = standing(acting, Quarter.of(there.clock.now))
    assert {name: score.points for name, score in found.people} == {"Author": 10, "Coauthor": 10}


def test_help_that_was_noted_meanwhile_is_not_counted_twice(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = there.publish("题", audience="everyone")
    with there.acting("shop") as acting:
        before = reading.opened(acting, number)
        reading.note_help(acting, number)
        monkeypatch.setattr(reading, "opened", lambda *given: before)
        assert reading.note_help(acting, number) == 1
        assert access.seen(acting, number).entry.helped == 1


def test_help_counts_each_person_once_and_never_the_writers(there: World) -> None:
    number = there.publish("题", audience="everyone")
    for name, count in (("shop", 1), ("shop", 1), ("reader", 2), ("supply", 3)):
        with there.acting(name) as acting:
            assert reading.note_help(acting, number) == count
    with there.acting("author") as acting, pytest.raises(Forbidden):
        reading.note_help(acting, number)
