"""Bytes that the coordinator carries from one department to another and cannot read: AES-256-GCM, a key per
direction.

The nonce is random although each key seals one message: should a restored back-up ever repeat a message, a
fresh nonce keeps the two apart. What the bytes are about (round, survivors so far, both names) is
authenticated with them.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lepton_fed.secagg.canonical import PROTOCOL, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.field import RandomBytes

NONCE_BYTES = 12


def seal(key: bytes, plain: bytes, about: tuple[object, ...], random: RandomBytes) -> bytes:
    """Nonce, ciphertext and tag: 28 bytes longer than `plain`."""
    nonce = random(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, encode((PROTOCOL, *about)))


def unseal(key: bytes, sealed: bytes, about: tuple[object, ...]) -> bytes:
    """The plain bytes, or `Malformed` if they were altered or are about something else."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], encode((PROTOCOL, *about)))
    except (InvalidTag, ValueError):
        raise Malformed("a sealed message does not open under the key of this round and direction") from None
