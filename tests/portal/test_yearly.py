"""The table for a yearly review: what it counts, who may have it, and that spreadsheets read it without harm."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lepton_fed.cli import main
from lepton_fed.portal.entries import reading
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.rights import Rights
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.standing import standing
from lepton_fed.portal.reward.yearly import Contributions, as_csv, contributions, subjects
from lepton_fed.portal.wording import wording
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]

Q4, NEXT = Quarter(2026, 4), Quarter(2027, 1)


def of(there: World, name: str, *, by: str | None = None, until: Quarter = NEXT) -> Contributions:
    with there.acting(by or name) as acting:
        return contributions(acting, name, Q4, until)


def use(there: World, name: str, number: int, *, helped: bool) -> None:
    with there.acting(name) as acting:
        reading.note_opening(acting, number)
        if helped:
            reading.note_help(acting, number)


def table(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_points_thanks_and_readers_are_counted_by_quarter_and_entry(either: World) -> None:
    first, second = either.publish("甲", audience="everyone"), either.publish("乙", audience="everyone")
    for name, number, helped in (("shop", first, True), ("reader", first, True), ("supply", second, False)):
        use(either, name, number, helped=helped)
    either.clock.now = datetime(2027, 2, 1, tzinfo=UTC)
    use(either, "supply", first, helped=True)
    found = of(either, "author")
    rows = [(str(r.quarter), r.title, r.opened, r.thanks, r.points, r.published is None) for r in found.rows]
    assert rows == [
        ("2026-4", "甲", 2, 2, 11, False),
        ("2026-4", "乙", 1, 0, 0, False),
        ("2027-1", "甲", 1, 1, 10, True),
    ]
    with either.acting("author") as acting:
        boards = [dict(standing(acting, quarter).people)["Author"].points for quarter in (Q4, NEXT)]
    assert found.points == sum(boards) == 21, "as the leaderboards have them"
    assert of(either, "author", until=Q4).points == 11
    assert of(either, "reader").rows == ()


def test_it_is_for_the_person_and_for_administrators_of_its_department(there: World) -> None:
    there.publish("甲", audience="everyone")
    for name in ("author", "admin"):
        assert len(of(there, "author", by=name).rows) == 1
    for name in ("coauthor", "reviewer", "shop-admin", "root"):
        with pytest.raises(NotThere):
            of(there, "author", by=name)
    with there.acting("admin") as acting, pytest.raises(NotThere):
        contributions(acting, "nobody", Q4, Q4)
    with there.acting("author") as acting:
        assert [one.name for one in subjects(acting)] == ["author"]
    with there.acting("admin") as acting:
        found = [one.name for one in subjects(acting)]
    assert found[0] == "admin"
    assert sorted(found) == ["admin", "author", "coauthor", "reader", "reviewer", "root"]


def test_policies_of_the_portal_say_who_else_may_appraise(there: World) -> None:
    there.publish("甲", audience="everyone")
    there.portal.rights = Rights(
        {
            "more.cedar": 'permit (principal, action == Action::"appraise", resource) '
            'when { principal.department == Department::"供应链部门" };',
            "less.cedar": 'forbid (principal, action == Action::"appraise", resource) '
            'unless { principal.department == Department::"供应链部门" };',
        }
    )
    assert len(of(there, "author", by="supply").rows) == 1
    with pytest.raises(NotThere):
        of(there, "author", by="admin")
    assert len(of(there, "author").rows) == 1, "one's own needs nobody's leave"


def test_a_title_that_whoever_asks_may_not_read_stays_out(there: World) -> None:
    with there.portal.database.writing() as connection:
        accounts.set_role(connection, there.person("author").id, "生产车间", "author")
    number = there.write("车间的机密", by="author", department="生产车间")
    there.send(number, "author", "submit")
    there.send(number, "shop-admin", "publish")
    assert [one.title for one in of(there, "author").rows] == ["车间的机密"]
    found = of(there, "author", by="admin")
    assert [(one.entry, one.title) for one in found.rows] == [(number, None)]
    assert "机密" not in as_csv(found, wording("zh")).decode("utf-8-sig")
    assert "（你无权阅读）" in as_csv(found, wording("zh")).decode("utf-8-sig")


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", '=HYPERLINK("http://x","y")', "a,b"])
def test_no_cell_is_a_formula(there: World, title: str) -> None:
    there.publish(title, audience="everyone")
    rows = table(as_csv(of(there, "author"), wording("zh")))
    assert rows[0][:3] == ["季度", "条目", "标题"]
    assert rows[1][2] == (title if title == "a,b" else f"'{title}")
    assert rows[-1][:2] == ["合计", "Author"]
    assert {len(row) for row in rows} == {9}


@pytest.mark.parametrize(("since", "until"), [(NEXT, Q4), (Quarter(2024, 4), Q4)])
def test_quarters_are_in_their_order_and_few(there: World, since: Quarter, until: Quarter) -> None:
    with there.acting("author") as acting, pytest.raises(Unacceptable):
        contributions(acting, "author", since, until)
    with there.acting("author") as acting:
        assert contributions(acting, "author", Quarter(2025, 1), Q4).rows == ()


def test_the_table_is_downloaded_from_the_page_and_by_a_call(there: World, call: Call) -> None:
    there.publish("甲", audience="everyone")
    admin = Browser.before(there.portal, "zh").sign_in("admin")
    assert '<option value="author">Author</option>' in admin.get("/rewards").text
    asked = {"person": "author", "since": "2026-1", "until": "2026-4"}
    answer = admin.get("/rewards/table", params=asked)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="contributions-2-2026-1-2026-4.csv"'
    assert table(answer.content)[1][2] == "甲"
    reader = Browser.before(there.portal).sign_in("reader")
    assert '<option value="author">' not in reader.get("/rewards").text
    assert reader.get("/rewards/table", params=asked).status_code == 404
    assert reader.get("/rewards/table").status_code == 200
    assert reader.get("/rewards/table", params={"since": "x"}).status_code == 422
    by_call = call("admin", "GET", "/rewards/table", params={"of": "author", "language": "zh"})
    assert table(by_call.content)[1] == table(answer.content)[1]
    assert call("coauthor", "GET", "/rewards/table", params={"of": "author"}).status_code == 404


def test_the_table_is_written_by_a_command(there: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there.publish("甲", audience="everyone")
    command = ["portal", "contributions", str(tmp_path / "门户"), "author", str(tmp_path / "a.csv")]
    quarters = ["--since", "2026-1", "--until", "2026-4"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--as", "admin", *quarters])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"1 row written to {tmp_path / 'a.csv'}\n")
    assert table((tmp_path / "a.csv").read_bytes())[0][0] == "Quarter"
    (tmp_path / "a.csv").unlink()
    for arguments in (["--as", "reader", *quarters], ["--as", "admin", "--since", "x", "--until", "y"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, *arguments])
        said = capsys.readouterr()
        assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert not (tmp_path / "a.csv").exists()
