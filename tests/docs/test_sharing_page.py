"""docs/sharing.md: each of its commands runs, and each of its files loads."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import tomli_w

from lepton_fed.cli import main
from lepton_fed.config import Federation
from lepton_fed.data import load_department_file
from tests.federations import FOUR, SECURE, TARGET, quick, table, tree, write_own, write_rows

PAGE = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
OWN_FILES = re.findall(r"```toml department\n(.*?)```", PAGE, re.DOTALL)
TABLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SUPPLY, ROWS, MATERIALS = "供应链部门", "生产线数据", "物料管理"


@pytest.fixture
def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A federation with what the page adds to one, in the folder that its commands are typed in."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "federation.toml"
    file = tree(quick(SECURE, 1))
    file["departments"].append({"name": SUPPLY, "roles": []})
    file["data"]["columns"] = [{"name": "温度", "range": [-20, 20]}, {"name": "torque", "range": [-20, 20]}]
    file["sharing"].append({"what": ROWS, "from": list(FOUR), "to": ["*"]})
    for added in map(tomllib.loads, TABLES):
        for key, value in added.items():
            file[key] = [*file.get(key, []), *value] if isinstance(value, list) else value
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    for k, name in enumerate(FOUR):
        write_own(path, name, {"path": f"{name}.csv"}, privacy={"budget": 8.0} if not k else {})
        if k:
            write_own(path, name, {"path": f"{name}.csv"})
        write_rows(path, name, *table(32, seed=k))
    shared = next(text for text in OWN_FILES if text.startswith(f'[shared."{MATERIALS}"]'))
    (path.parent / path.stem / f"{SUPPLY}.toml").write_text(shared, encoding="utf-8")
    (path.parent / path.stem / "materials.csv").write_text("物料,供应商,价格\n钢,甲,10\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith("lepton-fed statistics")])
def test_each_command_of_the_page_works(federation: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_of(command)
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("lepton-fed statistics")])
def test_statistics_come_from_departments_without_a_budget(
    federation: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main_of(command)
    said = capsys.readouterr().out
    assert "numbers without noise cost an infinite epsilon" in said
    if "--out" in command:
        assert "<svg" in Path("statistics.html").read_text(encoding="utf-8")


def main_of(command: str) -> None:
    """Runs a command of the page in this process; it must come to an orderly end."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(command)[1:])
    assert not end.value.code, command


@pytest.mark.parametrize("text", OWN_FILES)
def test_each_department_file_of_the_page_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    load_department_file(path, TARGET)


def test_the_tables_of_the_page_belong_to_one_federation_file(federation: Path) -> None:
    settings = Federation.load(federation).settings
    assert settings.statistics is not None
    assert {flow.what for flow in settings.sharing} >= {MATERIALS, ROWS}


def test_the_page_says_what_there_is() -> None:
    assert len(COMMANDS) == 4
    assert len(OWN_FILES) == 4
    assert len(TABLES) == 2
