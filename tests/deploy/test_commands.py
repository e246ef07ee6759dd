"""The commands: what an administrator and a department type, from the first kit to a revoked one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lepton_fed.config import Federation
from lepton_fed.deploy import DepartmentKit
from lepton_fed.deploy.commands import COMMANDS, register
from lepton_fed.errors import ConfigError, LeptonError
from tests.federations import FOUR


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    register(made)
    return made


def run(app: typer.Typer, *arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(done.exception, LeptonError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_every_command_has_help_and_an_example_that_names_it(app: typer.Typer) -> None:
    for command, example in COMMANDS.items():
        name = command.__name__.replace("_", "-")
        assert example.startswith(f"lepton-fed {name} ")
        assert example in " ".join(run(app, name, "--help").split())


def test_from_a_request_to_a_revoked_department(app: typer.Typer, federation: Federation, tmp_path: Path) -> None:
    own, kits = tmp_path / "own", tmp_path / "kits"
    said = run(app, "request", FOUR[0], "--out", own)
    mine = re.search(r"telephone: (.*)", said)
    assert mine is not None
    said = run(app, "provision", federation.path, "--out", kits, "--requests", own)
    assert f"compare with {FOUR[0]} by telephone: {mine[1]}" in said
    administrator = re.search(r"to compare: (.*)", said)
    assert administrator is not None
    kit = kits / "departments" / FOUR[0]
    assert f"{kit}  (without keys)" in said
    assert "ready" in run(app, "accept", kit, own, "--fingerprint", administrator[1])
    with pytest.raises(ConfigError, match="fingerprint"):
        run(app, "accept", kit, own, "--fingerprint", mine[1])
    assert administrator[1] in run(app, "accept", kit, own)

    assert "serial 2" in run(app, "rotate", kits / "administrator", FOUR[1])
    assert "serial 3" in run(app, "revoke", kits / "administrator", FOUR[2])
    update = kits / "administrator" / "updates" / "000003.update"
    assert "serial 3" in run(app, "update", kit, update)
    assert FOUR[2] not in DepartmentKit.load(kit).membership.roster.names
    said = run(app, "add-department", kits / "administrator", FOUR[2], "--file", federation.path)
    assert f"{kits / 'departments' / FOUR[2]}-4" in said
    assert "move its state folder" in run(app, "renew", kits / "administrator", "--out", tmp_path / "coordinator-2")


def test_no_command_prints_a_secret(app: typer.Typer, federation: Federation, tmp_path: Path) -> None:
    kits = tmp_path / "kits"
    said = run(app, "provision", federation.path, "--out", kits) + run(app, "rotate", kits / "administrator", FOUR[0])
    for path in (p for p in kits.rglob("*") if p.suffix in (".key", ".token", ".secret")):
        content = path.read_bytes()
        assert content.hex() not in said
        for line in content.decode("latin-1").splitlines():
            assert len(line) < 20 or line not in said


def test_naming_the_commands_loads_nothing_heavy() -> None:
    program = (
        "import sys, lepton_fed.deploy.commands\n"
        "heavy = 'torch numpy pydantic cryptography jinja2 flwr sqlalchemy'\n"
        "print(*sorted(set(heavy.split()) & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == []
