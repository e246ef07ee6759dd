"""Makes a deployed federation: keys, certificates and a start-up kit for every party, whole or not at all.

out/administrator        stays with the administrator
out/coordinator          for the coordinator's machine
out/departments/<name>   for each department; without private keys if the department made its own
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lepton_fed.config import Federation
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.deploy.administrator import Administrator, AdministratorFile
from lepton_fed.deploy.certificates import Address
from lepton_fed.deploy.folder import (
    new_folder,
    read_secret,
    require_own_folder,
    whole_folder,
    write_public,
    write_secret,
)
from lepton_fed.deploy.key_request import ENDING, Publics, Request, requests_in
from lepton_fed.deploy.keys import OWN, OwnKeys, same_fingerprint
from lepton_fed.deploy.kit import ADMINISTRATOR, COORDINATOR, DepartmentKit, Opened, require_own
from lepton_fed.deploy.making import Maker
from lepton_fed.deploy.membership import Membership, SignedMembership, members_of
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import check_name
from lepton_fed.secrecy import require_safe
from lepton_fed.storage.atomic import sync_folder, unwritable
from lepton_fed.storage.file_names import file_name
from lepton_fed.sums import enrolled

ADMINISTRATOR_FOLDER, DEPARTMENTS = "administrator", "departments"


@dataclass(frozen=True)
class Provisioned:
    """What was made. `requested`: the public keys taken from requests, whose fingerprints are to be compared."""

    administrator: Path
    coordinator: Path
    departments: Mapping[str, Path]
    public: bytes
    """The administrator's key, 32 bytes."""
    requested: tuple[Publics, ...]


def provision(
    federation: Federation,
    out: Path,
    *,
    address: str = "localhost:8000",
    requests: Path | None = None,
    days: int = 365,
    now: datetime | None = None,
) -> Provisioned:
    """Keys, certificates and kits for every department with a role, in the new folder `out`.

    `requests`: a folder of departments' requests; the kits of those departments have no keys. `days`: how long the
    server certificate and the roster are valid. ConfigError or StorageError, one sentence.
    """
    require_safe(federation.settings)
    file = administrator_file(address, days)
    asked = requests_in(requests)
    for name in asked:
        require_enrolled(federation, name)
    names = enrolled(federation.settings)
    keys = {name: OwnKeys.generate(name) for name in names if name not in asked}
    publics = {name: asked[name] if name in asked else Publics.of(keys[name]) for name in names}
    with whole_folder(out) as folder:
        public = _fill(folder, federation, file, publics, keys, now or datetime.now(UTC))
    return Provisioned(
        out / ADMINISTRATOR_FOLDER,
        out / COORDINATOR,
        {name: out / DEPARTMENTS / file_name(name) for name in names},
        public,
        tuple(asked[name] for name in names if name in asked),
    )


def request(name: str, out: Path) -> tuple[Path, Publics]:
    """At a department: new keys in the new folder `out`, and a request to send to the administrator.

    Returns the request's path and what it says; only that file leaves the folder.
    """
    try:
        check_name(name)
    except Malformed as error:
        raise ConfigError(f"a department cannot be called so: {error}") from None
    keys, path = OwnKeys.generate(name), f"{file_name(name)}{ENDING}"
    with whole_folder(out) as folder:
        keys.write(folder)
        write_public(folder / path, Request.sign(keys).to_bytes())
    return out / path, Publics.of(keys)


def accept(kit: Path, keys: Path, *, administrator: str | None = None, now: datetime | None = None) -> DepartmentKit:
    """At a department: brings a kit without keys together with the keys that its request was made with.

    `administrator`: the fingerprint that the administrator said by another way. ConfigError where they do not
    belong together, and nothing is copied. It may be done again.
    """
    opened = Opened.read(kit)
    if opened.file.kind != "department":
        raise ConfigError(f"{kit} is the coordinator's kit, which has its keys; give a department's")
    if administrator is not None and not same_fingerprint(administrator, opened.administrator):
        raise ConfigError(
            f"{kit / ADMINISTRATOR} does not have the fingerprint that was given; ask the administrator how the kit "
            "was sent, and do not use this one"
        )
    require_own_folder(keys)
    require_own(opened, OwnKeys.read(opened.file.name, keys))
    for name in OWN:
        _copy_secret(keys / name, kit / name)
    return DepartmentKit.load(kit, now=now)


def take_update(kit: Path, update: bytes) -> int:
    """At any party: takes a roster update that came by another way than the coordinator; returns its serial.

    PeerError if it is not the administrator's or not newer. It works on a kit whose roster has ended, too.
    """
    Opened.read(kit).take(update)
    return Opened.read(kit).membership.serial


def require_enrolled(federation: Federation, name: str) -> None:
    """ConfigError unless the federation file gives the department a role."""
    names = enrolled(federation.settings)
    if name not in names:
        hint = did_you_mean(name, names) or "; add it there, with a role"
        raise ConfigError(f"{federation.path} has no department {name!r} that takes part{hint}")


def administrator_file(address: str, days: int) -> AdministratorFile:
    """What the administrator keeps for later changes; ConfigError for an address or days that cannot be."""
    try:
        return AdministratorFile(format=1, address=str(Address.parse(address)), days=days)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _fill(
    folder: Path,
    federation: Federation,
    file: AdministratorFile,
    publics: Mapping[str, Publics],
    keys: Mapping[str, OwnKeys],
    now: datetime,
) -> bytes:
    """Administrator, coordinator and departments in an empty folder; returns the administrator's public key."""
    coordinator = Identity.generate(COORDINATOR, os.urandom)
    administrator = Administrator.create(folder / ADMINISTRATOR_FOLDER, file, federation.settings.federation.name, now)
    administrator.keep_common(federation)
    signed = _first(administrator, federation, publics, coordinator.public, now)
    administrator.record(signed)
    maker = Maker(administrator, signed)
    maker.coordinator(new_folder(folder / COORDINATOR), coordinator, now)
    new_folder(folder / DEPARTMENTS)
    for name, one in publics.items():
        maker.department(new_folder(folder / DEPARTMENTS / file_name(name)), one, keys.get(name))
    return administrator.public


def _first(
    administrator: Administrator,
    federation: Federation,
    publics: Mapping[str, Publics],
    coordinator: bytes,
    now: datetime,
) -> SignedMembership:
    """The membership with serial 1."""
    try:
        roster, nodes = members_of(
            federation.settings,
            {name: one.identity for name, one in publics.items()},
            {name: one.node for name, one in publics.items()},
        )
        return administrator.sign(
            Membership(1, roster, nodes, coordinator, federation.to_toml(), administrator.until(now))
        )
    except Malformed as error:
        raise ConfigError(f"{federation.path}: no roster can be made: {error}") from None


def _copy_secret(source: Path, target: Path) -> None:
    """A secret of the department to another folder of the department; one that is there already stays."""
    content = read_secret(source)
    if target.exists() and read_secret(target) == content:
        return
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        write_secret(part, content)
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(error, target) from error
