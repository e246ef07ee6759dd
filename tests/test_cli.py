"""The command line: happy paths, help, and every mistake answered with one sentence and nothing written."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.main import get_command

from lepton_fed.cli import app, main
from lepton_fed.storage import RunFolder, RunStore, sqlite_url
from tests.federations import BASE, LINES, SECURE, TARGET, quick, table, write, write_own, write_rows

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in this process."""
    monkeypatch.delenv("LEPTON_FED_DATABASE", raising=False)
    monkeypatch.delenv("LEPTON_FED_DEBUG", raising=False)

    def call(*arguments: object) -> Said:
        code = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    return write(tmp_path / "小", quick({}, 3))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their reports, which take longer to draw than these runs to train."""
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def one_sentence(said: Said) -> str:
    """What the command said, after checking that it was one sentence and code 2."""
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("lepton-fed: ")
    assert said.err.endswith("\n")
    sentence = said.err.removeprefix("lepton-fed: ").removesuffix("\n")
    assert sentence
    assert "\n" not in sentence, sentence
    assert "Traceback" not in sentence
    # A full stop inside would begin a second sentence. Numbers and file names have theirs without a blank.
    assert not re.search(r"[.!?。] +[A-Z]", sentence), sentence
    return sentence


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_describes_it_its_options_and_gives_an_example(cli: Cli, name: str) -> None:
    said = cli(name, "--help")
    assert said.code == 0
    assert said.err == ""
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.help.split()
    assert f"Example: lepton-fed {name}" in said.out
    assert "\\" not in said.out
    assert "Positional" not in said.out
    assert said.out.count("Arguments:") <= 1
    for parameter in command.params:
        assert parameter.help, parameter.name
        for word in parameter.help.split():
            assert word in said.out, (parameter.name, word)
        assert (parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper()) in said.out


def test_the_help_of_the_whole_lists_every_command(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    assert all(re.search(rf"^  {name}\s+\w", said.out, re.MULTILINE) for name in COMMANDS)
    kits = {"provision", "request", "accept", "add-department", "revoke", "rotate", "renew", "update"}
    running = {"local", "server", "client", "submit", "status", "stop", "logs"}
    assert set(COMMANDS) >= {"check", "example", "runs", "simulate"} | kits | running


def test_without_a_command_the_help_is_shown(cli: Cli) -> None:
    said = cli()
    assert "Usage: lepton-fed" in said.out + said.err
    assert said.code == 2


def test_an_unknown_option_is_answered_with_a_hint(cli: Cli) -> None:
    said = cli("simulate", "--ruonds", "3")
    assert said.code == 2
    assert said.out == ""
    assert "No such option" in said.err
    assert said.err.count("Did you mean") == 1
    assert "--rounds" in said.err
    assert "lepton-fed simulate --help" in said.err


def test_a_misspelt_command_is_answered_with_a_hint(cli: Cli) -> None:
    said = cli("simulat")
    assert said.code == 2
    assert said.out == ""
    assert said.err.count("Did you mean") == 1
    assert "'simulate'" in said.err


@pytest.mark.parametrize("arguments", [("--rounds", "many"), ("--threads", "0"), ("--engine", "steam")])
def test_a_value_that_an_option_cannot_take_is_a_mistake_of_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    said = cli("simulate", *arguments)
    assert said.code == 2
    assert arguments[0] in said.err
    assert "Traceback" not in said.err


# ---------------------------------------------------------------- happy paths


def test_a_simulation_says_its_result_on_stdout_and_its_progress_on_stderr(
    cli: Cli, federation: Path, tmp_path: Path
) -> None:
    said = cli("simulate", federation, "--out", tmp_path / "runs" / "一")
    assert said.code == 0
    folder = tmp_path / "runs" / "一"
    assert f"report: {folder / 'report.html'}" in said.out
    assert all(name in said.out for name in LINES)
    assert "round" not in said.out.replace("rounds", "")
    lines = said.err.splitlines()
    assert lines[0].startswith("round 0/3")
    assert [line.split()[1] for line in lines if line.startswith("round ")] == ["0/3", "1/3", "2/3", "3/3"]
    assert "\x1b" not in said.err
    assert "\r" not in said.err
    assert (folder / "report.html").is_file()


@pytest.mark.usefixtures("undrawn")
def test_quiet_leaves_nothing_but_the_result(cli: Cli, federation: Path, tmp_path: Path) -> None:
    said = cli("simulate", federation, "--quiet", "--out", tmp_path / "run")
    assert said.code == 0
    assert said.err == ""
    assert "report:" in said.out


@pytest.mark.usefixtures("undrawn")
def test_the_federation_file_defaults_to_the_one_here_and_the_run_to_the_folder_runs(
    cli: Cli, federation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(federation.parent)
    assert cli("simulate").code == 0
    (run,) = [p for p in (federation.parent / "runs").iterdir() if re.fullmatch(r"federation-\d{8}-\d{6}", p.name)]
    said = cli("runs")
    assert said.code == 0
    assert str(run) in said.out
    assert "finished" in said.out
    assert cli("check").code == 0


@pytest.mark.usefixtures("undrawn")
def test_rounds_are_what_the_option_says(cli: Cli, federation: Path, tmp_path: Path) -> None:
    assert cli("simulate", federation, "--rounds", 2, "--out", tmp_path / "run", "--threads", 1).code == 0
    saved = RunFolder.open(tmp_path / "run", writing=False).checkpoint().latest()
    assert saved is not None
    assert saved.round == 2


@pytest.mark.usefixtures("undrawn")
def test_a_run_goes_on_with_more_rounds(cli: Cli, federation: Path, tmp_path: Path) -> None:
    cli("simulate", federation, "--rounds", 2, "--out", tmp_path / "run")
    said = cli("simulate", federation, "--rounds", 4, "--resume", tmp_path / "run")
    assert said.code == 0
    assert said.err.startswith("going on after round 2\n")
    assert "after 4 rounds" in said.out


@pytest.mark.usefixtures("undrawn")
def test_runs_go_into_the_database_that_is_named(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path / "数据库.sqlite")
    assert cli("simulate", federation, "--out", tmp_path / "a", "--database", url).code == 0
    monkeypatch.setenv("LEPTON_FED_DATABASE", url)
    assert cli("simulate", federation, "--out", tmp_path / "b").code == 0
    assert not (tmp_path / "lepton-fed.sqlite").exists()
    said = cli("runs")
    assert [line.rsplit("  ", 1)[1] for line in said.out.splitlines()] == [str(tmp_path / "b"), str(tmp_path / "a")]
    assert "小联邦" in said.out


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_measurements_go_to_tensorboard(cli: Cli, federation: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    boards = tmp_path / "boards"
    assert cli("simulate", federation, "--out", tmp_path / "run", "--track", f"tensorboard:{boards}").code == 0
    assert list(boards.iterdir())


def test_check_explains_and_reads_rows_if_asked(cli: Cli, federation: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)
    said = cli("check", federation)
    assert said.code == 0
    assert "小联邦" in said.out
    assert "keep the contract" not in said.out
    said = cli("check", federation, "--data")
    assert said.code == 0
    assert all(f"{name}: the data keep the contract; 24/0/8 rows" in said.out for name in LINES)
    assert TARGET not in said.out.splitlines()[-1]
    assert everything(tmp_path) == before


def secure(path: Path, terms: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Four lines with secure sums; `terms` of the first."""
    write(path.parent, quick({**SECURE, **changes}, 2))
    if terms is not None:
        write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}, terms=terms)
    return path


