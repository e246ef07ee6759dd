"""Commands about the audit log: help with examples, sentences for mistakes, code 2 for a log that was changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.main import get_command

from lepton_fed.auditing import COMMANDS
from lepton_fed.cli import app, main
from lepton_fed.record import DATABASE
from lepton_fed.storage import schema, sqlite_url
from tests.audit.example import DEPARTMENTS, KEYS, LOG, filled, sha, unguarded

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["audit", *map(str, arguments)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the example's log, and its keys in a file."""
    from lepton_fed.audit.key_file import write_keys

    place = tmp_path_factory.mktemp("made")
    database = schema.opened(sqlite_url(place / DATABASE), patience=10, durable=False)
    filled(database)
    database.close()
    write_keys(KEYS, place / "keys.json")
    return place


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def refused(said: tuple[int, str, str]) -> str:
    code, out, err = said
    assert (code, out) == (2, "")
    assert err.startswith("lepton-fed: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("name", [command.__name__ for command in COMMANDS])
def test_the_help_of_a_command_describes_it_its_options_and_gives_an_example(cli: Cli, name: str) -> None:
    code, out, _ = cli(name, "--help")
    assert code == 0
    assert f"Example: lepton-fed audit {name}" in out
    group = get_command(app).commands["audit"]  # type: ignore[attr-defined]
    for parameter in group.commands[name].params:
        assert parameter.help, parameter.name
        assert all(word in out for word in parameter.help.split()), parameter.name


def test_a_sound_log_is_verified_wherever_it_is(cli: Cli, runs: Path, tmp_path: Path) -> None:
    assert cli("export", tmp_path / "log.jsonl", "--in", runs)[0] == 0
    for where in (runs, runs / DATABASE, sqlite_url(runs / DATABASE), tmp_path / "log.jsonl"):
        code, out, _ = cli("verify", where, "--keys", runs / "keys.json")
        assert code == 0, out
        assert "verified: each of the 11 entries is as the coordinator signed it" in out
        assert f"2 of {len(DEPARTMENTS)} departments have countersigned at least 11 entries" in out


def test_an_edited_log_is_told_with_code_2_and_proves_nothing(cli: Cli, runs: Path) -> None:
    database = schema.opened(sqlite_url(runs / DATABASE), patience=10, durable=False)
    unguarded(database)
    with database.writing() as connection:
        connection.execute(
            text("UPDATE audit_entry SET body = substr(body, 1, length(body) - 1) || x'00' WHERE number = 7")
        )
    database.close()
    code, out, err = cli("verify", runs, "--keys", runs / "keys.json")
    assert (code, err) == (2, "")
    assert "NOT what was signed" in out
    assert "entry 7" in out
    assert "countersigned" not in out
    code, out, _ = cli("prove", sha("model.safetensors").hex(), "--in", runs, "--keys", runs / "keys.json")
    assert code == 2
    assert "data contracts" not in out


def test_a_model_is_proved_by_its_digest(cli: Cli, runs: Path) -> None:
    code, out, _ = cli("prove", "sha256:" + sha("model.safetensors").hex(), "--in", runs, "--keys", runs / "keys.json")
    assert code == 0
    for word in ("verified", "who", "code", "data contracts", "policies", "0.25 for this model, 1.75 in all"):
        assert word in out


def test_keys_are_printed_and_written_for_an_auditor(cli: Cli, runs: Path, tmp_path: Path) -> None:
    folder = runs / "audit-keys" / LOG
    folder.mkdir(parents=True)
    (runs / "keys.json").rename(folder / "public.json")
    code, out, _ = cli("keys", runs, "--out", tmp_path / "keys.json")
    assert code == 0
    assert all(one.public.hex() in out for one in DEPARTMENTS.values())
    assert cli("verify", runs, "--keys", tmp_path / "keys.json")[0] == 0
    assert cli("verify", runs)[0] == 0
    assert "exists already" in refused(cli("keys", runs, "--out", tmp_path / "keys.json"))


def test_mistakes_are_answered_with_a_sentence(cli: Cli, runs: Path, tmp_path: Path) -> None:
    keys = runs / "keys.json"
    (tmp_path / "empty").mkdir()
    (tmp_path / "x").write_text("x")
    assert "there are no keys beside it" in refused(cli("verify", runs))
    assert "does not exist" in refused(cli("verify", tmp_path / "nowhere"))
    assert "does not exist" in refused(cli("verify", tmp_path / "empty"))
    assert "is no export of a log" in refused(cli("verify", tmp_path / "x", "--keys", keys))
    assert "is no file of keys" in refused(cli("verify", runs, "--keys", tmp_path / "x"))
    assert "is no file of keys and no kit" in refused(cli("verify", runs, "--keys", tmp_path / "empty"))
    assert "has no log '乙'" in refused(cli("verify", runs, "--keys", keys, "--log", "乙"))
    assert "is no file and no SHA-256" in refused(cli("prove", "model", "--in", runs))
    assert "no entry of the log names a model" in refused(
        cli("prove", sha("other").hex(), "--in", runs, "--keys", keys)
    )
    assert "exists already" in refused(cli("export", tmp_path / "x", "--in", runs))
    schema.opened(sqlite_url(tmp_path / "empty" / DATABASE), patience=10, durable=False).close()
    assert "has no audit log" in refused(cli("verify", tmp_path / "empty"))
