"""A kit is used only if every file is as it was made, nobody else could read its secrets, and nothing has ended."""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lepton_fed.deploy import CoordinatorKit, DepartmentKit, Kit
from lepton_fed.deploy.folder import LARGEST
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, LeptonError, StorageError
from tests.deploy.conftest import NOW
from tests.federations import FOUR

DEPARTMENT = {
    "README.md", "administrator.pub", "ca.crt", "compose.yaml", "federation.toml", "identity.key", "kit.sig",
    "kit.toml", "lepton-fed-department.service", "node.key", "roster", "rounding.key",
}  # fmt: skip
COORDINATOR = {
    "README.md", "administrator.pub", "ca.crt", "compose.yaml", "control.token", "federation.toml", "identity.key",
    "kit.sig", "kit.toml", "lepton-fed-coordinator.service", "roster", "server.crt", "server.key",
}  # fmt: skip
SECRET = (".key", ".token", ".secret")


def one_sentence(error: pytest.ExceptionInfo[LeptonError]) -> str:
    said = str(error.value)
    assert said
    assert "\n" not in said
    assert "Traceback" not in said
    return said


def folder_of(made: Provisioned, kind: str) -> Path:
    return made.coordinator if kind == "coordinator" else made.departments[FOUR[0]]


SAME = ("federation.toml", ".service", "compose.yaml")
"""Files that two federations from one file have alike."""

FILES = [("department", f) for f in sorted(DEPARTMENT)] + [("coordinator", f) for f in sorted(COORDINATOR)]


def test_a_kit_holds_these_files_and_no_others(made: Provisioned) -> None:
    for path in made.departments.values():
        assert {p.name for p in path.iterdir()} == DEPARTMENT | {"policies", "state"}
        assert not list((path / "policies").iterdir())
    assert {p.name for p in made.coordinator.iterdir()} == COORDINATOR | {"state"}
    for folder in (made.coordinator, *made.departments.values()):
        assert not list((folder / "state").iterdir())


def test_secrets_have_mode_600_and_folders_700(made: Provisioned) -> None:
    for path in made.administrator.parent.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        else:
            assert mode == (0o600 if path.suffix in SECRET else 0o644), path


def test_a_department_loads_its_kit(kit: Path, made: Provisioned) -> None:
    found = DepartmentKit.load(kit, now=NOW)
    assert found == Kit.load(kit, now=NOW)
    assert (found.name, str(found.address), found.membership.serial) == (FOUR[0], "localhost:8000", 1)
    assert found.administrator == made.public
    assert found.identity.public == found.membership.roster.public(FOUR[0])
    assert found.keys.node_public == found.membership.node(FOUR[0])
    assert len(found.keys.rounding) == 32
    assert found.federation.fingerprint == found.file.fingerprint
    assert found.warnings == ()


def test_the_coordinator_loads_its_kit(made: Provisioned) -> None:
    found = CoordinatorKit.load(made.coordinator, now=NOW)
    assert found.permits(found.token)
    assert not found.permits(found.token[:-1])
    assert not found.permits("令牌\ud800")
    assert found.identity.public == found.membership.coordinator


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_kit_with_one_bit_turned_in_any_file_is_refused(
    made: Provisioned, kind: str, name: str, spoil: Callable[[Path], None]
) -> None:
    folder = folder_of(made, kind)
    spoil(folder / name)
    with pytest.raises(ConfigError) as error:
        Kit.load(folder, now=NOW)
    one_sentence(error)


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_kit_without_any_one_of_its_files_is_refused(made: Provisioned, kind: str, name: str) -> None:
    folder = folder_of(made, kind)
    (folder / name).unlink()
    with pytest.raises((ConfigError, StorageError)) as error:
        Kit.load(folder, now=NOW)
    assert name in one_sentence(error)


@pytest.mark.parametrize(("kind", "name"), [f for f in FILES if not f[1].endswith(SAME)])
def test_a_file_of_another_federation_is_refused(made: Provisioned, other: Provisioned, kind: str, name: str) -> None:
    folder, foreign = folder_of(made, kind), folder_of(other, kind)
    shutil.copyfile(foreign / name, folder / name)
    with pytest.raises(ConfigError) as error:
        Kit.load(folder, now=NOW)
    one_sentence(error)


