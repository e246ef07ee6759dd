"""docs/portal-console.md: its commands can be called, its policies be used, its calls are those that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the extra `portal` is not installed")

from typer.main import get_command

from lepton_fed.cli import app
from lepton_fed.portal.federation.rights import Member
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights
from lepton_fed.portal.web import draft_api
from lepton_fed.portal.web.federation_api import router
from lepton_fed.portal.web.federation_shapes import DecisionTaken

PAGE = (Path(__file__).parents[2] / "docs" / "portal-console.md").read_text(encoding="utf-8")
FOUND = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
BLOCKS = {kind: "".join(text for other, text in FOUND if other == kind) for kind, _ in FOUND}


def test_the_commands_have_these_options() -> None:
    commands = get_command(app).commands["portal"].commands  # type: ignore[attr-defined]
    lines = re.findall(r"^\$ lepton-fed portal (\w+) (.*)$", BLOCKS["console"], flags=re.MULTILINE)
    assert [name for name, _ in lines] == ["serve", "serve", "draft", "draft"]
    for name, line in lines:
        context = commands[name].make_context(name, shlex.split(line))
        assert context.params["watch"] is not None
    assert all(option in PAGE for option in ("--watch", "--runs", "--runs-database"))


def test_the_commands_that_pages_stand_for_exist() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"\| ([^|]*) \|$", PAGE[PAGE.index("| page |") : PAGE.index("Everything is read")], re.MULTILINE)
    for words in (one.split() for cell in named for one in re.findall(r"`([\w ]+)`", cell)):
        group = known.get(words[0])
        assert group is not None or words[0] in ("approve", "decline", "export", "keys", "prove"), words
        assert len(words) == 1 or words[1] in group.commands


def test_the_policies_do_what_the_page_says() -> None:
    rights = Rights({"page.cedar": BLOCKS["cedar"]})

    def person(home: str, **roles: str) -> Person:
        return Person(id=1, name="x", shown="X", department=home, roles=roles)

    members = (Member("实验室"), Member("研发部门"))
    assert rights.may_any(person("审计部门"), "watch", members)
    assert rights.may_any(person("别处", 研发部门="reader"), "watch", members)
    assert not rights.may_any(person("研发部门"), "watch", members)
    gate = Member("实验室", "质量经理")
    assert not rights.may(person("实验室", 实验室="approver"), "decide", gate)
    assert rights.may(person("实验室", 实验室="administrator"), "decide", gate)
    assert rights.may(person("实验室", 实验室="approver"), "decide", Member("实验室", "厂长"))
    assert not rights.may(person("审计部门"), "inspect", Member("实验室"))


def test_the_calls_are_those_that_there_are() -> None:
    calls = [*router.routes, *draft_api.router.routes]
    there = {route.path.removeprefix("/api/federation") for route in calls}  # type: ignore[attr-defined]
    told = PAGE[PAGE.index("## By calls") :]
    named = {path for path in re.findall(r'`(?:POST )?(""|/[\w/{}-]+)`', told) if path != "/api/federation"}
    assert {"" if path == '""' else path for path in named} == there
    DecisionTaken.model_validate(json.loads(BLOCKS["json"]))
