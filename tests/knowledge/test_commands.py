"""The commands of the knowledge graph: help, what they do, and every mistake answered with one sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from lepton_fed.audit.entries import Decided, Entry
from lepton_fed.cli import app, main
from lepton_fed.knowledge import KnowledgeGraph
from lepton_fed.storage.docket_file import DocketFile

GROUP = get_command(app).commands["knowledge"]  # type: ignore[attr-defined]

FEDERATION = """
[federation]
name = "制造"
purpose = "选型"

[[departments]]
name = "供应链部门"

[[departments]]
name = "研发部门"

[[sharing]]
what = "u"
from = ["*"]
to = ["*"]

[[access]]
what = "u"
who = ["*"]
action = "train"

[data]
columns = [{ name = "x" }]

[data.label]
meaning = "y"

[model]
name = "linear"
"""

Said = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEPTON_FED_KNOWLEDGE", raising=False)
    (tmp_path / "federation.toml").write_text(FEDERATION, encoding="utf-8")
    (tmp_path / "a.csv").write_text("head,relation,tail\n甲,供应,轴承\n甲,类型,供应商\n", encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Said:
    code = 0
    try:
        main(["knowledge", *(str(one) for one in arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_the_help_describes_every_option_and_gives_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert f"Example: lepton-fed knowledge {name}" in out
    command = GROUP.commands[name]
    assert command.help.split()
    for parameter in command.params:
        assert parameter.help, parameter.name
        for word in parameter.help.split():
            assert word in out, (parameter.name, word)


def test_help_of_other_commands_is_still_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["provision", "--help"])
    assert "New folder for the administrator's" in " ".join(capsys.readouterr().out.split())


def test_facts_are_imported_asked_and_exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "import", "a.csv", "--department", "供应链部门") == (0, "a.csv: revision 1, 2 facts added\n", "")
    assert run(capsys, "import", "a.csv", "--department", "供应链部门") == (0, "a.csv: nothing changed\n", "")
    question = "SELECT ?x ?y { ?x r:供应 ?y }"
    code, out, _ = run(capsys, "ask", question, "--as", "供应链部门", "--form", "json")
    assert (code, json.loads(out)) == (0, {"rows": [{"x": "甲", "y": "轴承"}], "more": False})
    assert run(capsys, "ask", question, "--as", "供应链部门", "--form", "csv") == (0, "x,y\n甲,轴承\n", "")
    assert run(capsys, "ask", question, "--as", "研发部门") == (0, "x  y\n", "")
    assert run(capsys, "export", "f.nt", "--as", "供应链部门") == (0, "2 facts written to f.nt\n", "")
    assert run(capsys, "export", "g.nt", "--as", "研发部门") == (0, "0 facts written to g.nt\n", "")
    code, out, err = run(capsys, "ask", "SELECT * { ?x ?r ?y }", "--as", "供应链部门", "--rows", "1")
    assert len(out.splitlines()) == 2
    assert err == "note: there are more rows than these; --rows asks for more\n"


def test_an_owners_own_policies_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "import", "a.csv", "--department", "供应链部门")
    (folder / "own.cedar").write_text(
        'permit (principal, action in Action::"读取", resource == Relation::"供应链部门/供应");'
        'permit (principal, action == Action::"read", resource is EntityType) when { context.purpose == "选型" };',
        encoding="utf-8",
    )
    question = ("ask", "SELECT ?x { ?x r:供应 ?y }", "--as", "研发部门", "--cedar", "供应链部门=own.cedar")
    assert run(capsys, *question) == (0, "x\n甲\n", "")
    assert run(capsys, *question, "--purpose", "好奇") == (0, "x\n", "")
    (folder / "own.cedar").write_text("permit (", encoding="utf-8")
    code, out, err = run(capsys, *question)
    assert (code, out) == (0, "x\n")
    assert err.startswith("note: 供应链部门: own.cedar: ")


def test_what_a_departments_own_file_names_counts_and_each_decision_is_in_its_docket(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "import", "a.csv", "--department", "供应链部门")
    own = folder / "federation"
    own.mkdir()
    (own / "供应链部门.toml").write_text('policies = ["own.cedar"]', encoding="utf-8")
    (own / "own.cedar").write_text(
        'permit (principal, action == Action::"read", resource == Relation::"供应链部门/供应");'
        'permit (principal, action == Action::"read", resource is EntityType);',
        encoding="utf-8",
    )
    assert run(capsys, "ask", "SELECT ?x { ?x r:供应 ?y }", "--as", "研发部门") == (0, "x\n甲\n", "")
    docket = folder / "audit-keys" / "knowledge" / "供应链部门.docket"
    noted = [Entry.read(one.entry) for one in DocketFile(docket).noted()]
    said = {(one.principal, one.action, one.resource, one.allowed) for one in noted if isinstance(one, Decided)}
    assert ("研发部门", "read", "供应", True) in said
    assert ("研发部门", "read", "rdf:type", False) in said
    assert docket.stat().st_mode & 0o777 == 0o600
    docket.unlink()
    docket.mkdir()  # What cannot be noted is not answered.
    code, out, err = run(capsys, "ask", "SELECT ?x { ?x r:供应 ?y }", "--as", "研发部门")
    assert (code, out) == (2, "")
    assert "供应链部门.docket" in err


def test_departments_are_introduced_privately_as_far_as_the_policies_permit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.csv").write_text("head,relation,tail\n（甲）,交付,样品\n（甲）,类型,供应商\n", encoding="utf-8")
    run(capsys, "import", "a.csv", "--department", "供应链部门")
    (folder / "elsewhere").mkdir()
    run(capsys, "import", "b.csv", "--department", "研发部门", "--database", "elsewhere/b.sqlite")
    asked = ("join", "研发部门", "供应链部门", "--private", "--database", "elsewhere/b.sqlite", "--other-database")
    code, out, err = run(capsys, *asked, "knowledge.sqlite")
    assert (code, out) == (2, "")
    assert "it has no entity of which its policies let 研发部门 know" in err
    permits = 'permit (principal, action == Action::"publish", resource is EntityType);'
    (folder / "own.cedar").write_text(permits, encoding="utf-8")
    both = ("--cedar", "供应链部门=own.cedar", "--cedar", "研发部门=own.cedar")
    code, out, err = run(capsys, *asked, "knowledge.sqlite", *both)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "1 in common, 1 proposed to 供应链部门"
    assert "proposed  private  甲 (供应链部门) = (甲) (研发部门)" in out
    # What each decided lies beside its own facts.
    assert [one.name for one in folder.glob("audit-keys/knowledge/*.docket")] == ["供应链部门.docket"]
    assert [one.name for one in folder.glob("elsewhere/audit-keys/knowledge/*.docket")] == ["研发部门.docket"]
    assert run(capsys, "join", "研发部门", "--private")[2].count("name two departments") == 1


def test_every_source_of_a_departments_own_file_is_imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own.toml").write_text('[[knowledge]]\npath = "a.csv"\nname = "目录"\n', encoding="utf-8")
    arguments = ("import", "own.toml", "--own", "--department", "供应链部门", "--by", "王芳", "--reason", "初次")
    assert run(capsys, *arguments) == (0, "目录: revision 1, 2 facts added\n", "")
    _, out, _ = run(capsys, "revisions")
    assert out.split()[-4:] == ["供应链部门", "目录", "王芳", "初次"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ask", "SELECT * {}", "--as", "研发部门"), "knowledge.sqlite does not exist"),
        (("import", "b.csv", "--department", "供应链部门"), "b.csv does not exist; correct `path`"),
        (("import", "a.docx", "--department", "供应链部门"), "the suffix of 'a.docx' says no format"),
        (("import", "a.csv", "--department", "x", "--literal", "y"), "--literal is written COLUMN=TYPE"),
        (("import", "a.csv", "--department", "x", "--type", "y"), "type and literals belong to a table with a subject"),
        (("import", "a.csv", "--department", "x", "--database", "sqlite://"), "needs a file of its own name"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ask", "--as", "研发部门"), "ask a question, or say --who-knows"),
        (("ask", "SELECT", "--as", "研发部门"), "no SPARQL that can be answered"),
        (("ask", "SELECT * {}", "--as", "销售"), "has no department '销售'"),
        (("ask", "SELECT * {}", "--as", "研发部门", "--cedar", "x"), "--cedar is written OWNER=FILE.cedar"),
        (("ask", "SELECT * {}", "--as", "研发部门", "--cedar", "研发部门=no.cedar"), "there is no such file"),
        (("join", "供应链部门", "销售"), "name two departments whose facts are here: 供应链部门"),
        (("join", "--accept", "3"), "there is no match 3"),
        (("retract", "--department", "供应链部门"), "say which facts to retract"),
        (("restore", "9", "--department", "供应链部门"), "供应链部门 has no revision 9"),
        (("check", "--rules", "no.toml"), "there is no such file"),
        (("export", "a.docx", "--as", "研发部门"), "facts are written as .ttl"),
    ],
)
def test_a_mistake_about_facts_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    run(capsys, "import", "a.csv", "--department", "供应链部门")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    with KnowledgeGraph(folder / "knowledge.sqlite") as graph:
        assert len(graph.revisions()) == 1


def test_facts_edited_by_hand_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    run(capsys, "import", "a.csv", "--department", "供应链部门")
    with sqlite3.connect("knowledge.sqlite") as connection:
        connection.execute("UPDATE knowledge_fact SET head = '乙' WHERE relation = '供应'")
    assert run(capsys, "revisions")[0] == 0
    code, _, err = run(capsys, "revisions", "--verify")
    assert code == 2
    assert "facts of revision 1 are no longer those it recorded" in err


def test_without_the_extra_one_sentence_says_so(folder: Path) -> None:
    code = "import sys; sys.modules['pyoxigraph'] = None; from lepton_fed.cli import main; main()"
    arguments = ["knowledge", "import", "a.ttl", "--department", "x"]
    (folder / "a.ttl").write_text("", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert re.fullmatch(r"lepton-fed: .*pyoxigraph, which is not installed.*\n", done.stderr)
