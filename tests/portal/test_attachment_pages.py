"""Files on their way in and out: by a form, by a call, in ranges; never larger or more powerful than they may be."""

from __future__ import annotations

import re

import pytest
from httpx import Response
from starlette.requests import Request

from lepton_fed.portal.attachments import attached, kinds
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.web import attachment_answers, attachment_api, guard
from lepton_fed.portal.web.guard import HEADERS, LARGEST, LARGEST_TEXT
from tests.portal.browser import Browser
from tests.portal.pictures import film, picture, sound
from tests.portal.test_api import Call, call
from tests.portal.test_attachments import add, on_disk, save
from tests.portal.world import World

__all__ = ["call"]


def sent(
    browser: Browser, entry: int, name: str, content: bytes, *, script: bool = False, **fields: object
) -> Response:
    form = {"form_token": browser.form, "title": "题目", "body": "打了一半", "base": "1", "attached": "0", **fields}
    headers = {"HX-Request": "true"} if script else {}
    file = {"file": (name, content, "text/html")}
    return browser.post(f"/entries/{entry}/attachments", data=form, files=file, headers=headers)


def test_a_file_is_added_on_the_form_which_keeps_what_was_typed(there: World) -> None:
    browser, entry = Browser.before(there.portal).sign_in("author"), there.write("题")
    answer = sent(browser, entry, "齿轮.jpg", picture())
    assert answer.status_code == 200, answer.text
    assert "打了一半" in answer.text
    (one,) = re.findall(r'name="attached" value="([1-9]\d*)" checked', answer.text)
    assert "attachment:齿轮.jpg" in answer.text
    refused = sent(browser, entry, "齿轮.svg", b"<svg/>", attached=["0", one])
    assert refused.status_code == 422
    assert "打了一半" in refused.text
    assert f'value="{one}" checked' in refused.text
    body = "看![齿轮](attachment:齿轮.jpg)"
    path = f"/entries/{entry}"
    shown = browser.fill(f"{path}/edit", title="题目", body=body, base=1, attached=["0", one], audience="everyone")
    assert f'<img src="{path}/attachments/{one}" alt="齿轮" loading="lazy">' in shown.text
    assert f'<img src="{path}/attachments/{one}"' in browser.fill("/entries/preview", body=body, entry=entry).text
    assert "<img" not in browser.fill("/entries/preview", body=body).text
    assert f'value="{one}" checked' in browser.get(f"{path}/edit").text
    assert Browser.before(there.portal).sign_in("shop").get(f"{path}/attachments/{one}").status_code == 404


def test_a_script_is_given_the_list_alone_also_with_what_went_wrong(there: World) -> None:
    browser, entry = Browser.before(there.portal).sign_in("author"), there.write("题")
    answer = sent(browser, entry, "a.jpg", picture(), script=True)
    assert answer.text.startswith('<fieldset id="attachments">')
    answer = sent(browser, entry, "a.html", b"<script>", script=True)
    assert answer.status_code == 200
    assert "a file is PNG" in answer.text
    assert browser.post(f"/entries/{entry}/attachments", data={"form_token": browser.form}).status_code == 422


def test_an_attachment_is_removed_on_the_form(there: World) -> None:
    browser, entry = Browser.before(there.portal).sign_in("author"), there.write("题")
    one = add(there, entry, picture())
    save(there, entry, one.id)
    path = f"{one.path}/remove"
    answer = browser.fill(path, title="题", body="打了一半", base=2, attached=["0", one.id])
    assert (answer.status_code, "打了一半" in answer.text) == (409, True)
    save(there, entry)
    assert browser.fill(path, title="题", body="x", base=3).status_code == 403
    reviewer = Browser.before(there.portal).sign_in("reviewer")
    assert reviewer.fill(path, title="题", body="x", base=3).status_code == 200
    assert on_disk(there) == []
    assert browser.get(one.path).status_code == 404


@pytest.fixture
def shown(there: World) -> tuple[World, str, bytes]:
    """A sound that is published for everybody, and its path."""
    entry = there.publish("题", audience="everyone")
    one = add(there, entry, sound(), "声音.wav")
    save(there, entry, one.id, audience="everyone")
    there.send(entry, "author", "submit")
    there.send(entry, "admin", "publish")
    return there, one.path, sound()


def test_a_recording_can_be_wound(shown: tuple[World, str, bytes]) -> None:
    there, path, whole = shown
    browser = Browser.before(there.portal).sign_in("shop")
    for asked, code, given in (
        (None, 200, whole),
        ("bytes=0-9", 206, whole[:10]),
        ("bytes=100-", 206, whole[100:]),
        ("bytes=-7", 206, whole[-7:]),
        ("bytes=0-1,5-6", 200, whole),
        ("bytes=5-5", 206, whole[5:6]),
        ("bytes=5-4", 200, whole),
        ("bytes= 5 - 4", 200, whole),
        ("bytes=" + "0-," * 5000 + "0-1", 200, whole),
    ):
        answer = browser.get(path, headers={"Range": asked} if asked else {})
        assert (answer.status_code, answer.content) == (code, given), asked
    part = browser.get(path, headers={"Range": "bytes=5-9"})
    assert part.headers["content-range"] == f"bytes 5-9/{len(whole)}"
    assert browser.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_a_file_is_answered_so_that_nothing_in_it_can_act(shown: tuple[World, str, bytes]) -> None:
    there, path, _ = shown
    headers = Browser.before(there.portal).sign_in("shop").get(path).headers
    assert headers["content-type"] == "audio/wav"
    assert headers["content-disposition"] == "inline; filename*=utf-8''%E5%A3%B0%E9%9F%B3.wav"
    assert headers["content-security-policy"] == attachment_answers.POLICY
    assert headers["content-security-policy"].endswith("; sandbox allow-same-origin")
    assert all(headers[name] == value for name, value in HEADERS.items() if name != "Content-Security-Policy")
    assert headers["cache-control"] == "no-store"
    entry = there.write("题")
    pdf = add(there, entry, b"%PDF-1.7", "报告.pdf")
    answer = Browser.before(there.portal).sign_in("author").get(pdf.path)
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_readers_see_a_recording_with_the_entry(shown: tuple[World, str, bytes]) -> None:
    there, path, _ = shown
    page = Browser.before(there.portal).sign_in("shop").get(path.partition("/attachments")[0]).text
    assert f'<audio class="shown" src="{path}"' in page


