"""What is looked at before a review: what blocks, what warns, and that nobody learns of hidden entries."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import delete, update

from lepton_fed.portal.entries import quality, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.markdown import rendered
from lepton_fed.portal.entries.quality import Check
from lepton_fed.portal.entries.tables import REVISION
from lepton_fed.portal.errors import NotThere, Unready
from lepton_fed.portal.finding import sketch
from lepton_fed.portal.people import accounts
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.world import World

__all__ = ["call"]

LONG = "轴承的润滑每班检查一次，油位低于下限时停机补油，并把时间和数量记入台账；高于八十度时通知工程师。"
OTHER = "The supplier sends drawings as PDF; check the revision before you order, and keep the old one for a year."


def found(there: World, name: str, number: int) -> list[tuple[str, str]]:
    with there.acting(name) as acting:
        return [(one.kind, one.what) for one in quality.of_newest(acting, number)]


def test_a_good_text_has_nothing_to_put_right(either: World) -> None:
    other = either.publish("图纸", OTHER, audience="everyone")
    number = either.write(
        "润滑", f"# 检查\n\n{LONG}\n\n见[图纸](/entries/{other})与[上文](#检查)，[外部](https://example.com/x#y)。"
    )
    assert found(either, "author", number) == []


def test_links_that_lead_nowhere_are_named(there: World) -> None:
    other = there.publish("图纸", f"# 版本 A\n\n{OTHER}", audience="everyone")
    draft = there.write("未完", LONG)
    dead = ["/entries/987654321", f"/entries/{draft}", "images/a.png", "../notes/b.md", "/entries/99999999999999999999"]
    good = [f"/entries/{other}", f"{other}", f"/entries/{other}/history", f"/entries/{other}#版本-a", "/search?q=x"]
    places = ["#没有", f"/entries/{other}#版本-b"]
    number = there.write("润滑", LONG + "\n\n" + " ".join(f"[x]({one})" for one in [*dead, *good, *places]))
    expected = [*(("link", one) for one in dead), *(("place", one) for one in places)]
    assert found(there, "author", number) == expected


def test_a_link_to_a_heading_leads_there_and_no_heading_takes_a_name_of_the_page() -> None:
    html = rendered("# Main\n\n[a](#main) [b](/entries/3#x)\n\n## Main")
    assert '<h2 id="text-main">' in html
    assert '<h3 id="text-main-1">' in html
    assert 'href="#text-main"' in html
    assert 'href="/entries/3#text-x"' in html


def test_a_text_that_is_there_already_is_named_by_its_title_and_how_alike_it_is(either: World) -> None:
    body = f"{LONG}\n\n{OTHER}\n\n" + "".join(random.Random(3).choices("检修传感器标定误差阈值工艺焊接涂装", k=300))
    other = either.publish("润滑规程", body, audience="everyone")
    number = either.write("润滑规程", body.replace("八十度", "七十五度"))
    with either.acting("author") as acting:
        (one,) = quality.of_newest(acting, number)
    assert (one.kind, one.what, one.entry, one.blocks) == ("duplicate", "润滑规程", other, False)
    assert 90 <= one.percent < 100
    assert found(either, "author", other) == [], "no entry is a duplicate of itself"
    either.send(other, "admin", "retire", reason="旧")
    assert found(either, "author", number) == []


@pytest.mark.parametrize("changed", [0.0, 0.1, 0.5, 1.0])
def test_texts_are_alike_as_far_as_they_share_what_they_say(there: World, changed: float) -> None:
    chance, signs = random.Random(5), "检修传感器标定误差阈值工艺焊接涂装配库存采购训练验证发布"
    body = "".join(chance.choices(signs, k=600))
    kept = int(len(body) * (1 - changed))
    there.publish("甲", body, audience="everyone")
    number = there.write("甲", body[:kept] + "".join(chance.choices(signs, k=len(body) - kept)))
    alike = {kind for kind, _ in found(there, "author", number)} == {"duplicate"}
    assert alike == (changed <= 0.1)


def test_of_an_entry_that_somebody_may_not_read_nothing_is_said(there: World) -> None:
    hidden = there.publish("车间的机密", LONG + OTHER, by="shop-author")
    number = there.write("润滑", f"{LONG}{OTHER}\n\n[x](/entries/{hidden}) [y](/entries/987654321)")
    seen = found(there, "author", number)
    assert seen == [("link", f"/entries/{hidden}"), ("link", "/entries/987654321")], "as if it were not there"
    page = Browser.before(there.portal).sign_in("author").get(f"/entries/{number}").text
    assert "车间的机密" not in page
    with there.portal.database.writing() as connection:
        accounts.set_role(connection, there.person("author").id, "生产车间", "reader")
    assert ("duplicate", "车间的机密") in found(there, "author", number)


def test_authors_are_told_where_readers_see_a_text_as_it_was_typed(there: World, call: Call) -> None:
    number = there.write("长", "*a" * 40_000)
    assert {"kind": "plain", "blocks": False, "what": "", "entry": None, "percent": 0} in call(
        "author", "GET", f"/entries/{number}/checks"
    ).json()
    assert "as it was typed" in Browser.before(there.portal).sign_in("author").get(f"/entries/{number}").text


def test_a_call_tells_of_an_attachment_that_is_not_there(there: World, call: Call) -> None:
    number = there.write("短", "[图](attachment:none.png)")
    answer = call("author", "GET", f"/entries/{number}/checks").json()
    assert ("file", "attachment:none.png") in [(one["kind"], one["what"]) for one in answer]


def test_what_was_found_is_for_those_who_work_on_it(there: World, call: Call) -> None:
    number = there.publish("短", "短", audience="everyone")
    assert call("shop", "GET", f"/entries/{number}/checks").json() == []
    assert call("author", "GET", f"/entries/{number}/checks").json() == [
        {"kind": "thin", "blocks": False, "what": "", "entry": None, "percent": 0}
    ]
    assert 'id="checks"' not in Browser.before(there.portal).sign_in("shop").get(f"/entries/{number}").text
    draft = there.write("草稿")
    with there.acting("shop") as acting, pytest.raises(NotThere):
        quality.of_newest(acting, draft)


def test_an_owner_whose_account_is_closed_blocks_until_there_is_another(there: World) -> None:
    number = there.write("润滑", LONG)
    with there.portal.database.writing() as connection:
        accounts.set_active(connection, there.person("author").id, False)
    for name in ("coauthor", "admin"):
        with pytest.raises(Unready):
            there.send(number, name, "submit")
    with there.acting("reviewer") as acting:
        writing.give(acting, number, "coauthor")
    assert there.send(number, "coauthor", "submit") == "in_review"
    with there.portal.database.writing() as connection:
        accounts.set_role(connection, there.person("coauthor").id, "研发部门", "reader")
    with pytest.raises(Unready):
        there.send(number, "reviewer", "publish")


def test_text_that_looks_sensitive_blocks_unless_its_author_kept_it(there: World) -> None:
    with there.acting("author") as acting:
        content = Content.given(title="润滑", body=f"{LONG} 13812345678")
        kept = writing.begin(acting, "研发部门", "note", content, sensitive="keep")
    number = there.write("润滑", LONG)
    with there.portal.database.writing() as connection:
        # As if a rule had come after it was saved.
        changed = update(REVISION).where(REVISION.c.entry == number)
        connection.execute(changed.values(body=f"{LONG} 13812345678 和 13912345678"))
    assert found(there, "author", number) == [("unmasked", "2")]
    with pytest.raises(Unready):
        there.send(number, "author", "submit")
    assert there.send(kept, "author", "submit") == "in_review"


def test_author_and_reviewer_read_what_was_found_in_their_language(there: World) -> None:
    there.publish("润滑规程", LONG + OTHER, audience="everyone")
    number = there.write("润滑 <b>", LONG + OTHER + "[x](nowhere/&lt;b.md)")
    there.send(number, "author", "submit")
    for name, language, says in (("author", "en", "This link leads to no"), ("reviewer", "zh", "此链接指向的条目")):
        page = Browser.before(there.portal, language).sign_in(name).get(f"/entries/{number}?newest=1").text
        assert says in page
        assert "润滑规程</a>" in page
        assert "nowhere/&lt;b.md" in page
    there.send(number, "reviewer", "publish")
    assert 'id="checks"' not in Browser.before(there.portal).sign_in("author").get(f"/entries/{number}").text


def test_a_refusal_says_that_something_is_to_be_put_right(there: World, call: Call) -> None:
    number = there.write("润滑", LONG)
    with there.portal.database.writing() as connection:
        accounts.set_active(connection, there.person("author").id, False)
    answer = call("admin", "POST", f"/entries/{number}/moves", json={"move": "submit", "revision": 1})
    assert (answer.status_code, answer.json()["error"]) == (409, "unready")
    browser = Browser.before(there.portal).sign_in("admin")
    assert "has to be put right" in browser.fill(f"/entries/{number}/move", move="submit", revision=1).text
    assert "give it another owner" in browser.get(f"/entries/{number}").text


def test_sketches_that_are_missing_are_made_when_a_portal_is_opened(either: World) -> None:
    body = LONG + OTHER
    either.publish("甲", body, audience="everyone")
    number = either.write("甲", body)
    with either.portal.database.writing() as connection:
        connection.execute(delete(sketch.SKETCH))
    assert found(either, "author", number) == []
    with either.portal.database.writing() as connection:
        either.portal.prepare(connection)
    assert [kind for kind, _ in found(either, "author", number)] == ["duplicate"]


def test_what_blocks_is_what_the_table_says() -> None:
    assert [kind for kind in quality.KINDS if Check(kind).blocks] == ["owner", "unmasked"]
