"""A start-up kit, read: everything that a party needs to start, checked before anything is used.

    kit.toml --kit.sig--> administrator.pub        who this is, where the coordinator is, SHA-256 of each file
    roster, federation.toml, ca.crt, server.crt    as kit.toml says
    policies/*.cedar                               a department's own, which it alone writes
    state/roster.update                            a newer roster, handed on by the coordinator: serials only grow
    *.key, control.token                           mode 600, and those that the roster and kit.toml stand for

`administrator.pub` is what all of this hangs on. Its fingerprint is in the README of every kit, and a department
compares it with the administrator by another way before its first start.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from lepton_fed.config import Federation
from lepton_fed.config.load import load
from lepton_fed.deploy.certificates import (
    SOON,
    Address,
    endings,
    read_certificate,
    require_issued,
    require_pair,
)
from lepton_fed.deploy.folder import read_public, read_secret, require_own_folder
from lepton_fed.deploy.keys import IDENTITY, ROUNDING, OwnKeys, commitment, read_ec_key, read_identity
from lepton_fed.deploy.membership import Membership, newer, read_membership
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.translation import said_by, sentence

KIT, SIGNATURE, ADMINISTRATOR = "kit.toml", "kit.sig", "administrator.pub"
FEDERATION, ROSTER, AUTHORITY = "federation.toml", "roster", "ca.crt"
SERVER, SERVER_KEY, TOKEN = "server.crt", "server.key", "control.token"
STATE, UPDATE = "state", "roster.update"
POLICIES = "policies"
LABEL = "kit"
COORDINATOR = "coordinator"

Kind = Literal["department", "coordinator"]


@dataclass(frozen=True, kw_only=True)
class KitFile:
    """`kit.toml`. Nobody edits it: the administrator's signature over it is in kit.sig."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    format: Literal[1]
    kind: Kind
    name: str
    """The department; for the coordinator `coordinator`."""
    address: str
    """Where departments find the coordinator, host:port."""
    fingerprint: str
    """Of the federation file, 64 hex digits."""
    serial: int
    """Of the roster that the kit was made with."""
    files: dict[str, str]
    """SHA-256 of each file that is not secret."""
    secrets: dict[str, str]
    """Commitments to the random secrets; what stands for a key is its public key."""


@dataclass(frozen=True)
class Kit:
    """A kit that has been read and verified; `Kit.load` gives a DepartmentKit or a CoordinatorKit.

    `membership` is the newest that this kit knows, `update` its signed bytes, `administrator` 32 bytes, `warnings`
    sentences about what ends soon.
    """

    folder: Path
    file: KitFile = field(repr=False)
    address: Address
    administrator: bytes = field(repr=False)
    authority: bytes = field(repr=False)
    """The certificate authority's certificate, PEM."""
    membership: Membership = field(repr=False)
    update: bytes = field(repr=False)
    identity: Identity
    warnings: tuple[str, ...]

    KIND: ClassVar[Kind | None] = None

    @classmethod
    def load(cls, folder: str | Path, *, now: datetime | None = None) -> Self:
        """The kit in `folder`; ConfigError or StorageError, one sentence, if anything about it is not right.

        `now`: the time to compare ends with; default: the clock's.
        """
        opened = Opened.read(Path(folder)).dated(now or datetime.now(UTC))
        kind: type[Kit] = {"department": DepartmentKit, "coordinator": CoordinatorKit}[opened.file.kind]
        if not issubclass(kind, cls):
            raise ConfigError(f"{folder} is the kit of a {opened.file.kind}, and one of a {cls.KIND} is needed here")
        kit = kind._completed(opened)
        assert isinstance(kit, cls)
        return kit

    @classmethod
    def _completed(cls, opened: Opened) -> Kit:
        """The kit with its secrets read and compared."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def state(self) -> Path:
        """The one folder of the kit that its party writes to."""
        return self.folder / STATE

    @cached_property
    def federation(self) -> Federation:
        """The federation file of the newest membership; its paths are relative to the kit."""
        return Federation.parse(self.membership.file, self.folder / FEDERATION)

    def take(self, update: bytes, *, now: datetime | None = None) -> Self:
        """The kit with a newer roster, which is kept in its state folder; itself if it has that roster already.

        PeerError: it is not the administrator's, or not newer. ConfigError: it is, and this party left by it; that
        is kept too, so that the party does not start again.
        """
        if update == self.update:
            return self
        newer(self.membership, update, self.administrator)
        write_atomically(self.state / UPDATE, update)
        return type(self).load(self.folder, now=now)

    def current(self, *, now: datetime | None = None) -> Self:
        """The kit with what the administrator has put into its state folder since; itself if there is nothing."""
        path = self.state / UPDATE
        if not path.exists() or read_public(path) == self.update:
            return self
        found = type(self).load(self.folder, now=now)
        # A roster that this process has seen is not forgotten because a file was put back.
        return self if found.membership.serial <= self.membership.serial else found


@dataclass(frozen=True)
class DepartmentKit(Kit):
    """What a department starts with."""

    keys: OwnKeys

    KIND: ClassVar[Kind | None] = "department"

    @property
    def ledger(self) -> Path:
        """Where its ledger is, or will be."""
        return self.state / "ledger"

    @property
    def policies(self) -> Path:
        """The folder for policies of its own: every .cedar file in it counts."""
        return self.folder / POLICIES

    @classmethod
    def _completed(cls, opened: Opened) -> Kit:
        if not (opened.folder / IDENTITY).exists():
            raise ConfigError(
                sentence(
                    "{folder} has no {file}: its keys were made at the department; bring them together with "
                    "lepton-fed accept KIT KEYS",
                    folder=opened.folder,
                    file=IDENTITY,
                )
            )
        keys = OwnKeys.read(opened.file.name, opened.folder)
        require_own(opened, keys)
        return cls(**opened.common, identity=keys.identity, keys=keys)


@dataclass(frozen=True)
class CoordinatorKit(Kit):
    """What the coordinator starts with. `token` lets somebody start and stop runs."""

    token: str = field(repr=False)

    KIND: ClassVar[Kind | None] = "coordinator"

    @classmethod
    def _completed(cls, opened: Opened) -> Kit:
        folder = opened.folder
        identity = read_identity(COORDINATOR, folder / IDENTITY)
        if identity.public != opened.membership.coordinator:
            raise ConfigError(
                sentence(
                    "{path} is not the coordinator's key in the roster of serial {serial}; this kit was replaced by "
                    "a newer one, start with that",
                    path=folder / IDENTITY,
                    serial=opened.membership.serial,
                )
            )
        token = opened.secret(TOKEN)
        certificate = read_certificate(opened.content(SERVER), folder / SERVER)
        require_issued(certificate, read_certificate(opened.content(AUTHORITY), folder / AUTHORITY), folder / SERVER)
        require_pair(
            certificate, read_ec_key(read_secret(folder / SERVER_KEY), folder / SERVER_KEY), folder / SERVER_KEY
        )
        return cls(**opened.common, identity=identity, token=token.decode("ascii"))

    def permits(self, token: str) -> bool:
        """Whether `token` is the control token, compared in constant time."""
        return hmac.compare_digest(token.encode(errors="surrogatepass"), self.token.encode())

    @property
    def certificate(self) -> Path:
        return self.folder / SERVER

    @property
    def key(self) -> Path:
        """The certificate's secret key, PEM, mode 600."""
        return self.folder / SERVER_KEY


