"""The commands of a deployed federation: what a status says, and every usual mistake answered with one sentence."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lepton_fed.cli import main
from lepton_fed.deploy.changes import renew
from lepton_fed.deploy.claim import claimed
from lepton_fed.deploy.folder import new_folder
from lepton_fed.deploy.provisioning import Provisioned, accept, provision, request
from lepton_fed.local import free_port
from lepton_fed.running import described
from tests.federations import LINES, TARGET, quick, write_own, written

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """What a command says that cannot do what it is asked: one sentence, exit code 2, nothing on standard output."""

    def call(*arguments: object) -> str:
        with pytest.raises(SystemExit) as end:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        assert end.value.code == 2, said
        assert said.out == ""
        assert said.err.startswith("lepton-fed: ")
        assert said.err.count("\n") == 1, said.err
        assert "Traceback" not in said.err
        sentence = said.err.removeprefix("lepton-fed: ").rstrip("\n")
        assert not re.search(r"[.!?。] +[A-Z]", sentence), sentence
        return sentence

    return call


@pytest.fixture
def made(tmp_path: Path) -> Provisioned:
    return provision(written(tmp_path / "小", quick({}, 2)), tmp_path / "kits", address=f"localhost:{free_port()}")


# ---------------------------------------------------------------- what a status says


SAID: dict[str, Any] = {
    "federation": "小联邦",
    "state": "failed",
    "reason": "round 2 has no update to aggregate",
    "round": 1,
    "rounds": 3,
    "measured": {"auc": 0.75, "joint_loss": 0.125},
    "measured_round": 1,
    "departments": {LINES[0]: {"online": True}, "supply chain": {"online": False}},
    "folder": "kits/coordinator/state/run",
}


def test_a_status_is_lines_for_a_person_in_columns_whatever_the_script() -> None:
    assert described(SAID).splitlines() == [
        "小联邦  failed: round 2 has no update to aggregate",
        "round 1 of 3",
        "after round 1: auc 0.75  joint loss 0.125",
        # A Chinese character is two columns wide.
        "生产车间-一   online",
        "supply chain  away",
        "folder: kits/coordinator/state/run",
    ]


def test_a_status_without_a_reason_or_a_measurement_has_no_line_for_them() -> None:
    said = described({**SAID, "state": "idle", "reason": "", "measured": {}, "round": 0})
    assert said.splitlines()[:3] == ["小联邦  idle", "round 0 of 3", "生产车间-一   online"]


# ---------------------------------------------------------------- usual mistakes


COMMANDS = ("server", "client", "submit", "status", "stop", "logs")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_no_kit_is_named(refused: Refused, tmp_path: Path, command: str) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        assert str(folder) in refused(command, folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_kit_of_another_party_is_named_as_what_it_is(refused: Refused, made: Provisioned, command: str) -> None:
    if command == "client":
        said = refused(command, made.coordinator)
        assert said == f"{made.coordinator} is the kit of a coordinator, and one of a department is needed here"
        return
    kit = made.departments[LINES[0]]
    assert refused(command, kit) == f"{kit} is the kit of a department, and one of a coordinator is needed here"


@pytest.mark.parametrize("command", COMMANDS)
def test_keys_that_others_may_read_are_refused_with_the_command_to_run(
    refused: Refused, made: Provisioned, command: str
) -> None:
    kit = made.departments[LINES[0]] if command == "client" else made.coordinator
    (kit / "identity.key").chmod(0o644)
    said = refused(command, kit)
    assert "chmod" in said
    assert "identity.key" in said


def test_a_kit_whose_keys_are_still_at_the_department_says_how_to_bring_them_together(
    refused: Refused, tmp_path: Path
) -> None:
    path, _ = request(LINES[0], tmp_path / "keys")
    asked = new_folder(tmp_path / "requests")
    path.rename(asked / path.name)
    made = provision(written(tmp_path / "小", quick({}, 2)), tmp_path / "kits", requests=asked)
    kit = made.departments[LINES[0]]
    assert "lepton-fed accept" in refused("client", kit)
    accept(kit, tmp_path / "keys")


@pytest.mark.parametrize("command", ["submit", "status", "stop", "logs"])
def test_where_no_coordinator_runs_it_is_said_how_to_start_one(
    refused: Refused, made: Provisioned, command: str
) -> None:
    assert "it cannot be reached" in refused(command, made.coordinator)
    assert "start it with lepton-fed server" in refused(command, made.coordinator)
    assert "localhost:1 " in refused(command, made.coordinator, "--address", "localhost:1")


def test_something_else_on_the_port_is_no_coordinator(refused: Refused, made: Provisioned) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(60)
        port = other.getsockname()[1]
        import threading

        def answer() -> None:
            with other.accept()[0] as caller:
                caller.recv(100)
                caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert "it cannot be reached" in refused("status", made.coordinator, "--address", f"127.0.0.1:{port}")
        thread.join()


@pytest.mark.parametrize("address", ["", "localhost", "localhost:port", "localhost:99999", "http://localhost:1"])
def test_an_address_that_is_none_is_said(refused: Refused, made: Provisioned, address: str) -> None:
    assert repr(address) in refused("status", made.coordinator, "--address", address)


def test_a_port_that_is_taken_is_named(refused: Refused, made: Provisioned) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert str(port) in refused("server", made.coordinator, "--host", "127.0.0.1", "--port", port)
    # Nothing is held afterwards.
    with claimed(made.coordinator / "state"):
        pass


@pytest.mark.parametrize("command", ["server", "client"])
def test_a_second_process_on_one_kit_is_refused(refused: Refused, made: Provisioned, command: str) -> None:
    kit = made.coordinator if command == "server" else made.departments[LINES[0]]
    with claimed(kit / "state"):
        assert refused(command, kit) == f"another process works from the kit {kit}; stop it first"


def test_a_kit_that_a_newer_one_has_replaced_is_refused_once_it_has_heard(
    refused: Refused, made: Provisioned, tmp_path: Path
) -> None:
    update = renew(made.administrator, tmp_path / "coordinator-2").update
    (made.coordinator / "state" / "roster.update").write_bytes(update.read_bytes())
    assert "this kit was replaced by a newer one" in refused("server", made.coordinator)


def test_a_departments_file_that_is_not_there_or_broken_is_named(
    refused: Refused, made: Provisioned, tmp_path: Path
) -> None:
    kit = made.departments[LINES[0]]
    assert "nowhere.toml" in refused("client", kit, "--data", tmp_path / "nowhere.toml")
    own = write_own(tmp_path / "小" / "federation.toml", LINES[0], {"path": "gone.csv"})
    assert "gone.csv" in refused("client", kit, "--data", own)
    own.write_text("[data", encoding="utf-8")
    assert own.name in refused("client", kit, "--data", own)


def test_a_department_with_rows_is_told_where_its_file_is_looked_for(refused: Refused, made: Provisioned) -> None:
    said = refused("client", made.departments[LINES[0]])
    assert f"{LINES[0]}.toml" in said


def test_a_target_needs_no_file_of_its_own(made: Provisioned) -> None:
    from clients.home import DepartmentHome
    from lepton_fed.deploy.kit import DepartmentKit

    assert DepartmentHome.opened(DepartmentKit.load(made.departments[TARGET]), None).department().name == TARGET


def test_a_file_that_cannot_be_read_is_not_submitted(refused: Refused, made: Provisioned, tmp_path: Path) -> None:
    assert "nowhere.toml" in refused("submit", made.coordinator, tmp_path / "nowhere.toml")
    (tmp_path / "broken.toml").write_text("[federation", encoding="utf-8")
    assert "broken.toml" in refused("submit", made.coordinator, tmp_path / "broken.toml")
