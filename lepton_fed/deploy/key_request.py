"""A department's request: public keys that it made itself, and the proof that it holds the secret ones.

    department                                   administrator
    request(name) -> keys/, <name>.request  ---> provision(requests=...) -> kit without private keys
    accept(kit, keys)  <-----------------------  the kit

A request proves that somebody holds the keys, not who that is: the administrator compares its fingerprint
with the department by another way, as by telephone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lepton_fed.deploy.folder import read_public
from lepton_fed.deploy.keys import OwnKeys, commitment, fingerprint, read_node_public
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.secagg.canonical import Wire, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import verify
from lepton_fed.secagg.roster import check_name

ENDING = ".request"
LABEL = "kit request"


@dataclass(frozen=True)
class Publics(Wire):
    """What may be known of a department's keys: Ed25519 key (32 bytes), P-384 key (PEM), commitment (hex)."""

    KIND = "kit-publics"
    name: str
    identity: bytes
    node: bytes
    rounding: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        if len(self.identity) != 32:
            raise Malformed(f"{self.name}: an Ed25519 public key has 32 bytes, found {len(self.identity)}")
        if read_node_public(self.node) is None:
            raise Malformed(f"{self.name}: the node's key is no P-384 public key in PEM form")
        if not re.fullmatch("[0-9a-f]{64}", self.rounding):
            raise Malformed(f"{self.name}: a commitment has 64 hex digits")

    @classmethod
    def of(cls, keys: OwnKeys) -> Publics:
        return cls(keys.identity.name, keys.identity.public, keys.node_public, commitment(keys.rounding))


@dataclass(frozen=True)
class Request(Wire):
    """Public keys, signed with both secret ones."""

    KIND = "kit-request"
    publics: Publics
    by_identity: bytes
    by_node: bytes

    @classmethod
    def sign(cls, keys: OwnKeys) -> Request:
        publics = Publics.of(keys)
        by_node = keys.node_key.sign(encode((LABEL, publics)), ec.ECDSA(hashes.SHA384()))
        return cls(publics, keys.identity.sign(LABEL, publics), by_node)

    def verified(self) -> Publics:
        """The public keys; Malformed unless both secret ones signed them and the name."""
        verify(self.publics.identity, self.by_identity, LABEL, self.publics)
        node = read_node_public(self.publics.node)
        assert node is not None  # Publics sees to it.
        try:
            node.verify(self.by_node, encode((LABEL, self.publics)), ec.ECDSA(hashes.SHA384()))
        except InvalidSignature:
            raise Malformed("the node's signature does not verify") from None
        return self.publics


def request_fingerprint(publics: Publics) -> str:
    """What the department reads out and the administrator compares."""
    return fingerprint(publics.to_bytes())


def read_request(path: Path) -> Publics:
    """The public keys in a request file; ConfigError where it is none, or the signatures do not fit."""
    try:
        return Request.from_bytes(read_public(path)).verified()
    except Malformed as error:
        raise ConfigError(
            f"{path} is no sound request ({error}); have the department send it again, or make a new one"
        ) from None


def requests_in(folder: Path | None) -> dict[str, Publics]:
    """The requests in a folder by department; none without a folder."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise StorageError(f"{folder} is no folder; give the one that the departments' requests are in")
    found: dict[str, Publics] = {}
    for path in sorted(folder.glob(f"*{ENDING}")):
        publics = read_request(path)
        if publics.name in found:
            raise ConfigError(f"two requests in {folder} are from {publics.name!r}; keep the one that it confirms")
        found[publics.name] = publics
    if not found:
        raise ConfigError(f"{folder} holds no request (*{ENDING}); leave the option out to make all keys here")
    return found
