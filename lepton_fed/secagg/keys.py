"""Who a department is (Ed25519), what it agrees with a peer (X25519), and every key derived from that (HKDF).

One key per purpose, pair, direction and round: the label and all fields are length-prefixed into HKDF's
info, so two purposes cannot collide. Nothing here prints a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lepton_fed.secagg.canonical import PROTOCOL, Wire, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes


@dataclass(frozen=True)
class Identity:
    """A long-lived signing key and the name that a roster gives it."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str, random: RandomBytes) -> Identity:
        """A fresh identity; `random` is `os.urandom` in production."""
        return cls(name, random(32))

    @property
    def public(self) -> bytes:
        """32 bytes, what goes into the roster."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    def sign(self, label: str, *values: object, protocol: str = PROTOCOL) -> bytes:
        """64 bytes over (protocol, label, values). What outlives a version of the protocol names its own."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(encode((protocol, label, *values)))


def verify(public: bytes, signature: bytes, label: str, *values: object, protocol: str = PROTOCOL) -> None:
    """Return quietly if `signature` is by `public` over (protocol, label, values); raise `Malformed` if
    not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, encode((protocol, label, *values)))
    except (InvalidSignature, ValueError):
        raise Malformed(f"the signature under {label!r} does not verify") from None


@dataclass(frozen=True)
class KeyPair(Wire):
    """An X25519 key pair of one round, and of one purpose."""

    KIND = "key-pair"
    secret: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls, random: RandomBytes) -> KeyPair:
        """A fresh pair; `random` is `os.urandom` in production."""
        secret = random(32)
        return cls(secret, public_of(secret))


def public_of(secret: bytes) -> bytes:
    """The X25519 public key of a 32-byte secret key."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def agree(secret: bytes, public: bytes) -> bytes:
    """The 32-byte X25519 secret of the two; refuses low-order points, whose secret everybody knows."""
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Malformed("a public key is not a point that a secret can be agreed with") from None


def derive(secret: bytes, label: str, *values: object) -> bytes:
    """A 32-byte key for one use, from a shared secret: HKDF-SHA256 with info (protocol, label, values)."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=encode((PROTOCOL, label, *values))).derive(secret)
