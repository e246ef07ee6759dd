"""The administrator's folder: the keys that make kits, and every roster that they ever signed.

    administrator.key   Ed25519, signs rosters and kits     ca.key, ca.crt   issue the server certificate
    administrator.toml  where the coordinator is            updates/         000001.update, 000002.update, ...
    common              the examples of `distill`, which every department's kit carries

It stays with the administrator, best on a machine that is not the coordinator's and on an encrypted disk: whoever
has it can put departments of their own into the roster. A serial is used once: an update is linked to its name,
which fails if the name is taken.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from lepton_fed.config import Federation
from lepton_fed.config.load import load
from lepton_fed.deploy.certificates import Address, Authority
from lepton_fed.deploy.folder import (
    new_folder,
    read_public,
    read_secret,
    require_own_folder,
    write_public,
    write_secret,
)
from lepton_fed.deploy.keys import read_identity, written_identity
from lepton_fed.deploy.membership import Membership, SignedMembership, check_fits, read_membership
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from lepton_fed.settings import Settings
from lepton_fed.storage.atomic import sync_folder, unwritable

KEY, PUBLIC, FILE = "administrator.key", "administrator.pub", "administrator.toml"
AUTHORITY, AUTHORITY_KEY = "ca.crt", "ca.key"
UPDATES, COMMON = "updates", "common"

_UPDATE = re.compile(r"[0-9]{6,}\.update")


@dataclass(frozen=True, kw_only=True)
class AdministratorFile:
    """`administrator.toml`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    format: Literal[1]
    address: str
    """Where departments find the coordinator, host:port."""
    days: int = 365
    """How long a server certificate and a roster are valid."""

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 3650:
            raise ValueError(f"days must be between 1 and 3650, not {self.days}")


@dataclass(frozen=True)
class Administrator:
    """An administrator's folder, opened."""

    folder: Path
    file: AdministratorFile
    address: Address
    authority: Authority
    signer: Identity
    past: tuple[Membership, ...] = field(default=(), repr=False)
    """Every membership that was signed, by serial."""

    @classmethod
    def create(cls, folder: Path, file: AdministratorFile, federation: str, now: datetime) -> Administrator:
        """New keys in a new folder."""
        import tomli_w

        new_folder(folder)
        new_folder(folder / UPDATES)
        authority, signer = Authority.new(federation, now), Identity.generate("administrator", os.urandom)
        write_secret(folder / KEY, written_identity(signer))
        write_secret(folder / AUTHORITY_KEY, authority.key_pem)
        write_public(folder / PUBLIC, signer.public)
        write_public(folder / AUTHORITY, authority.pem)
        text = tomli_w.dumps({"format": file.format, "address": file.address, "days": file.days})
        write_public(folder / FILE, text.encode())
        return cls(folder, file, Address.parse(file.address), authority, signer)

    @classmethod
    def load(cls, folder: Path) -> Administrator:
        """The folder, checked: modes, keys that belong together, every update; ConfigError or StorageError."""
        require_own_folder(folder)
        if not (folder / FILE).exists():
            raise ConfigError(
                f"{folder} is no administrator's folder: it has no {FILE}; give the one that provision made, such as "
                "kits/administrator"
            )
        file = load(folder / FILE, AdministratorFile, what="file of an administrator")
        signer = read_identity("administrator", folder / KEY)
        if read_public(folder / PUBLIC) != signer.public:
            raise ConfigError(f"{folder / PUBLIC} is not the public key of {KEY} beside it; put the right copy back")
        key = folder / AUTHORITY_KEY
        authority = Authority.read(read_public(folder / AUTHORITY), read_secret(key), key)
        return cls(folder, file, Address.parse(file.address), authority, signer, _past(folder, signer.public))

    @property
    def public(self) -> bytes:
        """32 bytes: what every kit trusts."""
        return self.signer.public

    @property
    def latest(self) -> Membership:
        return self.past[-1]

    def until(self, now: datetime) -> int:
        """When a roster that is signed now ends: seconds since 1970."""
        return int((now + timedelta(days=self.file.days)).timestamp())

    def server_certificate(self, now: datetime) -> tuple[bytes, bytes]:
        """(certificate, key) in PEM for the coordinator's host."""
        return self.authority.server(self.address.host, now, self.file.days)

    def keep_common(self, federation: Federation) -> None:
        """Keeps the common examples that the file names, for kits to come; ConfigError if no kit could carry them."""
        common, path = federation.settings.coupling.common, federation.common_path
        if common is None or path is None:
            return
        if Path(common.path).is_absolute() or ".." in Path(common.path).parts:
            raise ConfigError(
                f"coupling.common.path is {common.path!r}, outside the federation file's folder; put the file there, "
                "so that every kit can carry it under the same name"
            )
        write_public(self.folder / COMMON, read_public(path))

    def common(self, settings: Settings) -> dict[str, bytes]:
        """The common examples by the path that the federation file has; nothing where it has none."""
        common = settings.coupling.common
        return {} if common is None else {common.path: read_public(self.folder / COMMON)}

    def sign(self, membership: Membership) -> SignedMembership:
        """The membership signed; Malformed unless its roster fits its federation file."""
        check_fits(membership)
        return SignedMembership.sign(membership, self.signer)

    def record(self, signed: SignedMembership) -> Path:
        """Keep an update under its serial, for good; returns its path. StorageError if the serial is taken."""
        path = self.folder / UPDATES / f"{signed.membership.serial:06}.update"
        part = path.with_name(f".part-{secrets.token_hex(8)}")
        try:
            write_public(part, signed.to_bytes())
            os.link(part, path)
            sync_folder(path.parent)
        except FileExistsError:
            raise StorageError(
                f"{path} exists: somebody else changed the federation at this moment; look at it, then try again"
            ) from None
        except OSError as error:
            raise unwritable(error, path) from error
        finally:
            part.unlink(missing_ok=True)
        return path


def _past(folder: Path, public: bytes) -> tuple[Membership, ...]:
    paths = sorted(p for p in (folder / UPDATES).glob("*.update") if _UPDATE.fullmatch(p.name))
    found = []
    for path in paths:
        try:
            found.append(read_membership(read_public(path), public))
        except Malformed as error:
            raise ConfigError(f"{path} is not what this administrator signed ({error}); put its copy back") from None
    if [one.serial for one in found] != list(range(1, len(found) + 1)) or not found:
        raise ConfigError(
            f"{folder / UPDATES} does not hold every update from serial 1 on; put the missing ones back from the "
            "coordinator's state folder or a copy"
        )
    return tuple(found)
