"""Writes start-up kits: what a party gets, from the administrator's signature down to the page it reads first."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_fed.config import Federation
from lepton_fed.config.federation import written
from lepton_fed.deploy.administrator import Administrator
from lepton_fed.deploy.folder import new_folder, write_public, write_secret
from lepton_fed.deploy.key_request import Publics
from lepton_fed.deploy.keys import IDENTITY, ROUNDING, OwnKeys, commitment, fingerprint, written_identity
from lepton_fed.deploy.kit import (
    ADMINISTRATOR,
    AUTHORITY,
    COORDINATOR,
    FEDERATION,
    KIT,
    LABEL,
    POLICIES,
    ROSTER,
    SERVER,
    SERVER_KEY,
    SIGNATURE,
    STATE,
    TOKEN,
    Kind,
    KitFile,
)
from lepton_fed.deploy.membership import SignedMembership
from lepton_fed.secagg.keys import Identity

if TYPE_CHECKING:
    from jinja2 import Environment

IMAGE = "lepton-fed"
"""The container image that compose.yaml names."""


@dataclass(frozen=True)
class Maker:
    """Makes kits of one membership. `signed`: what the administrator signed last."""

    administrator: Administrator
    signed: SignedMembership

    def department(self, folder: Path, publics: Publics, keys: OwnKeys | None) -> None:
        """A department's kit in an empty folder; without `keys`, they are at the department and stay there."""
        if keys is not None:
            keys.write(folder)
        new_folder(folder / POLICIES)
        common = self.administrator.common(self.signed.membership.settings)
        self._finish(folder, "department", publics.name, common, {ROUNDING: publics.rounding})

    def coordinator(self, folder: Path, identity: Identity, now: datetime) -> None:
        """The coordinator's kit in an empty folder, with a server certificate that begins `now`."""
        certificate, key = self.administrator.server_certificate(now)
        token = secrets.token_urlsafe(32).encode()
        write_secret(folder / SERVER_KEY, key)
        write_secret(folder / IDENTITY, written_identity(identity))
        write_secret(folder / TOKEN, token)
        self._finish(folder, "coordinator", COORDINATOR, {SERVER: certificate}, {TOKEN: commitment(token)})

    def _finish(
        self, folder: Path, kind: Kind, name: str, files: Mapping[str, bytes], commitments: dict[str, str]
    ) -> None:
        """Everything that is not secret, the list of it, and the administrator's signature over the list."""
        new_folder(folder / STATE)
        federation = Federation(self.signed.membership.settings, folder / FEDERATION)
        contents = {
            ADMINISTRATOR: self.administrator.public,
            AUTHORITY: self.administrator.authority.pem,
            FEDERATION: self.signed.membership.file.encode(),
            ROSTER: self.signed.to_bytes(),
            **files,
            **self._pages(kind, name),
        }
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_public(folder / path, content)
        listed = KitFile(
            format=1,
            kind=kind,
            name=name,
            address=str(self.administrator.address),
            fingerprint=federation.fingerprint,
            serial=self.signed.membership.serial,
            files={path: hashlib.sha256(content).hexdigest() for path, content in contents.items()},
            secrets=commitments,
        )
        self._sign(folder, listed)

    def _sign(self, folder: Path, listed: KitFile) -> None:
        import tomli_w

        text = (HEADER + tomli_w.dumps(written(listed))).encode()
        write_public(folder / KIT, text)
        # The loader verifies the file's bytes; what they mean follows from them.
        write_public(folder / SIGNATURE, self.administrator.signer.sign(LABEL, text))

    def _pages(self, kind: Kind, name: str) -> dict[str, bytes]:
        settings = self.signed.membership.settings
        said = {
            "name": name,
            "rows": kind == "department" and settings.department(name).is_source,
            "federation": settings.federation.name,
            "purpose": settings.federation.purpose,
            "aggregation": settings.aggregation,
            "colluders": self.signed.membership.roster.colluders,
            "members": self.signed.membership.roster.names,
            "serial": self.signed.membership.serial,
            "until": f"{self.signed.membership.end:%Y-%m-%d}",
            "address": self.administrator.address,
            "administrator": fingerprint(self.administrator.public),
            "image": IMAGE,
        }
        return {
            "README.md": _page(f"{kind}.md.txt.j2", said),
            f"lepton-fed-{kind}.service": _page(f"{kind}.service.txt.j2", said),
            "compose.yaml": _page(f"{kind}.compose.txt.j2", said),
        }


HEADER = "# Made by the administrator, who signed it (kit.sig). Not to be edited.\n\n"


def _page(template: str, said: Mapping[str, Any]) -> bytes:
    return _environment().get_template(template).render(said).encode()


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # No page is HTML; what could break a line is refused where names are read.
    return Environment(  # noqa: S701
        loader=PackageLoader("lepton_fed.deploy", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