@pytest.fixture(scope="module")
def other(federation: object, tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    from lepton_fed.config import Federation
    from lepton_fed.deploy import provision

    assert isinstance(federation, Federation)
    return provision(federation, tmp_path_factory.mktemp("其他") / "kits", now=NOW)


@pytest.mark.parametrize(("kind", "name"), [f for f in FILES if f[1].endswith(SECRET)])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_may_read_is_refused_with_the_command_to_run(
    made: Provisioned, kind: str, name: str, mode: int
) -> None:
    path = folder_of(made, kind) / name
    path.chmod(mode)
    with pytest.raises(ConfigError) as error:
        Kit.load(path.parent, now=NOW)
    said = one_sentence(error)
    assert f"mode {mode:o}" in said
    assert said.endswith(f"chmod 600 {shlex.quote(str(path))}")


@pytest.mark.parametrize("inner", [".", "state"])
def test_a_folder_that_others_may_write_to_is_refused_with_the_command_to_run(kit: Path, inner: str) -> None:
    (kit / inner).chmod(0o770)
    with pytest.raises(ConfigError, match="run: chmod 700"):
        Kit.load(kit, now=NOW)


def test_a_path_with_blanks_is_quoted_in_the_command(kit: Path) -> None:
    moved = kit.rename(kit.with_name("一 个"))
    (moved / "node.key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"chmod 600 '.*一 个/node.key'"):
        Kit.load(moved, now=NOW)


def test_another_departments_keys_are_refused(made: Provisioned) -> None:
    first, second = made.departments[FOUR[0]], made.departments[FOUR[1]]
    for name in ("identity.key", "node.key", "rounding.key"):
        shutil.copy(second / name, first / name)
    with pytest.raises(ConfigError, match="knows 生产车间-一 by other keys"):
        Kit.load(first, now=NOW)


def test_a_kit_of_the_other_kind_is_refused(made: Provisioned, kit: Path) -> None:
    with pytest.raises(ConfigError, match="the kit of a department, and one of a coordinator"):
        CoordinatorKit.load(kit, now=NOW)
    with pytest.raises(ConfigError, match="the kit of a coordinator, and one of a department"):
        DepartmentKit.load(made.coordinator, now=NOW)


def test_an_expired_certificate_is_said_with_its_day_and_what_to_do(made: Provisioned) -> None:
    with pytest.raises(ConfigError) as error:
        Kit.load(made.coordinator, now=NOW + timedelta(days=366))
    assert one_sentence(error).endswith(
        "server.crt expired on 2031-05-01 and it is 2031-05-02 here; have the administrator renew the federation "
        "(lepton-fed renew)"
    )
    with pytest.raises(ConfigError, match=r"ca.crt expired on 2040-04-28 .* provision the federation anew"):
        Kit.load(made.coordinator, now=NOW + timedelta(days=3651))


def test_a_roster_that_ended_is_refused_and_one_that_will_end_is_told(kit: Path, made: Provisioned) -> None:
    with pytest.raises(ConfigError, match="ended on 2031-05-01"):
        Kit.load(kit, now=NOW + timedelta(days=365))
    (warning,) = Kit.load(kit, now=NOW + timedelta(days=340)).warnings
    assert "ends on 2031-05-01" in warning
    certificate, roster = Kit.load(made.coordinator, now=NOW + timedelta(days=340)).warnings
    assert "server.crt expires on 2031-05-01" in certificate
    assert "roster" in roster


def test_a_clock_that_is_behind_is_named(kit: Path) -> None:
    with pytest.raises(ConfigError, match="set the machine's clock"):
        Kit.load(kit, now=NOW - timedelta(days=2))


def test_no_secret_shows_in_a_repr(made: Provisioned, kit: Path) -> None:
    department, coordinator = DepartmentKit.load(kit, now=NOW), CoordinatorKit.load(made.coordinator, now=NOW)
    said = f"{department!r} {department.keys!r} {coordinator!r} {vars(coordinator)['identity']!r}"
    secrets = (department.identity.seed, department.keys.node, department.keys.rounding)
    for secret in (*secrets, coordinator.identity.seed):
        assert repr(secret)[2:-1] not in said
        assert secret.hex() not in said
    assert coordinator.token not in said
    assert len(said) < 2000


def test_no_secret_shows_in_a_refusal(made: Provisioned, spoil: Callable[[Path], None]) -> None:
    token = (made.coordinator / "control.token").read_text()
    (made.coordinator / "control.token").write_text(f"{token}x")
    with pytest.raises(ConfigError) as error:
        Kit.load(made.coordinator, now=NOW)
    assert token not in str(error.value)
    assert error.value.__cause__ is None


def test_a_file_that_cannot_belong_to_a_kit_is_not_read_to_its_end(kit: Path) -> None:
    with (kit / "roster").open("ab") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ConfigError, match="larger than 64 MiB"):
        Kit.load(kit, now=NOW)


def test_files_of_the_departments_own_do_not_disturb_a_kit(kit: Path) -> None:
    (kit / "notes.txt").write_text("ours")
    (kit / "state" / "ledger").write_text("ours")
    Kit.load(kit, now=NOW)


def test_something_that_is_no_kit_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        Kit.load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="give the kit's folder"):
        Kit.load(tmp_path / "file")
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"folder is no start-up kit: it has no kit.toml"):
        Kit.load(tmp_path / "folder")
