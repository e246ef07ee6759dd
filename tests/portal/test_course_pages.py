"""Courses on pages and by calls: from a new one to who was there, and nothing for whom it is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from lepton_fed.portal.courses import enrolment
from tests.portal.browser import Browser
from tests.portal.test_api import Call, call
from tests.portal.test_courses import begun, change, content, enrolled, scheduled
from tests.portal.test_security import filled, routes
from tests.portal.world import World

__all__ = ["call"]

WHEN = {"begins": "2026-12-05T14:00", "ends": "2026-12-05T16:00", "zone": "Asia/Shanghai", "place": "一号会议室"}


def test_a_course_goes_its_way_on_pages(there: World) -> None:
    entry = there.publish("轴承", audience="everyone")
    author, shop = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("shop")
    fields = {"title": "入门", "about": "**先**读", "audience": "everyone", "entries": f"{entry} 轴承\n"}
    made = author.fill("/courses/new", **fields, department="研发部门")
    assert made.status_code == 200, made.text
    path = made.url.path
    assert "<strong>先</strong>" in made.text
    wrong = author.fill(f"{path}/sessions", **WHEN, teacher="nobody", capacity=1)
    assert (wrong.status_code, "一号会议室" in wrong.text) == (422, True)
    said = author.fill(f"{path}/sessions", **WHEN, teacher="shop", capacity=1)
    assert "2026-12-05 14:00–16:00, Asia/Shanghai (UTC+08:00)" in said.text
    assert 'datetime="2026-12-05T06:00:00+00:00"' in said.text
    assert "入门" in shop.get("/courses").text
    assert "read since the day you enrolled" in shop.get(path).text
    assert "0 of 1 entry read, 0 of 0 sessions attended" in shop.fill(f"{path}/enrol").text
    assert "you have a seat" in shop.fill(f"{path}/sessions/1/seat", taken="true").text
    shop.get(f"/entries/{entry}")
    assert "1 of 1 entry read" in shop.get(path).text
    supply = Browser.before(there.portal).sign_in("supply")
    supply.fill(f"{path}/enrol")
    full = supply.fill(f"{path}/sessions/1/seat", taken="true")
    assert (full.status_code, "all seats are taken" in full.text) == (409, True)
    assert supply.get(f"{path}/progress").status_code == 403
    early = shop.fill(f"{path}/sessions/1/attendance", came=there.person("supply").id)
    assert (early.status_code, "not begun" in early.text) == (409, True)
    there.clock.now = datetime(2026, 12, 5, 7, 0, tzinfo=UTC)
    shop = Browser.before(there.portal).sign_in("shop")
    marked = shop.fill(f"{path}/sessions/1/attendance", came=[there.person("supply").id, there.person("shop").id])
    assert marked.text.count(" checked") == 2
    assert "100 %" in shop.get(f"{path}/progress").text
    author = Browser.before(there.portal).sign_in("author")
    fields["base"] = base(author.get(f"{path}/edit").text)
    assert author.fill(f"{path}/edit", **fields, opened="false").status_code == 200
    assert "closed for new people" in Browser.before(there.portal).sign_in("reader").get(path).text
    bad = author.fill(f"{path}/edit", **{**fields, "entries": "none of these"})
    assert (bad.status_code, "none of these is no entry" in bad.text) == (422, True)


@pytest.mark.parametrize("seats", ["1e1", "many", "2.5", "-3", "0", "1001", "", "9" * 30, "²"])
def test_a_number_of_seats_that_is_none_is_refused_within_the_form(there: World, seats: str) -> None:
    path = f"/courses/{begun(there)}"
    author = Browser.before(there.portal).sign_in("author")
    refused = author.fill(f"{path}/sessions", **WHEN, teacher="reader", capacity=seats)
    assert (refused.status_code, "write their number in digits" in refused.text) == (422, True)
    assert all(f'value="{typed}"' in refused.text for typed in (*WHEN.values(), "reader", seats))
    assert author.fill(f"{path}/sessions", **WHEN, teacher="reader", capacity=" 12 ").url.path == path


def test_of_two_authors_who_edit_a_course_the_later_is_told_and_keeps_what_they_typed(there: World, call: Call) -> None:
    at = f"/courses/{begun(there)}"
    first, second = (Browser.before(there.portal).sign_in(name) for name in ("author", "coauthor"))
    before = [base(one.get(f"{at}/edit").text) for one in (first, second)]
    fields = {"about": "读", "audience": "everyone", "entries": ""}
    assert first.fill(f"{at}/edit", **fields, title="先到", base=before[0]).url.path == at
    late = second.fill(f"{at}/edit", **fields, title="后到", base=before[1])
    assert (late.status_code, "newer version" in late.text, 'value="后到"' in late.text) == (409, True, True)
    assert (base(late.text), f'href="{at}/edit"' in late.text) == (before[1], True)
    for none in ("", "yesterday", before[0][:10]):
        assert second.fill(f"{at}/edit", **fields, title="后到", base=none).status_code == 409, none
    assert "先到" in second.get(at).text
    assert second.fill(f"{at}/edit", **fields, title="后到", base=base(second.get(f"{at}/edit").text)).url.path == at
    seen = call("author", "GET", at).json()["course"]
    new = {"title": "三", "about": "读", "audience": "everyone", "entries": []}
    assert seen["title"] == "后到"
    assert call("author", "PUT", at, json=new).status_code == 422
    assert call("author", "PUT", at, json={**new, "base": seen["changed"]}).status_code == 204
    refused = call("author", "PUT", at, json={**new, "base": seen["changed"]})
    assert (refused.status_code, refused.json()["error"]) == (409, "changed_meanwhile")


def base(text: str) -> str:
    """What a page with the form of a course brings back with it."""
    found = re.search(r'name="base" value="([^"]+)"', text)
    assert found is not None, text
    return found[1]


def ticked(text: str) -> set[str]:
    """Who is ticked on a page of attendance."""
    return set(re.findall(r'name="came" value="(\d+)" checked', text))


def shown(text: str) -> str:
    """Who was ticked when the page was made, as its form brings back."""
    found = re.search(r'name="shown" value="([\d ]*)"', text)
    assert found is not None, text
    return found[1]


def test_two_people_say_who_came_and_neither_takes_back_what_the_other_said(there: World, call: Call) -> None:
    course = begun(there)
    at = f"/courses/{course}/sessions/{scheduled(there, course, teacher='shop')}/attendance"
    enrolled(there, course, "reader", "shop", "supply")
    reader, shop, supply = (str(there.person(name).id) for name in ("reader", "shop", "supply"))
    there.clock.now = datetime(2026, 12, 5, 7, 0, tzinfo=UTC)
    teacher, admin = (Browser.before(there.portal).sign_in(name) for name in ("shop", "admin"))
    opened = {one: one.get(at).text for one in (teacher, admin)}
    assert ticked(teacher.fill(at, came=[reader], shown=shown(opened[teacher])).text) == {reader}
    both = admin.fill(at, came=[supply], shown=shown(opened[admin])).text
    assert (ticked(both), shown(both)) == ({reader, supply}, " ".join(sorted((reader, supply), key=int)))
    assert ticked(teacher.fill(at, came=[supply], shown=shown(both)).text) == {supply}
    full = teacher.fill(at, came=[supply, *range(10_000, 12_000)], shown=shown(both))
    assert (full.status_code, ticked(full.text)) == (422, {supply}), "so many are read, and are nobody"
    assert call("admin", "PUT", at, json={"people": [int(shop)], "shown": []}).status_code == 204
    assert ticked(admin.get(at).text) == {shop, supply}
    assert call("admin", "PUT", at, json={"people": [int(reader)]}).status_code == 204
    assert ticked(admin.get(at).text) == {reader}


def test_ticks_are_kept_where_one_of_them_is_refused(there: World) -> None:
    course = begun(there)
    at = f"/courses/{course}/sessions/{scheduled(there, course)}/attendance"
    enrolled(there, course, "reader", "shop")
    reader, shop = (str(there.person(name).id) for name in ("reader", "shop"))
    there.clock.now = datetime(2026, 12, 5, 7, 0, tzinfo=UTC)
    admin = Browser.before(there.portal).sign_in("admin")
    before = shown(admin.get(at).text)
    with there.acting("shop") as acting:
        enrolment.leave(acting, course)
    refused = admin.fill(at, came=[reader, shop], shown=before)
    assert (refused.status_code, "not on the list" in refused.text, ticked(refused.text)) == (422, True, {reader})
    assert ticked(admin.fill(at, came=[reader], shown=shown(refused.text)).text) == {reader}


def test_the_page_of_attendance_has_a_form_only_where_somebody_may_be_marked(there: World) -> None:
    course = begun(there)
    at = [f"/courses/{course}/sessions/{scheduled(there, course)}/attendance" for _ in range(2)]
    enrolled(there, course, "shop")
    author, admin = (Browser.before(there.portal, "zh").sign_in(name) for name in ("author", "admin"))
    ahead = admin.get(at[0]).text
    assert ("课次尚未开始" in ahead, "Shop" in ahead, 'name="came"' in ahead, "保存" in ahead) == (
        True,
        True,
        False,
        False,
    )
    sent = admin.fill(at[0], came=there.person("shop").id)
    assert (sent.status_code, sent.text.count("课次尚未开始"), 'name="came"' in sent.text) == (409, 1, False)
    author.fill(at[0].replace("attendance", "cancel"))
    there.clock.now = datetime(2026, 12, 5, 7, 0, tzinfo=UTC)
    admin.sign_in("admin")
    cancelled, begun_ = (admin.get(one).text for one in at)
    assert ("课次已取消" in cancelled, "Shop" in cancelled, 'name="came"' in cancelled) == (True, True, False)
    assert ("课次尚未开始" in begun_, "课次已取消" in begun_, 'name="came"' in begun_) == (False, False, True)


def test_a_course_is_not_there_for_another_department_on_any_path(there: World, call: Call) -> None:
    course = begun(there, title="机密课", audience="department")
    session = scheduled(there, course)
    enrolled(there, course, "reader")
    bodies: dict[tuple[str, str], dict[str, object]] = {
        ("PUT", ""): {"title": "x", "about": "y", "base": "2026-11-30T08:00:00Z", "entries": []},
        ("POST", "/sessions"): {**WHEN, "teacher": "shop", "capacity": 3},
        ("PUT", f"/sessions/{session}/attendance"): {"people": []},
    }
    tried = 0
    for name in ("shop", "shop-admin", "root"):
        browser = Browser.before(there.portal).sign_in(name)
        form = {"form_token": browser.form, "title": "x", "about": "y", **WHEN, "teacher": "shop", "capacity": 3}
        for method, path in routes(there):
            if "/courses/{course}" not in path:
                continue
            at = filled(path.replace("{course}", str(course)).replace("{session}", str(session)), 1)
            if path.startswith("/api"):
                sent = bodies.get((method, at.removeprefix(f"/api/courses/{course}")))
                answer = call(name, method, at.removeprefix("/api"), json=sent)
            else:
                answer = browser.get(at) if method == "GET" else browser.post(at, data=form)
            assert answer.status_code == 404, (name, method, at, answer.text)
            assert "机密课" not in answer.text
            tried += 1
        assert "机密课" not in browser.get("/courses").text
    assert tried == 3 * 22


def test_the_list_of_courses_lets_people_leave_one_that_is_no_longer_for_them(there: World) -> None:
    course = begun(there, title="机密课")
    enrolled(there, course, "shop")
    with there.acting("author") as acting:
        change(acting, course, content("机密课", audience="department"), opened=True, entries=[])
    shop = Browser.before(there.portal).sign_in("shop")
    listed = shop.get("/courses").text
    assert (f"Course {course}" in listed, "机密课" in listed) == (True, False)
    left = shop.post(f"/courses/{course}/leave", data={"form_token": shop.form})
    assert "No longer for you" not in shop.get("/courses").text, left.text


def test_courses_are_called(there: World, call: Call) -> None:
    entry = there.publish("轴承", audience="everyone")
    new = {"department": "研发部门", "title": "入门", "about": "读", "audience": "everyone"}
    made = call("author", "POST", "/courses", json=new)
    assert made.status_code == 201, made.text
    at = f"/courses/{made.json()['id']}"
    seen = {"base": call("author", "GET", at).json()["course"]["changed"]}
    assert call("author", "PUT", at, json={**new, **seen, "entries": [entry]}).status_code == 204
    session = call("author", "POST", f"{at}/sessions", json={**WHEN, "teacher": "author", "capacity": 2})
    assert session.status_code == 201, session.text
    seat = f"{at}/sessions/{session.json()['id']}/seat"
    assert call("shop", "PUT", seat).status_code == 403
    assert call("shop", "PUT", f"{at}/enrolment").status_code == 204
    assert call("shop", "PUT", seat).status_code == 204
    found = call("shop", "GET", at).json()
    assert (found["progress"]["entries"], found["sessions"][0]["mine"]) == (1, True)
    assert found["sessions"][0]["begins"] == "2026-12-05T06:00:00Z"
    assert call("shop", "DELETE", seat).status_code == 204
    assert [one["id"] for one in call("shop", "GET", "/courses").json()] == [made.json()["id"]]
    there.clock.now = datetime(2026, 12, 5, 7, 0, tzinfo=UTC)
    listed = f"{at}/sessions/{session.json()['id']}/attendance"
    (one,) = call("author", "GET", listed).json()
    assert (one["name"], one["seat"], one["attended"]) == ("Shop", False, False)
    assert call("author", "PUT", listed, json={"people": [one["person"]]}).status_code == 204
    assert call("author", "GET", f"{at}/progress").json()[0]["share"] == 50
    assert call("shop", "GET", f"{at}/progress").status_code == 403
    assert call("author", "DELETE", f"{at}/sessions/{session.json()['id']}").status_code == 409
    later = {**WHEN, "begins": "2026-12-06T14:00", "ends": "2026-12-06T16:00", "teacher": "author", "capacity": 2}
    ahead = call("author", "POST", f"{at}/sessions", json=later).json()["id"]
    assert call("author", "DELETE", f"{at}/sessions/{ahead}").status_code == 204
    assert call("shop", "DELETE", f"{at}/enrolment").status_code == 204
    assert call("shop", "GET", at).json()["progress"] is None