def test_only_a_file_may_be_larger_than_a_form_and_no_file_larger_than_its_kind(
    there: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, entry = Browser.before(there.portal).sign_in("author"), there.write("题")
    monkeypatch.setattr(attachment_answers, "LARGEST", 2 * LARGEST)
    monkeypatch.setattr(guard, "LARGEST_FILE", 2 * LARGEST)
    pdf = b"%PDF-1.7" + bytes(LARGEST)
    assert sent(browser, entry, "a.pdf", pdf).status_code == 200
    assert sent(browser, entry, "a.pdf", b"%PDF" + bytes(3 * LARGEST)).status_code == 413
    at, name = f"/entries/{entry}/attachments", {"name": "a.pdf"}
    assert call("author", "POST", at, params=name, content=b"%PDF" + bytes(4 * LARGEST)).status_code == 413
    pieces = iter([b"%PDF", *([bytes(65536)] * 40)])
    assert call("author", "POST", at, params=name, content=pieces).status_code == 422
    form = LARGEST + LARGEST_TEXT
    assert browser.fill(f"/entries/{entry}/edit", body="x" * form).status_code == 413
    assert browser.fill(f"/entries/{entry}/attachments/1/remove", body="x" * form).status_code == 413
    wav = next(kind for kind in kinds.KINDS.values() if kind.media_type == "audio/wav")
    object.__setattr__(wav, "largest", 100)
    try:
        assert (
            call("author", "POST", at, params={"name": "a.wav"}, content=sound()).json()["error"] == "attachment_size"
        )
    finally:
        object.__setattr__(wav, "largest", 50 * LARGEST)
    assert [path.stat().st_size for path in on_disk(there)] == [len(pdf)]


def test_who_may_not_add_a_file_is_told_before_it_is_read(
    there: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object) -> None:
        raise AssertionError("it is read")

    hidden, visible = there.publish("机密"), there.publish("题", audience="everyone")
    browser = Browser.before(there.portal).sign_in("shop")
    monkeypatch.setattr(attachment_api, "received", unread)
    monkeypatch.setattr(Request, "form", unread)
    for entry, code in ((hidden, 404), (visible, 403)):
        at = f"/entries/{entry}/attachments"
        assert call("shop", "POST", at, params={"name": "x"}, content=b"%PDF").status_code == code
        assert sent(browser, entry, "x", b"%PDF").status_code == code
        stranger = Browser.before(there.portal)
        assert stranger.post(f"/api{at}?name=x", content=b"%PDF").status_code == 401
        assert stranger.post(at, files={"file": b"%PDF" + bytes(LARGEST)}).status_code == 401
    assert on_disk(there) == []


def test_attachments_go_their_way_by_calls(there: World, call: Call) -> None:
    entry = there.write("题")
    at = f"/entries/{entry}/attachments"
    made = call("author", "POST", at, params={"name": "录像.mp4"}, content=film())
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["name"], one["type"], one["revisions"]) == ("录像.mp4", "video/mp4", [])
    text = {"title": "题", "body": "![x](attachment:录像.mp4)", "base": 1, "attachments": [one["id"]]}
    assert call("author", "POST", f"/entries/{entry}/revisions", json=text).status_code == 201
    assert [k["revisions"] for k in call("author", "GET", at).json()] == [[2]]
    got = call("author", "GET", f"{at}/{one['id']}")
    assert len(got.content) == one["size"] == len(film())
    assert got.headers["content-type"] == "video/mp4"
    assert call("author", "DELETE", f"{at}/{one['id']}").status_code == 409
    other = call("author", "POST", at, params={"name": "b.wav"}, content=sound()).json()["id"]
    assert call("author", "DELETE", f"{at}/{other}").status_code == 204
    assert call("author", "GET", f"{at}/{other}").status_code == 404
    assert call("shop", "GET", at).status_code == 404


def test_what_a_reader_is_told_of_attachments_is_what_is_published_for_them(there: World, call: Call) -> None:
    entry = there.publish("题", audience="everyone")
    one, waits = add(there, entry, picture()), add(there, entry, sound(), "a.wav")
    save(there, entry, one.id, audience="everyone")
    there.send(entry, "author", "submit")
    there.send(entry, "admin", "publish")
    save(there, entry, one.id, waits.id, audience="everyone")
    at = f"/entries/{entry}/attachments"
    assert [(k["id"], k["revisions"]) for k in call("shop", "GET", at).json()] == [(one.id, [2])]
    assert [(k["id"], k["revisions"]) for k in call("author", "GET", at).json()] == [(one.id, [3, 2]), (waits.id, [3])]
    page = Browser.before(there.portal).sign_in("shop").get(f"/entries/{entry}").text
    assert waits.path not in page
    with there.acting("shop") as acting, pytest.raises(NotThere):
        attached.seen(acting, entry, waits.id)