def explained(said: Said) -> str:
    """The sentence after an explanation that ends with code 2."""
    assert said.code == 2
    assert "How sums are protected" in said.out
    return one_sentence(said._replace(out=""))


def test_check_says_how_sums_are_protected(cli: Cli, federation: Path) -> None:
    said = cli("check", secure(federation))
    assert (said.code, said.err) == (0, "")
    assert "secure: nobody sees one department's numbers" in said.out
    assert "refused" not in said.out


def test_check_knows_what_noise_costs(cli: Cli, federation: Path) -> None:
    noise = {"noise": {"norm": 1.0, "multiplier": 2.0}}
    said = cli("check", secure(federation, aggregation=noise, weights={"alpha": "uniform"}))
    assert said.code == 0
    assert re.search(r"the whole run of 2 rounds is \(\d", said.out)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a source kept from one target": (
        {
            "access": [
                {"what": "updates", "who": ["*"], "action": "train"},
                {"what": "updates", "who": [TARGET], "action": "train", "owner": [LINES[0]], "effect": "forbid"},
            ]
        },
        f"involves only {LINES[0]}",
    ),
    "no band for counts": ({"weights": {}}, "weights.counts is missing"),
    "too few": ({"aggregation": {"crowd": 4}}, "5 are needed for a crowd of 4 beside 1 that may collude"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_sums_that_would_be_refused_are_explained_by_check_and_refused_by_simulate_alike(
    cli: Cli, federation: Path, tmp_path: Path, mistake: str
) -> None:
    changes, words = REFUSED[mistake]
    secure(federation, **changes)
    said = cli("check", federation, "--data")
    sentence = explained(said)
    assert words in sentence
    assert "refused" in said.out
    assert said.out.count("the data keep the contract") == 4
    before = everything(tmp_path)
    assert one_sentence(cli("simulate", federation, "--out", tmp_path / "run")) == sentence
    assert everything(tmp_path) == before


def test_a_departments_own_terms_are_part_of_check_and_of_simulate(cli: Cli, federation: Path, tmp_path: Path) -> None:
    secure(federation, terms={"crowd": 4})
    sentence = explained(cli("check", federation))
    assert sentence.startswith(f"{LINES[0]} would take no part: this department hides among at least 4")
    assert one_sentence(cli("simulate", federation, "--out", tmp_path / "run")) == sentence
    sealed = explained(cli("check", secure(federation, terms={"coordinator_sees": "nothing"})))
    assert "lets the coordinator see no sum" in sealed
    assert cli("check", secure(federation, terms={"crowd": 2, "across_rounds": "enforce"})).code == 0


def test_examples_are_listed_and_copied_and_pass_their_check(cli: Cli, tmp_path: Path) -> None:
    listed = cli("example")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert "manufacturing" in names
    for name in names:
        said = cli("example", name, tmp_path / name)
        assert said.code == 0
        assert said.out.strip() == str(tmp_path / name / f"{name}.toml")
        if name != "knowledge":  # A knowledge file is for `knowledge train`.
            assert cli("check", tmp_path / name / f"{name}.toml").code == 0


# ---------------------------------------------------------------- mistakes

Bend = Callable[[Path], Any]


def changed(**tables: Any) -> Bend:
    def bend(path: Path) -> None:
        write(path.parent, {**quick({}, 3), **tables})

    return bend


def rows(*lines: str, header: str = "温度,torque,Target") -> Bend:
    def bend(path: Path) -> None:
        (path.parent / path.stem / f"{LINES[0]}.csv").write_text("\n".join((header, *lines)) + "\n", "utf-8")

    return bend


def own(**data: Any) -> Bend:
    def bend(path: Path) -> None:
        write_own(path, LINES[0], data)

    return bend


def all_of_one_class(path: Path) -> None:
    for k, name in enumerate(LINES):
        x, y = table(32, seed=k)
        write_rows(path, name, x, 0 * y)


def weights(**tables: Any) -> Bend:
    return changed(weights=tables)


def own_model(path: Path) -> None:
    write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}, code=["planted_models"])


