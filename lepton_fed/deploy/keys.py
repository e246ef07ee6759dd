"""A party's own keys: made where they are used, written with mode 600, never shown.

identity.key   Ed25519, PEM      signs: what a roster knows a department by
node.key       P-384, OpenSSH    Flower's authentication of a node
rounding.key   32 random bytes   coins of rounding; its commitment is SHA-256 under a label of its own
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
)

from lepton_fed.deploy.folder import read_secret, write_secret
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.keys import Identity
from lepton_fed.translation import sentence

IDENTITY, NODE, ROUNDING = "identity.key", "node.key", "rounding.key"
OWN = (IDENTITY, NODE, ROUNDING)
"""The secret files of a department."""


@dataclass(frozen=True)
class OwnKeys:
    """A department's three keys; `node` is OpenSSH text."""

    identity: Identity
    node: bytes = field(repr=False)
    rounding: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> OwnKeys:
        node = ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        )
        return cls(Identity.generate(name, os.urandom), node, os.urandom(32))

    @classmethod
    def read(cls, name: str, folder: Path) -> OwnKeys:
        """The keys of department `name` in `folder`; ConfigError or StorageError, one sentence."""
        identity = read_identity(name, folder / IDENTITY)
        node = read_secret(folder / NODE)
        _node_key(node, folder / NODE)
        rounding = read_secret(folder / ROUNDING)
        if len(rounding) != 32:
            raise ConfigError(
                sentence(
                    "{path} has {count} bytes, and a rounding key has 32; {remedy}",
                    path=folder / ROUNDING,
                    count=len(rounding),
                    remedy=_AGAIN,
                )
            )
        return cls(identity, node, rounding)

    def write(self, folder: Path) -> None:
        write_secret(folder / IDENTITY, written_identity(self.identity))
        write_secret(folder / NODE, self.node)
        write_secret(folder / ROUNDING, self.rounding)

    @property
    def node_key(self) -> ec.EllipticCurvePrivateKey:
        return _node_key(self.node, Path(NODE))

    @property
    def node_public(self) -> bytes:
        """PEM, as Flower registers a node."""
        return written_public(self.node_key.public_key())


_AGAIN = sentence("it is damaged: put its copy back, or have the department's keys replaced (lepton-fed rotate)")


def commitment(secret: bytes) -> str:
    """Hex digits that stand for a secret of at least 32 random bytes, and tell nothing about it."""
    return hashlib.sha256(b"lepton-fed commitment 1\n" + secret).hexdigest()


def fingerprint(public: bytes) -> str:
    """A public value for people to compare: 32 hex digits of its SHA-256, in groups of four."""
    digits = hashlib.sha256(public).hexdigest()[:32]
    return " ".join(digits[k : k + 4] for k in range(0, 32, 4))


def same_fingerprint(said: str, public: bytes) -> bool:
    """Whether somebody's spelling of a fingerprint is that of `public`; blanks and case do not count."""
    spelt = "".join(said.split()).lower().encode()
    return hmac.compare_digest(spelt, fingerprint(public).replace(" ", "").encode())


def read_identity(name: str, path: Path) -> Identity:
    """An Ed25519 key in PEM; ConfigError naming the file, never what is in it."""
    try:
        key = load_pem_private_key(read_secret(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(sentence("{path} is no Ed25519 key in PEM form; {remedy}", path=path, remedy=_AGAIN))
    return Identity(name, key.private_bytes_raw())


def written_identity(identity: Identity) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(identity.seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_ec_key(pem: bytes, path: Path) -> ec.EllipticCurvePrivateKey:
    """A P-384 key in PEM; ConfigError naming the file."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    return _p384(key, path, "PEM")


def written_ec_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def written_public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_node_public(pem: bytes) -> ec.EllipticCurvePublicKey | None:
    """The P-384 public key whose one spelling is `pem`; None if it is not that."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        return None
    return key if written_public(key) == pem else None


def _node_key(text: bytes, path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_ssh_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm, NotImplementedError):
        key = None
    return _p384(key, path, "OpenSSH")


def _p384(key: object, path: Path, form: str) -> ec.EllipticCurvePrivateKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise ConfigError(
            sentence("{path} is no P-384 key in {form} form; {remedy}", path=path, form=form, remedy=_AGAIN)
        )
    return key