RENEW = sentence("have the administrator renew the federation (lepton-fed renew)")


@dataclass(frozen=True)
class Opened:
    """A kit whose public part is verified, before its secrets are looked at."""

    folder: Path
    file: KitFile
    administrator: bytes
    contents: dict[str, bytes] = field(repr=False)
    membership: Membership
    update: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Opened:
        """Signature, digests, roster, newer roster, in this order; ConfigError or StorageError."""
        require_own_folder(folder)
        file, administrator = _signed(folder)
        contents = dict(_compared(folder, file))
        membership = _made_with(folder, file, contents, administrator)
        return cls(folder, file, administrator, contents, membership, contents[ROSTER])._updated()

    def dated(self, now: datetime) -> Opened:
        """With warnings of what ends soon; ConfigError for what has ended."""
        return replace(self, warnings=tuple(self._endings(now)))

    def take(self, update: bytes) -> None:
        """Keep a newer roster in the state folder, for the next time that the kit is read; PeerError if it is none."""
        newer(self.membership, update, self.administrator)
        write_atomically(self.folder / STATE / UPDATE, update)

    def content(self, name: str) -> bytes:
        """A public file, as compared; ConfigError if kit.toml does not list it."""
        if name not in self.contents:
            raise ConfigError(
                sentence("{path} does not list {name}; {remedy}", path=self.folder / KIT, name=name, remedy=_AGAIN)
            )
        return self.contents[name]

    def secret(self, name: str) -> bytes:
        """A random secret, compared with its commitment."""
        found = read_secret(self.folder / name)
        if not hmac.compare_digest(commitment(found), self.file.secrets.get(name, "")):
            raise ConfigError(
                sentence(
                    "{path} is not the secret that this kit was made with; {remedy}",
                    path=self.folder / name,
                    remedy=_AGAIN,
                )
            )
        return found

    @property
    def common(self) -> dict[str, Any]:
        """What both kinds of kit have."""
        return {
            "folder": self.folder,
            "file": self.file,
            "address": Address.parse(self.file.address),
            "administrator": self.administrator,
            "authority": self.content(AUTHORITY),
            "membership": self.membership,
            "update": self.update,
            "warnings": self.warnings,
        }

    def _updated(self) -> Opened:
        """With the newer roster in the state folder, if there is one."""
        require_own_folder(self.folder / STATE)
        path = self.folder / STATE / UPDATE
        if not path.exists():
            return self
        update = read_public(path)
        try:
            found = read_membership(update, self.administrator)
            if found.serial <= self.membership.serial:
                return self  # The state folder came along from an older kit.
            newer(self.membership, update, self.administrator)
        except (Malformed, PeerError) as error:
            raise ConfigError(
                sentence(
                    "{path} cannot be used ({error}); ask the administrator for the newest roster",
                    path=path,
                    error=said_by(error),
                )
            ) from None
        return replace(self, membership=found, update=update)

    def _endings(self, now: datetime) -> Iterator[str]:
        for name, remedy in (
            (AUTHORITY, sentence("have the administrator provision the federation anew")),
            (SERVER, RENEW),
        ):
            if name in self.contents:
                path = self.folder / name
                yield from endings(read_certificate(self.contents[name], path), now, path, remedy)
        end = self.membership.end
        if now >= end:
            raise ConfigError(
                sentence(
                    "the roster of {folder} ended on {end:%Y-%m-%d} and it is {now:%Y-%m-%d} here; {remedy}, and "
                    "take what that makes with lepton-fed update",
                    folder=self.folder,
                    end=end,
                    now=now,
                    remedy=RENEW,
                )
            )
        if end - now <= SOON:
            yield f"the roster of {self.folder} ends on {end:%Y-%m-%d}; {RENEW}"


