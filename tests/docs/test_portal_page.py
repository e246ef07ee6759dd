"""docs/portal.md: its commands say what it says, its policies can be used, its program finds what was published."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the extra `portal` is not installed")

from lepton_fed.cli import main
from lepton_fed.portal.entries import access, writing
from lepton_fed.portal.identity.provider import provider_of
from lepton_fed.portal.people import accounts, tokens
from lepton_fed.portal.people.departments import add_department
from lepton_fed.portal.people.rights import Rights
from lepton_fed.portal.portal import Portal

PAGE = (Path(__file__).parents[2] / "docs" / "portal.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)(?: (\S+))?\n(.*?)```", PAGE, flags=re.DOTALL)
PASSWORD = "a long 密码 for this page"


def of(kind: str) -> list[str]:
    return [text for found, _, text in BLOCKS if found == kind]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEPTON_FED_PORTAL_DATABASE", raising=False)
    for _, name, text in BLOCKS:
        if name:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_commands_say_what_the_page_says(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = 0
    for block in of("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, says = part.partition("\n")
            program, *arguments = shlex.split(command)
            assert program == "lepton-fed"
            monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
            with contextlib.suppress(SystemExit):
                main(arguments)
            said = capsys.readouterr()
            assert (said.err, said.out) == ("", says), arguments
            asked += 1
    assert asked == 9
    assert (workplace / "portal-backup.zip").stat().st_mode & 0o777 == 0o600


def test_the_policies_can_be_used() -> None:
    (policies,) = of("cedar")
    Rights({"page.cedar": policies})


def test_the_identity_provider_can_be_used(workplace: Path) -> None:
    (workplace / "identity.secret").write_text("x")
    (workplace / "identity.secret").chmod(0o600)
    found = provider_of(workplace)
    assert found is not None
    assert found.roles is not None


@pytest.mark.long
def test_the_portal_is_served_and_the_program_finds_what_was_published(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = published(workplace / "portal")
    command = next(line for block in of("sh") for line in block.splitlines() if line.startswith("lepton-fed"))
    arguments = shlex.split(command.replace("8443", "0"))[1:]
    running = subprocess.Popen([sys.executable, "-m", "lepton_fed", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        address = re.search(r"https://localhost:\d+", running.stderr.readline())
        assert address is not None
        known: dict[str, object] = {}
        exec(compile(of("python")[0], "portal.md", "exec"), known)
        found = known["search"](address[0], secret, "振动", "portal/tls/ca.crt")  # type: ignore[operator]
        assert found == ["齿轮箱质检"]
    finally:
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=120)[1]
    assert "Traceback" not in said


def published(folder: Path) -> str:
    """A portal with the page's entry published; returns a token."""
    from lepton_fed.portal.entries.markdown_files import imported

    with Portal.opened(folder) as portal:
        with portal.database.writing() as connection:
            add_department(connection, "研发部门", portal.clock())
            for name in ("wangfang", "lilei"):
                made = accounts.add_person(
                    connection, name=name, shown=name, department="研发部门", password="-", now=portal.clock()
                )
                accounts.set_role(connection, made.id, "研发部门", "administrator")
            author, reviewer = (accounts.named(connection, name) for name in ("wangfang", "lilei"))
        (number,) = imported(portal, author, Path("notes"), "研发部门", "ask")
        with portal.writing(author) as acting:
            writing.move(acting, number, "submit", revision=1)
        with portal.writing(reviewer) as acting:
            assert writing.move(acting, number, "publish", revision=1) == "published"
            assert access.seen(acting, number).entry.published == 1
            return tokens.make(acting.connection, reviewer.id, "page", 1, acting.now)
