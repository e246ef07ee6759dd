"""Kits appear whole or not at all, and what a department made itself never leaves it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from lepton_fed.config import Federation
from lepton_fed.deploy import DepartmentKit, Kit, accept, folder, provision, request, rotate
from lepton_fed.deploy.folder import whole_folder
from lepton_fed.deploy.key_request import Publics, Request, read_request, request_fingerprint
from lepton_fed.deploy.keys import OwnKeys, fingerprint, same_fingerprint
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from tests.deploy.conftest import NOW, federation_with
from tests.federations import FOUR, TARGET, Tree
from tests.thoroughness import at_most

# ---------------------------------------------------------------- whole or not at all


class Killed(BaseException):
    """Stands for whatever ends a process in the middle."""


def failing_at(number: int, error: BaseException) -> Callable[..., None]:
    """The writing of files, which fails at the n-th after half of it is written."""
    real, left = folder._write, [number]

    def write(path: Path, content: bytes, mode: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            real(path, content[: len(content) // 2], mode)
            raise error
        real(path, content, mode)

    return write


@pytest.mark.parametrize("number", [0, 1, 5, 6, 7, 20, 60])
@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")])
def test_nothing_is_left_of_kits_that_were_not_finished(
    federation: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException
) -> None:
    monkeypatch.setattr(folder, "_write", failing_at(number, error))
    with pytest.raises((Killed, StorageError)):
        provision(federation, tmp_path / "kits")
    assert not list(tmp_path.iterdir())


def test_kits_of_a_killed_process_never_appear_and_are_cleared_away(federation: Federation, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lepton_fed.config import Federation\n"
        "from lepton_fed.deploy import folder, provision\n"
        "real, left = folder._write, [30]\n"
        "def write(*arguments):\n"
        "    left[0] -= 1\n"
        "    real(*arguments)\n"
        "    if not left[0]: os.kill(os.getpid(), 9)\n"
        "folder._write = write\n"
        "provision(Federation.load(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    out = tmp_path / "kits"
    done = subprocess.run([sys.executable, "-c", program, federation.path, out], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".kits-")
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    provision(federation, out)
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_somebody_is_filling_is_not_cleared_away(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "first") as first, whole_folder(tmp_path / "second"):
        assert first.is_dir()
    assert {p.name for p in tmp_path.iterdir()} == {"first", "second"}


@pytest.mark.parametrize("kind", ["folder", "file", "link to nothing"])
def test_nothing_that_exists_is_written_over(federation: Federation, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "kits"
    match kind:
        case "folder":
            out.mkdir()
        case "file":
            out.write_text("mine")
        case _:
            out.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="exists and is left as it is"):
        provision(federation, out)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("mask", [0, 0o077])
def test_modes_do_not_depend_on_the_umask(federation: Federation, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        made = provision(federation, tmp_path / "kits")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in made.coordinator.parent.rglob("*")}
    assert modes == {0o600, 0o644, 0o700}


# ---------------------------------------------------------------- what is made


def test_every_department_with_a_role_gets_a_kit_under_its_chinese_name(original: Provisioned) -> None:
    assert list(original.departments) == [*FOUR, TARGET]
    for name, path in original.departments.items():
        assert path.name == name
        assert DepartmentKit.load(path, now=NOW).name == name


def test_no_two_parties_share_a_secret(original: Provisioned) -> None:
    secret = [
        p.read_bytes() for p in original.coordinator.parent.rglob("*") if p.suffix in (".key", ".token", ".secret")
    ]
    assert len(secret) == len(set(secret)) == 2 + 3 + 3 * 5


def test_a_nodes_key_is_what_flower_and_ssh_read(kit: Path) -> None:
    key = load_ssh_private_key((kit / "node.key").read_bytes(), None)
    assert key.curve.name == "secp384r1"  # type: ignore[union-attr]
    done = subprocess.run(["ssh-keygen", "-y", "-f", kit / "node.key"], capture_output=True, check=True)
    assert done.stdout.startswith(b"ecdsa-sha2-nistp384 ")


def test_a_federation_whose_secure_sums_would_be_refused_gets_no_kits(tmp_path: Path) -> None:
    federation = federation_with(tmp_path / "小", {"aggregation": {"colluders": 4}})
    with pytest.raises(ConfigError, match=r"aggregation\.colluders is 4"):
        provision(federation, tmp_path / "kits")
    assert not (tmp_path / "kits").exists()


def test_a_plain_federation_gets_kits_that_say_so(tmp_path: Path) -> None:
    federation = federation_with(tmp_path / "小", {"aggregation": {"secure": False}})
    made = provision(federation, tmp_path / "kits")
    assert "does not use secure sums" in (made.departments[FOUR[0]] / "README.md").read_text()
    assert "没有使用安全求和" in (made.coordinator / "README.md").read_text()


NOWHERE = ("", "host", "host:", ":8000", "host:0", "host:65536", "ho st:1", "a/b:1", "::1:8000", "host:８０")


@pytest.mark.parametrize("address", [*NOWHERE, "999.1.1.1:80", "host\n:80"])
def test_an_address_that_cannot_be_dialled_is_refused(federation: Federation, tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError) as error:
        provision(federation, tmp_path / "kits", address=address)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_have_bounds(federation: Federation, tmp_path: Path, days: int) -> None:
    with pytest.raises(ConfigError, match="days must be between 1 and 3650"):
        provision(federation, tmp_path / "kits", days=days)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\:*"), min_size=1, max_size=30)


@settings(deadline=None, max_examples=at_most(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=4, max_size=4, unique_by=lambda name: name.casefold()))
def test_any_names_that_a_federation_file_permits_work_as_folders(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    tree = {
        "departments": [{"name": name} for name in names],
        "graph": [],
        "sharing": [{"what": "updates", "from": names, "to": ["*"]}],
    }
    try:
        federation = federation_with(folder / "f", tree)
    except (ConfigError, OSError):
        reject()  # The file itself does not permit them.
    made = provision(federation, folder / "kits")
    assert {DepartmentKit.load(path).name for path in made.departments.values()} == set(names)


# ---------------------------------------------------------------- keys that a department makes itself


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of keys that a department made, with its request."""
    request(FOUR[0], tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def requests(own: Path, tmp_path: Path) -> Path:
    """What arrived at the administrator."""
    (tmp_path / "arrived").mkdir()
    shutil.copy(own / f"{FOUR[0]}.request", tmp_path / "arrived")
    return tmp_path / "arrived"


def test_a_department_makes_its_keys_and_accepts_its_kit(
    federation: Federation, own: Path, requests: Path, tmp_path: Path
) -> None:
    made = provision(federation, tmp_path / "kits", requests=requests)
    path = made.departments[FOUR[0]]
    assert not list(path.glob("*.key"))
    with pytest.raises(ConfigError, match="lepton-fed accept KIT KEYS"):
        Kit.load(path)
    (publics,) = made.requested
    assert request_fingerprint(publics) == request_fingerprint(read_request(own / f"{FOUR[0]}.request"))
    for _ in range(2):
        kit = accept(path, own, administrator=fingerprint(made.public).upper())
        assert kit == DepartmentKit.load(path)
    assert kit.keys == OwnKeys.read(FOUR[0], own)
    assert {stat.S_IMODE((path / f).stat().st_mode) for f in ("identity.key", "node.key", "rounding.key")} == {0o600}


def test_no_secret_of_a_department_is_anywhere_else(
    federation: Federation, own: Path, requests: Path, tmp_path: Path
) -> None:
    provision(federation, tmp_path / "kits", requests=requests)
    keys = OwnKeys.read(FOUR[0], own)
    scalar = keys.node_key.private_numbers().private_value.to_bytes(48, "big")
    common = OwnKeys.generate("anybody").node.splitlines()
    written = [*(own / "identity.key").read_bytes().splitlines()[1:-1], *keys.node.splitlines()]
    # What every key's file has (its head, its padding) is no secret.
    lines = {line for line in written if len(line) > 30} - {*common}
    for path in (p for place in (requests, tmp_path / "kits") for p in place.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for secret in (keys.identity.seed, keys.rounding, scalar, *lines):
            assert secret not in content
            assert secret.hex().encode() not in content


def test_keys_that_a_kit_was_not_made_for_are_refused_and_nothing_is_copied(
    federation: Federation, requests: Path, tmp_path: Path
) -> None:
    path = provision(federation, tmp_path / "kits", requests=requests).departments[FOUR[0]]
    request(FOUR[0], tmp_path / "others")
    with pytest.raises(ConfigError, match="by other keys than these"):
        accept(path, tmp_path / "others")
    assert not list(path.glob("*.key*"))


def test_another_rounding_key_is_refused(federation: Federation, own: Path, requests: Path, tmp_path: Path) -> None:
    path = provision(federation, tmp_path / "kits", requests=requests).departments[FOUR[0]]
    (own / "rounding.key").write_bytes(bytes(32))
    with pytest.raises(ConfigError, match=r"rounding\.key of 生产车间-一 is not the one"):
        accept(path, own)
    assert not list(path.glob("*.key*"))


def test_a_kit_whose_administrator_is_another_one_is_refused(
    federation: Federation, own: Path, requests: Path, tmp_path: Path
) -> None:
    made = provision(federation, tmp_path / "kits", requests=requests)
    with pytest.raises(ConfigError, match="does not have the fingerprint that was given"):
        accept(made.departments[FOUR[0]], own, administrator=fingerprint(bytes(32)))
    with pytest.raises(ConfigError, match="the coordinator's kit"):
        accept(made.coordinator, own)


def test_a_kit_is_not_merged_with_keys_that_others_could_read(
    federation: Federation, own: Path, requests: Path, tmp_path: Path
) -> None:
    path = provision(federation, tmp_path / "kits", requests=requests).departments[FOUR[0]]
    (own / "identity.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        accept(path, own)


def test_a_request_of_a_stranger_is_refused(federation: Federation, tmp_path: Path) -> None:
    request("生产车间-五", tmp_path / "own")
    with pytest.raises(ConfigError, match="no department '生产车间-五' that takes part; did you mean"):
        provision(federation, tmp_path / "kits", requests=tmp_path / "own")


def test_two_requests_of_one_department_are_refused(
    federation: Federation, own: Path, requests: Path, tmp_path: Path
) -> None:
    request(FOUR[0], tmp_path / "again")
    shutil.copy(tmp_path / "again" / f"{FOUR[0]}.request", requests / "second.request")
    with pytest.raises(ConfigError, match="two requests"):
        provision(federation, tmp_path / "kits", requests=requests)


def test_one_key_under_two_names_is_refused(federation: Federation, own: Path, tmp_path: Path) -> None:
    keys = OwnKeys.read(FOUR[0], own)
    twin = replace(keys, identity=Identity(FOUR[1], keys.identity.seed))
    (own / "twin.request").write_bytes(Request.sign(twin).to_bytes())
    with pytest.raises(ConfigError, match="two departments of the roster have one key"):
        provision(federation, tmp_path / "kits", requests=own)


def test_an_empty_folder_of_requests_is_no_reason_to_make_all_keys_here(federation: Federation, tmp_path: Path) -> None:
    (tmp_path / "arrived").mkdir()
    with pytest.raises(ConfigError, match="holds no request"):
        provision(federation, tmp_path / "kits", requests=tmp_path / "arrived")
    with pytest.raises(StorageError, match="is no folder"):
        provision(federation, tmp_path / "kits", requests=tmp_path / "nowhere")


@settings(deadline=None, max_examples=at_most(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_request_with_any_bit_turned_is_refused(own: Path, at: int, bit: int) -> None:
    content = bytearray((own / f"{FOUR[0]}.request").read_bytes())
    content[at % len(content)] ^= 1 << bit
    (own / "turned.request").write_bytes(content)
    with pytest.raises(ConfigError, match="is no sound request"):
        read_request(own / "turned.request")


def test_a_request_needs_both_secret_keys() -> None:
    keys, thief = OwnKeys.generate("a"), OwnKeys.generate("a")
    sound, foreign = Request.sign(keys), Request.sign(thief)
    # The thief's identity, and the node key of somebody else.
    publics = Publics("a", thief.identity.public, keys.node_public, sound.publics.rounding)
    by_identity = thief.identity.sign("kit request", publics)
    for by_node in (sound.by_node, foreign.by_node):
        with pytest.raises(Malformed, match="node's signature"):
            Request(publics, by_identity, by_node).verified()
    with pytest.raises(Malformed):
        Request(sound.publics, foreign.by_identity, sound.by_node).verified()


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 101])
def test_a_name_that_cannot_be_is_refused_before_keys_are_made(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be called so"):
        request(name, tmp_path / "own")
    assert not (tmp_path / "own").exists()


@given(public=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_fingerprints_are_compared_by_their_digits(public: bytes, other: bytes) -> None:
    said = fingerprint(public)
    assert same_fingerprint(f" {said.replace(' ', '').upper()}\n", public)
    assert same_fingerprint(said, other) == (public == other)
    assert not same_fingerprint(said[:-1], public)
    assert not same_fingerprint("指纹", public)


# ---------------------------------------------------------------- common examples


DISTILL: Tree = {
    "departments": [{"name": name} for name in FOUR],
    "graph": [],
    "coupling": {"kind": "distill", "common": {"path": "common.csv"}},
}


def test_every_departments_kit_carries_the_common_examples_and_no_other_copy_is_taken(tmp_path: Path) -> None:
    federation = federation_with(tmp_path / "here", DISTILL)
    made = provision(federation, tmp_path / "kits", now=NOW)
    for kit in made.departments.values():
        found = DepartmentKit.load(kit, now=NOW)
        assert found.federation.common_path == kit / "common.csv"
        assert (kit / "common.csv").read_bytes() == (tmp_path / "here" / "common.csv").read_bytes()
    assert not (made.coordinator / "common.csv").exists()
    (kit / "common.csv").write_text("another")
    with pytest.raises(ConfigError, match="not as the administrator made it"):
        DepartmentKit.load(kit, now=NOW)


@pytest.mark.parametrize("path", ["../common.csv", "/srv/common.csv"])
def test_common_examples_outside_the_files_folder_are_refused_before_anything_is_written(
    tmp_path: Path, path: str
) -> None:
    elsewhere = {**DISTILL, "coupling": {"kind": "distill", "common": {"path": path}}}
    federation = federation_with(tmp_path / "here", elsewhere)
    with pytest.raises(ConfigError, match="outside the federation file's folder"):
        provision(federation, tmp_path / "kits", now=NOW)
    assert not (tmp_path / "kits").exists()


def test_a_kit_that_is_made_later_carries_the_common_examples_too(tmp_path: Path) -> None:
    federation = federation_with(tmp_path / "here", DISTILL)
    made = provision(federation, tmp_path / "kits", now=NOW)
    (tmp_path / "here" / "common.csv").unlink()
    changed = rotate(made.administrator, FOUR[0], now=NOW)
    assert changed.kit is not None
    assert (changed.kit / "common.csv").exists()