GOOD = tuple(f"{a},{b},{a % 2}" for a in range(10) for b in (1, 2))
TWO = list(BASE["departments"])
MISTAKES: dict[str, tuple[Bend, str]] = {
    "no federation file": (lambda path: path.unlink(), "there is no such file"),
    "no TOML": (lambda path: path.write_text("[federation\n"), "this is not TOML"),
    "an unknown key": (changed(rounds={"cuont": 3}), "count"),
    "no department's own file": (lambda path: (path.parent / path.stem / f"{LINES[0]}.toml").unlink(), "no such file"),
    "no data file": (lambda path: (path.parent / path.stem / f"{LINES[1]}.csv").unlink(), "does not exist"),
    "no such column": (rows(*GOOD, header="温度,力矩,Target"), "column 'torque'"),
    "no label column": (rows(*GOOD, header="温度,torque,Ziel"), "label 'Target'"),
    "a label that is missing": (rows(*GOOD, "3,4,"), "label 'Target'"),
    "a label that is NaN": (rows(*GOOD, "3,4,NaN"), "label 'Target'"),
    "a feature that is missing": (rows(*GOOD, "3,,1"), "column 'torque'"),
    "a feature that is no number": (rows(*GOOD, "3,much,1"), "column 'torque'"),
    "an empty department": (rows(), "holds no rows"),
    "an empty file": (lambda path: (path.parent / path.stem / f"{LINES[0]}.csv").write_text(""), "is empty"),
    "one class only in the contract": (
        changed(data={**BASE["data"], "label": {**BASE["data"]["label"], "classes": ["0"]}}),
        "one class only",
    ),
    "one class only in a department": (all_of_one_class, "all rows are in one class"),
    "two departments of one name": (changed(departments=[*TWO, {"name": LINES[0]}]), "two departments are called"),
    "an unknown name": (changed(graph=[{"from": TARGET, "to": "生产车间-三", "needs": "x"}]), "no department"),
    "a cycle": (
        changed(graph=[{"from": a, "to": b, "needs": "x"} for a, b in (LINES, LINES[::-1])]),
        "cycle",
    ),
    "a negative alpha": (weights(alpha={LINES[0]: -1.0, LINES[1]: 1.0}), "alpha"),
    "an alpha that is NaN": (weights(alpha={LINES[0]: float("nan"), LINES[1]: 1.0}), "finite"),
    "alphas that are all zero": (weights(alpha=dict.fromkeys(LINES, 0.0)), "zero for everybody"),
    "a negative beta": (weights(beta=-0.5), "beta"),
    "a beta that is NaN": (weights(beta=float("nan")), "finite"),
    "betas that are all zero": (weights(beta=0.0), "zero for everybody"),
    "a private pattern that matches nothing": (
        changed(model={**BASE["model"], "private": ["haed.*"]}),
        "'haed.*' matches nothing",
    ),
    "a private pattern that matches everything": (
        changed(model={**BASE["model"], "private": ["*"]}),
        "every parameter private",
    ),
    "a target that nobody may teach": (
        changed(access=[{"what": "updates", "who": list(LINES), "action": "train"}]),
        "nobody may teach",
    ),
    "a model that does not exist": (changed(model={"name": "mpl"}), "did you mean 'mlp'?"),
    "a model's argument that does not exist": (
        changed(model={"name": "mlp", "arguments": {"hiden": [3]}}),
        "cannot be built",
    ),
    "a model's argument out of range": (
        changed(model={"name": "mlp", "arguments": {"hidden": [-1]}}),
        "cannot be built",
    ),
    "a model for pictures": (changed(model={"name": "cnn"}), "cannot be built"),
    "a model from a module that is not allowed": (changed(model={"name": "os:getcwd"}), "not allowed"),
    "a data database that cannot be reached": (
        own(url="sqlite:///nowhere/rows.sqlite", query="select * from rows"),
        LINES[0],
    ),
    "a device that is not there": (
        lambda path: write_own(path, LINES[0], {"path": f"{LINES[0]}.csv"}).write_text(
            f'device = "cuda:99"\n[data]\npath = "{LINES[0]}.csv"\n', "utf-8"
        ),
        "no device",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_one_sentence_and_nothing_is_written(
    cli: Cli, federation: Path, tmp_path: Path, mistake: str
) -> None:
    bend, expected = MISTAKES[mistake]
    bend(federation)
    before = everything(tmp_path)
    sentence = one_sentence(cli("simulate", federation, "--out", tmp_path / "runs" / "run"))
    assert expected in sentence
    assert everything(tmp_path) == before


@pytest.fixture
def planted_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of models, most of which are of no use."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "planted_models.py").write_text(
        "import torch\n"
        "def good(inputs, outputs): return torch.nn.Linear(inputs[0], outputs)\n"
        "def wide(inputs, outputs): return torch.nn.Linear(inputs[0], outputs + 1)\n"
        "def other(inputs, outputs): return torch.nn.Linear(inputs[0] + 1, outputs)\n"
        "def nothing(inputs, outputs): return None\n"
        "def broken(inputs, outputs): return {}['4711.0815']\n"
        "number = 3\n",
        "utf-8",
    )
    (folder / "planted_trash.py").write_text("def f(:\n", "utf-8")
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.usefixtures("planted_models")
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("planted_models:none", "no callable 'none'"),
        ("planted_models:number", "no callable 'number'"),
        ("planted_models.sub:x", "cannot be imported"),
        ("planted_missing:x", "cannot be imported"),
        ("planted_trash:f", "planted_trash"),
        ("planted_models:nothing", "must return a torch.nn.Module"),
        ("planted_models:broken", "cannot be built"),
        ("planted_models:wide", "[2, 1] was expected"),
        ("planted_models:other", "fails on examples of size 2"),
    ],
)
def test_a_model_of_the_departments_own_that_is_of_no_use_is_one_sentence(
    cli: Cli, federation: Path, tmp_path: Path, model: str, expected: str
) -> None:
    changed(model={"name": model})(federation)
    for name in LINES:
        modules = ["planted_models", "planted_missing", "planted_trash"]
        write_own(federation, name, {"path": f"{name}.csv"}, code=modules)
    before = everything(tmp_path / "小")
    for arguments in (("simulate", federation, "--out", tmp_path / "run"), ("check", federation)):
        assert expected in one_sentence(cli(*arguments))
    assert everything(tmp_path / "小") == before
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("planted_models", "undrawn")
def test_a_model_of_the_departments_own_is_trained(cli: Cli, federation: Path, tmp_path: Path) -> None:
    changed(model={"name": "planted_models:good"})(federation)
    for name in LINES:
        write_own(federation, name, {"path": f"{name}.csv"}, code=["planted_models"])
    assert cli("simulate", federation, "--out", tmp_path / "run").code == 0


