"""The pages of a kit: a unit without privileges, a container that may write nothing, a README for people."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lepton_fed.deploy.keys import fingerprint
from lepton_fed.deploy.provisioning import Provisioned
from tests.deploy.conftest import federation_with
from tests.federations import FOUR, TARGET


def kits(made: Provisioned) -> dict[str, Path]:
    return {"department": made.departments[FOUR[0]], "coordinator": made.coordinator}


@pytest.mark.parametrize("kind", ["department", "coordinator"])
def test_the_service_has_no_privileges_and_writes_to_its_state_only(original: Provisioned, kind: str) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((kits(original)[kind] / f"lepton-fed-{kind}.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["User"] == "lepton-fed"
    assert service["ReadWritePaths"] == "/opt/lepton-fed/kit/state"
    expected = {"NoNewPrivileges": "true", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "LimitCORE": "0"}
    assert {key: service[key] for key in expected} == expected


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("kind", ["department", "coordinator"])
def test_systemd_understands_every_line_of_the_unit(original: Provisioned, tmp_path: Path, kind: str) -> None:
    unit = tmp_path / f"lepton-fed-{kind}.service"
    shutil.copy(kits(original)[kind] / unit.name, unit)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert unit.name not in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["department", "coordinator"])
def test_the_container_has_no_privileges_and_writes_to_its_state_only(original: Provisioned, kind: str) -> None:
    compose = yaml.safe_load((kits(original)[kind] / "compose.yaml").read_text(encoding="utf-8"))
    service = compose["services"][kind]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0")
    assert [v for v in service["volumes"] if not v.endswith(":ro")] == ["./state:/kit/state"]
    assert ("ports" in service) == (kind == "coordinator")


@pytest.mark.parametrize("kind", ["department", "coordinator"])
def test_the_readme_is_one_page_in_two_languages_with_what_to_compare(original: Provisioned, kind: str) -> None:
    text = (kits(original)[kind] / "README.md").read_text(encoding="utf-8")
    assert text.count(fingerprint(original.public)) == 2
    assert len(text.splitlines()) < 80
    assert max(map(len, text.splitlines())) <= 160
    command = {"department": "lepton-fed client ", "coordinator": "lepton-fed server "}[kind]
    for said in (command, "revoke" if kind == "department" else "renew", "stolen", "被盗", "leaves the building"):
        assert said in text


def test_a_department_without_rows_is_started_without_a_file_of_its_own(original: Provisioned) -> None:
    page, unit, compose = "README.md", "lepton-fed-department.service", "compose.yaml"
    for name, has in ((FOUR[0], True), (TARGET, False)):
        kit = original.departments[name]
        command = yaml.safe_load((kit / compose).read_text("utf-8"))["services"]["department"]["command"]
        assert ("--data" in command) == has
        assert (" --data /opt/lepton-fed/department.toml\nRestart=" in (kit / unit).read_text("utf-8")) == has
        assert ("THIS-FOLDER --data YOUR-FILE.toml`\n" in (kit / page).read_text("utf-8")) == has
        assert ("本文件夹 --data 本部门文件.toml`\n" in (kit / page).read_text("utf-8")) == has


def test_the_container_of_the_coordinator_asks_itself_how_it_is(original: Provisioned) -> None:
    service = yaml.safe_load((original.coordinator / "compose.yaml").read_text("utf-8"))["services"]["coordinator"]
    (port,) = service["ports"]
    asked = ["CMD", "lepton-fed", "status", "/kit", "--address", f"localhost:{port.split(':')[0]}"]
    assert service["healthcheck"]["test"] == asked


def test_a_percent_sign_in_a_name_stays_one_in_the_unit(tmp_path: Path) -> None:
    from lepton_fed.deploy import provision

    names = ["100%n", *FOUR[1:]]
    tree = {
        "departments": [{"name": name} for name in names],
        "graph": [],
        "sharing": [{"what": "updates", "from": names, "to": ["*"]}],
    }
    made = provision(federation_with(tmp_path / "小", tree), tmp_path / "kits")
    text = (made.departments["100%n"] / "lepton-fed-department.service").read_text()
    assert "Description=lepton-fed department 100%%n\n" in text


def test_sealed_sums_are_described_as_such(tmp_path: Path) -> None:
    from lepton_fed.deploy import provision

    made = provision(
        federation_with(tmp_path / "小", {"aggregation": {"coordinator_sees": "nothing"}}), tmp_path / "kits"
    )
    assert "cannot read even their sums" in (made.departments[FOUR[0]] / "README.md").read_text()
    assert "sums of the report only" in (made.coordinator / "README.md").read_text()
