"""What the federation says is said in Chinese on Chinese pages, and as ever on English ones."""

from __future__ import annotations

import html
import re

from sqlalchemy import text

from lepton_fed.portal.federation.watched import Watched
from lepton_fed.storage import schema, sqlite_url
from tests.audit.example import unguarded
from tests.portal.browser import Browser
from tests.portal.world import World

ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b")
"""Three words in a row."""


def page(world: World, path: str, language: str = "zh") -> str:
    answer = Browser.before(world.portal, language).sign_in("approver").get(f"/federation{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def said(shown: str) -> str:
    """A page without its signs, and without what is on every page."""
    main = shown.partition("<main")[2].partition("</main>")[0]
    return html.unescape(re.sub(r"<svg.*?</svg>|<[^>]*>", "\n", main, flags=re.DOTALL))


def edit_log(watched: Watched, *statements: str) -> None:
    database = schema.opened(sqlite_url(watched.runs / "lepton-fed.sqlite"), patience=10, durable=False)
    unguarded(database)
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.close()


def test_the_verdict_is_said_in_the_readers_language(watching: World) -> None:
    shown = page(watching, "/audit/verdict")
    assert '<span lang="en">' not in shown
    assert "条都与协调者签名时一致" in shown
    assert not ENGLISH.search(said(shown))
    assert "entries is as the coordinator signed it" in page(watching, "/audit/verdict", "en")


def test_what_is_wrong_with_a_log_is_said_in_the_readers_language(watching: World, watched: Watched) -> None:
    edit_log(
        watched,
        "DELETE FROM audit_entry WHERE number = 3",
        "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE number = 2) WHERE number = 1",
    )
    shown = page(watching, "/audit/verdict")
    assert '<span lang="en">' not in shown
    assert "条目 3 被删除：后面接着的是条目 4" in shown
    assert re.search("条目 1（[^）]*）被改动过：它的散列与一起保存的不同", shown)
    assert not ENGLISH.search(said(shown))
    english = page(watching, "/audit/verdict", "en")
    assert "entry 3 was dropped: entry 4 follows" in english
    assert re.search(r"entry 1 \([^)]*\) was edited: it does not give the hash kept with it", english)