def test_check_finds_what_is_wrong_with_a_departments_own_model(cli: Cli, tmp_path: Path) -> None:
    departments = [{"name": LINES[0]}, {"name": LINES[1], "model": {"name": "mlp", "arguments": {"hidden": ["many"]}}}]
    common = {"kind": "distill", "common": {"path": "common.csv"}}
    path = write(tmp_path, {"departments": departments, "coupling": common, "graph": []})
    assert "cannot be built" in one_sentence(cli("check", path))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/runs.sqlite",
        "nonsense",
        "oracle9://x",
        "postgresql://me:planted-password@127.0.0.1:1/x",
    ],
)
def test_an_unreachable_database_of_runs_leaves_no_run_folder(
    cli: Cli, federation: Path, tmp_path: Path, url: str
) -> None:
    before = everything(tmp_path)
    sentence = one_sentence(cli("simulate", federation, "--out", tmp_path / "runs" / "a" / "run", "--database", url))
    assert "planted-password" not in sentence
    assert everything(tmp_path) == before
    assert cli("simulate", federation, "--quiet", "--out", tmp_path / "runs" / "a" / "run").code == 0


def test_rounds_must_be_at_least_one(cli: Cli, federation: Path, tmp_path: Path) -> None:
    assert "at least 1" in one_sentence(cli("simulate", federation, "--rounds", 0, "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_empty_is_refused_and_stays_as_it_is(cli: Cli, federation: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear all")
    before = everything(tmp_path)
    assert "not empty" in one_sentence(cli("simulate", federation, "--out", folder))
    assert "is a file" in one_sentence(cli("simulate", federation, "--out", folder / "letter.txt"))
    assert everything(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_resumed_is_one_sentence(cli: Cli, federation: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    cli("simulate", federation, "--out", run, "--rounds", 1)
    assert "holds no run" in one_sentence(cli("simulate", federation, "--resume", tmp_path / "none"))
    assert "holds no run" in one_sentence(cli("simulate", federation, "--resume", federation.parent))
    both = one_sentence(cli("simulate", federation, "--resume", run, "--out", tmp_path / "other"))
    assert "not both" in both
    assert "already holds a run" in one_sentence(cli("simulate", federation, "--out", run))
    other = write(tmp_path / "other", quick({"federation": {**BASE["federation"], "seed": 8}}, 3))
    assert "another federation file" in one_sentence(cli("simulate", other, "--resume", run))
    assert RunFolder.open(run, writing=False).record().status == "finished"
    flower = one_sentence(cli("simulate", federation, "--resume", run, "--engine", "flower"))
    assert "cannot resume" in flower


def test_a_disk_without_space_is_refused_before_anything_is_written(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 5000, 5000))
    before = everything(tmp_path)
    sentence = one_sentence(cli("simulate", federation, "--out", tmp_path / "runs" / "run"))
    assert "has 5 kB left" in sentence
    assert everything(tmp_path) == before


@contextlib.contextmanager
def mounted(place: Path, size: str) -> Iterator[None]:
    """A small file system of its own; only root can have one, and not everywhere."""
    place.mkdir()
    mount = shutil.which("mount")
    done = subprocess.run([mount or "false", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_real_small_disk_is_refused_too(cli: Cli, federation: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "5m"):
        sentence = one_sentence(cli("simulate", federation, "--out", tmp_path / "small" / "runs" / "run"))
        assert "left" in sentence
        assert list((tmp_path / "small").iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_a_disk_that_fills_up_meanwhile_is_one_sentence_and_the_run_can_go_on(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lepton_fed.progress as progress

    small = tmp_path / "small"
    with mounted(small, "12m"):
        filler = small / "filler"

        def fill(self: object, number: int, measurements: object) -> None:
            if number == 1:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"0" * 4096)

        with monkeypatch.context() as patched:
            patched.setattr(progress.Plain, "measured", fill)
            said = cli("simulate", federation, "--rounds", 300, "--out", small / "run")
        assert "no space left" in one_sentence(Said(said.code, said.out, said.err.splitlines()[-1] + "\n"))
        filler.unlink()
        assert cli("simulate", federation, "--resume", small / "run", "--quiet", "--rounds", 4).code == 0


def test_a_tracker_that_cannot_be_had_is_refused_before_anything_is_written(
    cli: Cli, federation: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    said = cli("simulate", federation, "--out", tmp_path / "run", "--track", "abacus:planted-password")
    assert "planted-password" not in one_sentence(said)
    assert everything(tmp_path) == before


def test_the_database_to_list_must_be_there_and_is_not_made(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "simulate first" in one_sentence(cli("runs"))
    assert "none.sqlite does not exist" in one_sentence(cli("runs", "--database", sqlite_url(tmp_path / "none.sqlite")))
    assert "nonsense" not in one_sentence(cli("runs", "--database", "nonsense"))
    assert list(tmp_path.iterdir()) == []


def test_an_example_is_never_copied_over_anything(cli: Cli, tmp_path: Path) -> None:
    assert "there is no example 'manufacture'" in one_sentence(cli("example", "manufacture", tmp_path))
    cli("example", "manufacturing", tmp_path)
    before = everything(tmp_path)
    assert "exists already" in one_sentence(cli("example", "manufacturing", tmp_path))
    assert everything(tmp_path) == before


# ---------------------------------------------------------------- what nobody foresaw


def test_a_defect_is_one_sentence_and_code_70(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("row 4711.0815")

    monkeypatch.setattr("lepton_fed.simulation.play", fails)
    said = cli("simulate", federation, "--quiet", "--out", tmp_path / "run")
    assert said.code == 70
    assert said.out == ""
    assert re.fullmatch(r"lepton-fed: this is a defect \(ZeroDivisionError at \w+\.py:\d+\).*\n", said.err)
    assert "LEPTON_FED_DEBUG=1" in said.err
    assert "4711" not in said.err
    record = RunFolder.open(tmp_path / "run", writing=False).record()
    assert record.status == "failed"
    # Messages of other programs may quote a row; what is kept of them is their kind.
    assert record.reason == "ZeroDivisionError"
    with RunStore(sqlite_url(tmp_path / "lepton-fed.sqlite")) as store:
        assert store.run(record.id).reason == "ZeroDivisionError"
    monkeypatch.setenv("LEPTON_FED_DEBUG", "1")
    assert "Traceback" in cli("simulate", federation, "--quiet", "--out", tmp_path / "run2").err


def test_ctrl_c_before_the_run_has_begun_writes_nothing(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton_fed.simulation.read_own", pressed)
    before = everything(tmp_path)
    said = cli("simulate", federation, "--out", tmp_path / "run")
    assert said == Said(130, "", "stopped before the run began; nothing was written\n")
    assert everything(tmp_path) == before


def test_ctrl_c_never_shows_the_databases_password(
    cli: Cli, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton_fed.simulation.play", pressed)
    url = sqlite_url(tmp_path / "planted-password.sqlite")
    said = cli("simulate", federation, "--quiet", "--out", tmp_path / "run", "--database", url)
    assert said.code == 130
    assert said.err.startswith("stopped; go on with the same --database with: lepton-fed simulate ")
    assert "planted-password" not in said.err


# ---------------------------------------------------------------- the command as a program

# Typer, at the version Flower allows, imports names that Click has begun to retire.
STRICT = ("-W", "error", "-W", "ignore::DeprecationWarning")


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *STRICT, "-m", "lepton_fed", *map(str, arguments)]
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONUTF8", "PYTHONIOENCODING", "LANG")}
    return subprocess.run(command, capture_output=True, env={**env, "OMP_NUM_THREADS": "1", **environment}, timeout=120)


def test_chinese_names_come_out_whole_where_the_locale_is_c(federation: Path) -> None:
    done = program("check", federation, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert all(name in done.stdout.decode("utf-8") for name in ("小联邦", *LINES, TARGET))


@pytest.mark.long
def test_chinese_names_of_a_simulation_come_out_whole_where_the_locale_is_c(tmp_path: Path) -> None:
    federation = write(tmp_path / "小", {"rounds": {"count": 2}})
    done = program("simulate", federation, "--out", tmp_path / "跑", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr.decode()
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    assert all(name in out for name in LINES)
    assert str(tmp_path / "跑" / "report.html") in out
    assert err.splitlines() == [
        *(line for line in err.splitlines() if re.match(r"round \d/2  auc ", line)),
        *(f"training {name} alone, to compare" for name in LINES),
        "training on all rows pooled, to compare",
    ]


def test_a_mistake_leaves_the_program_with_code_2_and_one_line() -> None:
    """A small one, before anything large is loaded: what other commands say of mistakes is tested above."""
    done = program("example", "没有", LC_ALL="C")
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "there is no example '没有'" in one_sentence(said)


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    command = shutil.which("lepton-fed", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("lepton-fed is not installed as a command here")
    done = subprocess.run([command, "example"], capture_output=True, check=False, cwd=tmp_path)
    assert done.stdout == program("example").stdout


def test_typer_is_not_asked_for_its_own_completion() -> None:
    assert isinstance(app, typer.Typer)
    assert [p.name for p in get_command(app).params if p.name and "completion" in p.name] == []