_AGAIN = sentence("take this file again from the kit as the administrator made it, and change copies only")


def require_own(opened: Opened, keys: OwnKeys) -> None:
    """ConfigError unless the roster knows this department by these keys."""
    name, roster, serial = opened.file.name, opened.membership.roster, opened.membership.serial
    if name not in roster.names:
        raise ConfigError(
            sentence(
                "{name} is not in the roster of serial {serial}: it was taken out; if it should take part, have "
                "the administrator add it again (lepton-fed add-department)",
                name=name,
                serial=serial,
            )
        )
    known = (roster.public(name), opened.membership.node(name))
    if (keys.identity.public, keys.node_public) != known:
        raise ConfigError(
            sentence(
                "the roster of serial {serial} knows {name} by other keys than these; start with the newest kit, "
                "or with the keys that its request was made with",
                serial=serial,
                name=name,
            )
        )
    if not hmac.compare_digest(commitment(keys.rounding), opened.file.secrets.get(ROUNDING, "")):
        raise ConfigError(
            sentence(
                "{file} of {name} is not the one that this kit was made for; put the right one there",
                file=ROUNDING,
                name=name,
            )
        )


def _signed(folder: Path) -> tuple[KitFile, bytes]:
    """kit.toml and the administrator's public key, whose signature it has."""
    if not (folder / KIT).exists():
        raise ConfigError(
            sentence(
                "{folder} is no start-up kit: it has no {file}; give the folder that was made for a party, such "
                "as kits/coordinator",
                folder=folder,
                file=KIT,
            )
        )
    administrator = read_public(folder / ADMINISTRATOR)
    try:
        verify(administrator, read_public(folder / SIGNATURE), LABEL, read_public(folder / KIT))
    except Malformed:
        raise ConfigError(
            sentence(
                "{path}, {signature} and {administrator} do not belong together; {remedy}",
                path=folder / KIT,
                signature=SIGNATURE,
                administrator=ADMINISTRATOR,
                remedy=_AGAIN,
            )
        ) from None
    file = load(folder / KIT, KitFile, what="kit")
    if FEDERATION not in file.files or ROSTER not in file.files or AUTHORITY not in file.files:
        raise ConfigError(sentence("{path} lists too few files; {remedy}", path=folder / KIT, remedy=_AGAIN))
    return file, administrator


def _compared(folder: Path, file: KitFile) -> Iterator[tuple[str, bytes]]:
    for name, said in file.files.items():
        content = read_public(folder / name)
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), said):
            raise ConfigError(
                sentence("{path} is not as the administrator made it; {remedy}", path=folder / name, remedy=_AGAIN)
            )
        yield name, content


def _made_with(folder: Path, file: KitFile, contents: dict[str, bytes], administrator: bytes) -> Membership:
    """The roster that the kit was made with."""
    try:
        found = read_membership(contents[ROSTER], administrator)
    except Malformed as error:
        raise ConfigError(
            sentence(
                "{path} is no roster of this administrator ({error}); {remedy}",
                path=folder / ROSTER,
                error=said_by(error),
                remedy=_AGAIN,
            )
        ) from None
    said = Federation.parse(contents[FEDERATION].decode("utf-8-sig"), folder / FEDERATION).fingerprint
    if len({said, found.fingerprint, file.fingerprint}) != 1 or found.serial != file.serial:
        raise ConfigError(
            sentence(
                "{folder}: federation file and roster are not those that {file} was made for; {remedy}",
                folder=folder,
                file=KIT,
                remedy=_AGAIN,
            )
        )
    return found
