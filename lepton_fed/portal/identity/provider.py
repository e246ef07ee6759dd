"""An identity provider as the portal's folder names one: `identity.toml`, read when the portal is served.

    issuer = "https://id.example.com"           as it calls itself, letter by letter
    client = "portal"
    secret = "identity.secret"                  a file beside it, of mode 600
    address = "https://portal.example.com:8443" what browsers dial, for the way back
    shown = "公司账号"                           on the button

Nothing in it means that no account is made at a first sign-in, and that no role comes from the provider.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lepton_fed.deploy.folder import read_secret
from lepton_fed.errors import ConfigError
from lepton_fed.storage.portal_people_tables import ROLES

FILE = "identity.toml"
BACK = "/sign-in/provider/back"
_HERE = ("127.0.0.1", "::1", "localhost")

Text = Annotated[str, Field(min_length=1, max_length=500)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Given(_Strict):
    """A role that a value of the claim stands for."""

    department: Text
    role: Text


class Roles(_Strict):
    """`claim`: the name of a list of words in what the provider says; `given`: what a word stands for."""

    claim: Text
    given: Annotated[dict[str, Given], Field(min_length=1)]


class NewAccounts(_Strict):
    """Whoever signs in first gets an account of this department, without any role."""

    department: Text


class Names(_Strict):
    """Which claims name a new account."""

    name: Text = "preferred_username"
    shown: Text = "name"


class _File(_Strict):
    issuer: Text
    client: Text
    secret: Text
    address: Text
    shown: Text
    scopes: list[Text] = ["openid", "profile"]
    authority: Text | None = None
    claims: Names = Names()
    new_accounts: NewAccounts | None = None
    roles: Roles | None = None


@dataclass(frozen=True, kw_only=True)
class Provider:
    """`authority`: a file of certificates to trust its TLS by, None for those that the machine trusts, or that
    the variable SSL_CERT_FILE names.
    """

    issuer: str
    client: str
    secret: str = field(repr=False)
    address: str
    shown: str
    scopes: tuple[str, ...] = ("openid", "profile")
    authority: Path | None = None
    names: Names = field(default_factory=Names)
    new_accounts: NewAccounts | None = None
    roles: Roles | None = None

    @property
    def back(self) -> str:
        """Where the provider sends browsers back to."""
        return self.address.rstrip("/") + BACK


def provider_of(folder: Path) -> Provider | None:
    """The one that the folder of a portal names; None where it names none. ConfigError, one sentence."""
    path = folder / FILE
    if not path.exists():
        return None
    found = _read(path)
    for key in ("issuer", "address"):
        require_secured(getattr(found, key), f"{key} in {path}")
    if "openid" not in found.scopes:
        raise ConfigError(f"scopes in {path} leave out openid, without which nobody is identified; add it")
    _require_roles(found, path)
    # What an editor leaves at the end of a line is no part of it.
    secret = read_secret(path.parent / found.secret).decode("utf-8").strip()
    kept = ("issuer", "client", "address", "shown", "new_accounts", "roles")
    return Provider(
        **{key: getattr(found, key) for key in kept},
        secret=secret,
        scopes=tuple(found.scopes),
        authority=None if found.authority is None else path.parent / found.authority,
        names=found.claims,
    )


def require_secured(address: str, where: str) -> None:
    """ConfigError unless it is HTTPS, or on this machine."""
    parts = urlsplit(address)
    plain_here = parts.scheme == "http" and parts.hostname in _HERE
    if not parts.hostname or not (parts.scheme == "https" or plain_here):
        raise ConfigError(f"{where} is {address}; write an address that begins with https://")


def _read(path: Path) -> _File:
    import tomllib

    try:
        return _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise ConfigError(f"{path} cannot be used: {place}: {first['msg']}") from None


def _require_roles(found: _File, path: Path) -> None:
    for word, given in (found.roles.given if found.roles else {}).items():
        if given.role not in ROLES:
            raise ConfigError(f"{path} gives {word} the role {given.role}; a role is one of {', '.join(ROLES)}")
