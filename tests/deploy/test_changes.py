"""Who joins, leaves or gets new keys: one signed update says so, and only the party concerned gets a new kit."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from lepton_fed.config import Federation
from lepton_fed.deploy import (
    CoordinatorKit,
    DepartmentKit,
    Kit,
    accept,
    add_department,
    changes,
    renew,
    request,
    revoke,
    rotate,
    take_update,
)
from lepton_fed.deploy.administrator import Administrator
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, PeerError, StorageError
from tests.deploy.conftest import NEWCOMER, NOW, federation_with, joined
from tests.federations import FOUR, TARGET

LEAVER, STAYER = FOUR[0], FOUR[1]


def digests(*folders: Path) -> dict[Path, str]:
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def handed_on(made: Provisioned) -> bytes:
    """What the coordinator finds, and hands to its departments."""
    return CoordinatorKit.load(made.coordinator, now=NOW).update


# ---------------------------------------------------------------- revoke, and come back


def test_a_revoked_department_is_refused_and_no_other_kit_changes_by_hand(made: Provisioned) -> None:
    before = digests(*made.departments.values())
    coordinator = CoordinatorKit.load(made.coordinator, now=NOW)
    assert coordinator.current(now=NOW) is coordinator
    done = revoke(made.administrator, LEAVER, now=NOW)
    assert (done.serial, done.kit, done.told) == (2, None, True)
    assert digests(*made.departments.values()) == before
    seen = coordinator.current(now=NOW)
    assert LEAVER not in seen.membership.roster.names
    assert seen.update == done.update.read_bytes()

    stayer = DepartmentKit.load(made.departments[STAYER], now=NOW).take(seen.update, now=NOW)
    assert stayer.membership == seen.membership
    assert stayer.take(seen.update, now=NOW) is stayer
    assert DepartmentKit.load(made.departments[STAYER], now=NOW) == stayer
    for _ in range(2):
        with pytest.raises((ConfigError, PeerError), match=r"was taken out|only a larger one"):
            DepartmentKit.load(made.departments[LEAVER], now=NOW).take(seen.update, now=NOW)
    with pytest.raises(ConfigError, match=f"{LEAVER} is not in the roster of serial 2: it was taken out"):
        Kit.load(made.departments[LEAVER], now=NOW)


def test_a_lying_coordinator_cannot_take_a_department_back_to_an_old_roster(made: Provisioned) -> None:
    old = handed_on(made)
    stayer = DepartmentKit.load(made.departments[STAYER], now=NOW)
    revoke(made.administrator, LEAVER, now=NOW)
    stayer = stayer.take(handed_on(made), now=NOW)
    for kit in (stayer, DepartmentKit.load(made.departments[STAYER], now=NOW)):
        with pytest.raises(PeerError, match="its serial is 1, and 2 is known here"):
            kit.take(old, now=NOW)


def test_a_running_coordinator_does_not_forget_a_roster_that_it_saw(made: Provisioned) -> None:
    first = CoordinatorKit.load(made.coordinator, now=NOW)
    revoke(made.administrator, LEAVER, now=NOW)
    second = first.current(now=NOW)
    revoke(made.administrator, STAYER, now=NOW)
    third = second.current(now=NOW)
    (made.coordinator / "state" / "roster.update").write_bytes(second.update)
    assert third.current(now=NOW) is third
    assert third.membership.serial == 3


def test_a_revoked_department_comes_back_with_new_keys_and_not_with_its_old_ones(
    made: Provisioned, federation: Federation, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    path, _ = request(LEAVER, own)
    first = rotate(made.administrator, LEAVER, request=path, now=NOW)
    revoke(made.administrator, LEAVER, now=NOW)
    with pytest.raises(ConfigError, match="were in the roster of serial 2"):
        add_department(made.administrator, federation, LEAVER, request=path, now=NOW)
    done = add_department(made.administrator, federation, LEAVER, now=NOW)
    assert first.kit != done.kit
    assert done.kit is not None
    back = DepartmentKit.load(done.kit, now=NOW)
    assert (back.membership.serial, back.name) == (4, LEAVER)
    stayer = DepartmentKit.load(made.departments[STAYER], now=NOW).take(handed_on(made), now=NOW)
    assert stayer.membership.roster.public(LEAVER) == back.identity.public
    with pytest.raises(ConfigError, match="by other keys than these"):
        DepartmentKit.load(made.departments[LEAVER], now=NOW).take(handed_on(made), now=NOW)


def test_who_missed_some_updates_takes_the_last(made: Provisioned) -> None:
    revoke(made.administrator, LEAVER, now=NOW)
    rotate(made.administrator, FOUR[2], now=NOW)
    stayer = DepartmentKit.load(made.departments[STAYER], now=NOW).take(handed_on(made), now=NOW)
    assert stayer.membership.serial == 3


def test_a_roster_that_would_protect_nobody_is_not_made(made: Provisioned) -> None:
    for name in FOUR[:2]:
        revoke(made.administrator, name, now=NOW)
    before = digests(made.coordinator.parent)
    with pytest.raises(ConfigError, match="1 colluders of 2 leave nobody to protect"):
        revoke(made.administrator, FOUR[2], now=NOW)
    assert digests(made.coordinator.parent) == before


# ---------------------------------------------------------------- join


def test_a_department_joins_and_the_others_learn_of_it_over_the_wire(made: Provisioned, tmp_path: Path) -> None:
    federation = joined(tmp_path / "新")
    done = add_department(made.administrator, federation, NEWCOMER, now=NOW)
    assert done.kit == made.administrator.parent / "departments" / NEWCOMER
    newcomer = DepartmentKit.load(done.kit, now=NOW)
    stayer = DepartmentKit.load(made.departments[STAYER], now=NOW).take(handed_on(made), now=NOW)
    assert stayer.membership == newcomer.membership
    assert stayer.federation.fingerprint == newcomer.federation.fingerprint == federation.fingerprint
    assert stayer.federation.path.parent == made.departments[STAYER]


def test_a_newcomer_makes_its_own_keys(made: Provisioned, tmp_path: Path) -> None:
    path, publics = request(NEWCOMER, tmp_path / "own")
    done = add_department(made.administrator, joined(tmp_path / "新"), NEWCOMER, request=path, now=NOW)
    assert done.requested == publics
    assert done.kit is not None
    assert not list(done.kit.glob("*.key"))
    assert accept(done.kit, tmp_path / "own", now=NOW).name == NEWCOMER


def test_a_federation_file_that_changes_more_is_refused(made: Provisioned, tmp_path: Path) -> None:
    federation = joined(tmp_path / "新", training={"steps": 9, "batch": 8})
    with pytest.raises(ConfigError, match=r"\[training\] of its federation file differs"):
        add_department(made.administrator, federation, NEWCOMER, now=NOW)
    assert Administrator.load(made.administrator).latest.serial == 1


def test_mistaken_names_are_refused_with_the_right_ones(
    made: Provisioned, federation: Federation, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="is in the roster already; give it new keys"):
        add_department(made.administrator, federation, STAYER, now=NOW)
    with pytest.raises(ConfigError, match="no department '质量部门' that takes part; add it there"):
        add_department(made.administrator, federation, NEWCOMER, now=NOW)
    for change in (revoke, rotate):
        with pytest.raises(ConfigError, match="'生产车间-七' is not in the roster of serial 1; did you mean"):
            change(made.administrator, "生产车间-七", now=NOW)
    path, _ = request(STAYER, tmp_path / "own")
    with pytest.raises(ConfigError, match="is from '生产车间-二', not from '生产车间-一'"):
        rotate(made.administrator, LEAVER, request=path, now=NOW)
    assert Administrator.load(made.administrator).latest.serial == 1


# ---------------------------------------------------------------- rotate and renew


def test_rotated_keys_replace_the_old_ones(made: Provisioned) -> None:
    done = rotate(made.administrator, LEAVER, now=NOW)
    assert done.kit == made.departments[LEAVER].with_name(f"{LEAVER}-2")
    new = DepartmentKit.load(done.kit, now=NOW)
    assert new.identity.public != DepartmentKit.load(made.departments[LEAVER], now=NOW).identity.public
    with pytest.raises(ConfigError, match="start with the newest kit"):
        DepartmentKit.load(made.departments[LEAVER], now=NOW).take(new.update, now=NOW)


def test_a_state_folder_moves_into_the_new_kit(made: Provisioned) -> None:
    revoke(made.administrator, STAYER, now=NOW)
    old = DepartmentKit.load(made.departments[LEAVER], now=NOW).take(handed_on(made), now=NOW)
    (old.state / "ledger").write_text("what was released")
    done = rotate(made.administrator, LEAVER, now=NOW)
    assert done.kit is not None
    (done.kit / "state").rmdir()
    shutil.move(old.state, done.kit)
    assert DepartmentKit.load(done.kit, now=NOW).membership.serial == 3


def test_a_renewed_coordinator_starts_from_its_new_kit_and_not_from_the_old(made: Provisioned, tmp_path: Path) -> None:
    later = NOW + timedelta(days=364)
    out = tmp_path / "coordinator-2"
    done = renew(made.administrator, out, now=later)
    old, new = CoordinatorKit.load(made.coordinator, now=later), CoordinatorKit.load(out, now=later)
    assert not new.permits(old.token)
    assert new.identity.public != old.identity.public
    assert not new.warnings
    with pytest.raises(ConfigError, match="this kit was replaced by a newer one"):
        old.take(new.update, now=later)
    after = NOW + timedelta(days=370)
    with pytest.raises(ConfigError, match="ended on"):
        Kit.load(made.departments[STAYER], now=after)
    assert take_update(made.departments[STAYER], done.update.read_bytes()) == 2
    assert Kit.load(made.departments[STAYER], now=after).membership.coordinator == new.identity.public


# ---------------------------------------------------------------- the administrator's folder


def test_a_serial_is_signed_once(made: Provisioned) -> None:
    office = Administrator.load(made.administrator)
    revoke(made.administrator, LEAVER, now=NOW)
    _, nodes = changes._known(office.latest)
    late = changes._next(office, office.latest.file, changes._known(office.latest)[0], nodes, NOW)
    with pytest.raises(StorageError, match="somebody else changed the federation at this moment"):
        office.record(late)
    assert sorted(p.name for p in (made.administrator / "updates").iterdir()) == ["000001.update", "000002.update"]


def test_an_administrators_folder_from_a_backup_signs_nothing(made: Provisioned, tmp_path: Path) -> None:
    shutil.copytree(made.administrator, tmp_path / "backup")
    revoke(made.administrator, LEAVER, now=NOW)
    shutil.rmtree(made.administrator)
    shutil.move(tmp_path / "backup", made.administrator)
    with pytest.raises(ConfigError, match="the folder is an old copy"):
        revoke(made.administrator, STAYER, now=NOW)
    shutil.copy(made.coordinator / "state" / "roster.update", made.administrator / "updates" / "000002.update")
    assert revoke(made.administrator, STAYER, now=NOW).serial == 3


def test_a_coordinators_kit_elsewhere_gets_its_update_by_hand(made: Provisioned, tmp_path: Path) -> None:
    away = made.coordinator.rename(tmp_path / "away")
    done = revoke(made.administrator, LEAVER, now=NOW)
    assert not done.told
    assert take_update(away, done.update.read_bytes()) == 2
    with pytest.raises(StorageError, match="is no folder"):
        revoke(made.administrator, STAYER, coordinator=tmp_path / "nowhere", now=NOW)
    assert revoke(made.administrator, STAYER, coordinator=away, now=NOW).told


def test_a_change_that_is_killed_before_the_coordinator_hears_of_it_can_be_done_again(
    made: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(changes, "_tell", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate(made.administrator, LEAVER, now=NOW)
    done = rotate(made.administrator, LEAVER, now=NOW)
    assert (done.serial, done.told) == (3, True)
    assert done.kit is not None
    assert DepartmentKit.load(done.kit, now=NOW).membership.serial == 3


@pytest.mark.parametrize("name", ["administrator.key", "ca.key"])
def test_an_administrators_key_that_others_may_read_is_refused(made: Provisioned, name: str) -> None:
    (made.administrator / name).chmod(0o640)
    with pytest.raises(ConfigError, match="run: chmod 600"):
        revoke(made.administrator, LEAVER, now=NOW)


FILES = ["administrator.key", "administrator.pub", "administrator.toml", "ca.crt", "ca.key", "updates/000001.update"]


@pytest.mark.parametrize("name", FILES)
def test_an_administrators_folder_that_was_changed_is_refused(made: Provisioned, name: str, tmp_path: Path) -> None:
    path = made.administrator / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if name != "administrator.toml" else 0] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        Administrator.load(made.administrator)


def test_a_missing_update_is_noticed(made: Provisioned) -> None:
    revoke(made.administrator, LEAVER, now=NOW)
    (made.administrator / "updates" / "000001.update").unlink()
    with pytest.raises(ConfigError, match="does not hold every update from serial 1 on"):
        Administrator.load(made.administrator)


def test_another_federations_coordinator_is_not_told(made: Provisioned, tmp_path: Path) -> None:
    from lepton_fed.deploy import provision

    other = provision(federation_with(tmp_path / "小", {}), tmp_path / "other", now=NOW)
    with pytest.raises(ConfigError, match="a kit of another administrator"):
        revoke(made.administrator, LEAVER, coordinator=other.coordinator, now=NOW)
    assert TARGET in Administrator.load(made.administrator).latest.roster.names


def test_another_folder_than_the_administrators_is_named_as_such(made: Provisioned) -> None:
    for folder in (made.administrator.parent, made.coordinator):
        with pytest.raises(ConfigError, match=r"is no administrator's folder: .* such as kits/administrator") as error:
            revoke(folder, LEAVER)
        assert str(error.value).startswith(str(folder))
