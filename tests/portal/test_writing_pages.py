"""What is typed into a form of an entry is not lost, and nothing is saved that its author has not seen."""

from __future__ import annotations

import re
from html import unescape

from tests.portal.browser import Browser
from tests.portal.world import World


def hidden(page: str) -> dict[str, str]:
    """What a page's forms send that nobody typed."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


def body(there: World, number: int) -> str:
    from lepton_fed.portal.entries import reading

    with there.acting("author") as acting:
        return reading.opened(acting, number, newest=True).revision.body


def test_whoever_saves_later_sees_what_was_changed_meanwhile_and_saves_over_it(there: World) -> None:
    number = there.write("题", "一")
    path = f"/entries/{number}/edit"
    later, first = Browser.before(there.portal).sign_in("author"), Browser.before(there.portal).sign_in("coauthor")
    began = hidden(later.get(path).text)
    for k in (1, 2):
        assert first.fill(path, title="题", body=f"二{k}", base=k).status_code == 200
    told = later.fill(path, **began, title="题", body="我的")
    assert told.status_code == 409 and "我的</textarea>" in told.text
    assert "in the place of revision 3" in told.text
    link = f'href="/entries/{number}/differences?older=1&amp;newer=3" target="_blank" rel="noopener"'
    assert link in told.text
    assert later.get(f"/entries/{number}/differences?older=1&newer=3").status_code == 200
    assert first.fill(path, title="题", body="三", base=3).status_code == 200
    again = later.fill(path, **hidden(told.text), title="题", body="我的")
    assert again.status_code == 409 and "differences?older=1&amp;newer=4" in again.text
    assert later.fill(path, **hidden(again.text), title="题", body="我的").status_code == 200
    assert body(there, number) == "我的"


def test_a_form_that_says_nothing_of_a_revision_links_to_none(there: World) -> None:
    number = there.write("题", "一")
    told = Browser.before(there.portal).sign_in("author").fill(f"/entries/{number}/edit", title="题", body="文", base=9)
    assert told.status_code == 409 and "differences" not in told.text
    assert hidden(told.text)["base"] == "1"
