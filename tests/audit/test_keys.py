"""Keys of a log: files that say what they are, folders that keep secrets, kits that forget no key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lepton_fed.audit import Keys
from lepton_fed.audit.key_file import read_keys, together, write_keys
from lepton_fed.audit.key_folder import KeyFolder
from lepton_fed.audit.kits import keys_of, membership_entry, remember_keys
from lepton_fed.deploy.changes import revoke, rotate
from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.provisioning import provision
from lepton_fed.errors import ConfigError, StorageError
from tests.audit.example import KEYS, LOG, sha
from tests.federations import FOUR
from tests.server.together import five


def test_keys_come_back_from_their_file(tmp_path: Path) -> None:
    write_keys(KEYS, tmp_path / "keys.json")
    assert read_keys(tmp_path / "keys.json") == Keys(LOG, KEYS.coordinator, dict(sorted(KEYS.departments.items())))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "x"}', '{"format": "lepton-audit-keys/1", "log": "a", "coordinator": [], '
     '"departments": {}}', '{"format": "lepton-audit-keys/1", "log": "a", "coordinator": ["00"], "departments": {}}',
     '{"format": "lepton-audit-keys/1", "log": " ", "coordinator": [], "departments": []}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_file_of_keys_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ConfigError, match="is no file of keys; make one with lepton-fed audit keys"):
        read_keys(tmp_path / "keys.json")


def test_keys_of_one_log_are_put_together_and_none_is_forgotten() -> None:
    one = Keys("a", (sha("1"),), {"甲": (sha("2"),)})
    other = Keys("a", (sha("3"),), {"甲": (sha("2"), sha("4")), "乙": (sha("5"),)})
    assert together(one, other) == Keys("a", (sha("1"), sha("3")), {"乙": (sha("5"),), "甲": (sha("2"), sha("4"))})
    with pytest.raises(ConfigError, match=r"keys of several logs \(a, b\)"):
        together(one, Keys("b", (sha("1"),), {}))


def test_identities_of_simulations_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path, LOG)
    first, second = folder.signers(("coordinator", "甲")), KeyFolder(tmp_path, LOG).signers(("coordinator", "甲", "乙"))
    assert first.coordinator == second.coordinator
    assert first.departments.items() <= second.departments.items()
    assert first.departments["coordinator"] != first.coordinator.public
    assert set(read_keys(folder.public).departments) == {"coordinator", "甲", "乙"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.path.glob("*.key")} == {0o600}
    assert first.coordinator.seed.hex() not in repr(first)
    (folder.path / "coordinator.key").write_bytes(b"short")
    with pytest.raises(StorageError, match="is no key of a log"):
        folder.signers(("甲",))


def test_a_kit_knows_keys_of_departments_that_have_left_or_have_new_ones(tmp_path: Path) -> None:
    made = provision(five(tmp_path / "file"), tmp_path / "kits", address="localhost:8000")
    before = CoordinatorKit.load(made.coordinator)
    remember_keys(before)
    revoke(made.administrator, FOUR[0], coordinator=made.coordinator)
    rotate(made.administrator, FOUR[1], out=tmp_path / "new", coordinator=made.coordinator)
    kit = CoordinatorKit.load(made.coordinator)
    known = keys_of(kit)
    assert FOUR[0] not in kit.membership.roster.names
    assert known.departments[FOUR[0]] == (before.membership.roster.public(FOUR[0]),)
    assert known.departments[FOUR[1]] == (
        before.membership.roster.public(FOUR[1]),
        kit.membership.roster.public(FOUR[1]),
    )
    entry = membership_entry(kit.membership, "")
    assert (entry.serial, entry.roster) == (kit.membership.serial, kit.membership.roster.hash)
