"""The Dockerfile, read; and its steps done in an empty environment, since tests have no Docker that could build it."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lepton_fed.deploy.making import IMAGE
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.storage import RunFolder
from tests.federations import FOUR, SECURE, TARGET, quick, write
from tests.installed import ROOT, environment_with, wheel_of

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """(name, arguments) of each instruction, in order, lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(one.split(maxsplit=1)[0], one.split(maxsplit=1)[1]) for one in joined.splitlines() if one.strip()]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on."""
    found: list[list[Instruction]] = []
    for one in instructions():
        if one[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(one)
    return found


def copied() -> list[str]:
    """What comes from the repository."""
    words = [shlex.split(said) for name, said in stages()[0] if name == "COPY"]
    assert not [w for w in words if w[0].startswith("--")]
    return [source for w in words for source in w[:-1]]


def of(stage: list[Instruction], name: str) -> list[str]:
    return [said for one, said in stage if one == name]


# ---------------------------------------------------------------- what it says


def test_the_container_is_a_user_without_privileges_and_the_one_that_kits_are_made_for(original: Provisioned) -> None:
    final = stages()[-1]
    (user,) = of(final, "USER")
    assert not user.startswith(("0", "root"))
    assert [name for name, _ in final[-3:]] == ["USER", "ENTRYPOINT", "CMD"]
    assert f"--uid {user.split(':')[0]}" in of(final, "RUN")[0]
    for kit in (original.coordinator, original.departments[FOUR[0]]):
        (service,) = yaml.safe_load((kit / "compose.yaml").read_text("utf-8"))["services"].values()
        assert service["user"] == user
        assert service["image"] == IMAGE
        assert not Path(service["command"][1]).is_relative_to("/opt")


def test_versions_are_those_that_the_tests_have_seen() -> None:
    (install,) = (said for said in of(stages()[0], "RUN") if " install " in said)
    assert "-c constraints.txt" in install
    assert not re.search(r"https?://|--pre|--upgrade", install)
    pinned = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line[:1] not in ("#", "")]
    assert all("==" in line for line in pinned)
    assert len([line for line in pinned if line.startswith("torch==")]) == 1


def test_a_machine_without_a_gpu_can_have_an_image_without_its_libraries() -> None:
    assert ("ARG", 'PIP_EXTRA_INDEX_URL=""') in stages()[0]
    assert "CPU builds" in (ROOT / "Dockerfile").read_text("utf-8")


def test_nothing_reaches_the_image_but_the_package() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert sorted(rule[1:] for rule in rules if rule.startswith("!")) == sorted(copied())
    assert {"**/*.key", "**/*.token", "**/state"} <= set(rules)
    assert of(stages()[-1], "COPY") == ["--from=build /opt/lepton-fed /opt/lepton-fed"]
    secret = ("*.key", "*.token", "*.pem", "*.sqlite", "ledger", ".git*")
    files = [p for source in copied() for p in (ROOT / source, *(ROOT / source).rglob("*")) if p.is_file()]
    assert [p for p in files if any(fnmatch.fnmatch(p.name, pattern) for pattern in secret)] == []


def test_no_secret_and_no_address_stands_in_it() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert not re.search(r"(?i)password|secret|credential|https?://", text)
    assert "ADD " not in text


# ---------------------------------------------------------------- its steps, done


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the build stage makes, from what it copies; libraries are those of this environment."""
    source = tmp_path_factory.mktemp("image") / "source"
    source.mkdir()
    for name in copied():
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, source)
    return environment_with(wheel_of(source), source.parent / "opt")


def contained(image: Path, home: Path) -> dict[str, str]:
    """The variables of the image, and an empty home that nothing may write to."""
    (said,) = of(stages()[-1], "ENV")
    variables = dict(word.split("=", 1) for word in shlex.split(said))
    path = variables.pop("PATH").replace("/opt/lepton-fed", str(image)).replace("${PATH}", "/usr/bin:/bin")
    home.mkdir(mode=0o500)
    return {**variables, "PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


def entered(image: Path, env: dict[str, str], cwd: Path, *arguments: str) -> str:
    """The entry point with these arguments."""
    (program,) = json.loads(of(stages()[-1], "ENTRYPOINT")[0])
    done = subprocess.run(
        [shutil.which(program, path=env["PATH"]) or "", *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_entry_point_is_both_parties(image: Path, tmp_path: Path) -> None:
    env = contained(image, tmp_path / "home")
    assert "departments" in entered(image, env, tmp_path, *json.loads(of(stages()[-1], "CMD")[0]))
    for party in ("server", "client"):
        assert f"lepton-fed {party} " in entered(image, env, tmp_path, party, "--help")


@pytest.mark.long
@pytest.mark.flower
def test_what_the_image_holds_runs_a_whole_federation(image: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "小", quick(SECURE, 2))
    env = contained(image, tmp_path / "home")
    said = entered(image, env, tmp_path, "local", str(file), "--out", "out", "--quiet")
    assert "report: " in said
    kits = tmp_path / "out" / "kits"
    assert RunFolder.open(kits / "coordinator" / "state" / "run", writing=False).record().status == "finished"
    for name in (*FOUR, TARGET):
        assert (kits / "departments" / name / "state" / "models" / f"{name}.safetensors").exists()
    assert list((tmp_path / "home").iterdir()) == []
