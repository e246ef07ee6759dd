"""docs/deploy.md and its Chinese form say what there is: commands, settings of time, sentences of the program."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
import typer

from lepton_fed import cli, running
from lepton_fed.deploy import commands
from tests.docs.following import EVERYWHERE, blocks
from tests.installed import ROOT

PAGES = ("deploy.md", "deploy.zh-CN.md")
PARTIES = ("administrator", "coordinator", "生产车间-L", "生产车间-M", "生产车间-H", "研发部门")


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


PAGE = text_of("deploy.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_where_it_is_typed(page: str) -> None:
    found = blocks(text_of(page))
    assert found
    for block in found:
        assert block[0].startswith("# ")
        assert any(name in block[0] for name in (EVERYWHERE, *PARTIES)), block[0]


def test_the_pages_of_both_languages_have_the_same_commands() -> None:
    english, chinese = (blocks(text_of(page)) for page in PAGES)
    assert english == chinese


def test_every_command_of_a_deployed_federation_is_in_the_page() -> None:
    typed = "\n".join(line for block in blocks(PAGE) for line in block)
    for command in (*running.COMMANDS, *commands.COMMANDS):
        name = command.__name__.replace("_", "-")
        assert f"lepton-fed {name} " in (PAGE if name == "local" else typed), name


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_of_time_is_in_the_page_and_there_are_five_at_most(page: str) -> None:
    settings = {
        f"{name} {option.opts[0]}"
        for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
        for option in command.params
        if re.match("Seconds|Days", getattr(option, "help", None) or "")
    } | {"rounds.deadline"}
    assert set(re.findall(r"^\| `([^`]+)`.*\| \d+ \|", text_of(page), re.MULTILINE)) == settings
    assert len(settings) <= 5


@cache
def said() -> str:
    """All texts of the program, one a line; where something is filled in there is a gap."""
    found = []
    for folder in ("lepton_fed", "server", "clients"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append("…".join(str(p.value) for p in node.values if isinstance(p, ast.Constant)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_the_sentences_in_the_table_of_failures_are_the_programs(page: str) -> None:
    quoted = [words for words in re.findall(r"^\| `([^`{]+)` \|", text_of(page), re.MULTILINE) if words.count(" ") > 1]
    pieces = {piece.strip(" ():;") for words in quoted for piece in re.split(r"…|status \d+", words)} - {""}
    assert len(pieces) > 15
    assert [piece for piece in pieces if piece not in said()] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_the_page_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text_of(page))
    headings = {
        re.sub("[^\\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall("^#+ (.*)", text_of(page), re.M)
    }
    for file, anchor in links:
        assert not file or (ROOT / "docs" / file).exists(), file
        assert file or anchor in headings, anchor
