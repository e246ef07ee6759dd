"""Shamir secret sharing over the integers modulo the prime 2^256 + 297.

A secret s is the value at 0 of a random polynomial of degree t - 1; share x is its value at x. Any t shares
give s back, t - 1 say nothing at all. The prime is the smallest above 2^256, so every 32-byte string is a
secret. (Shamir, "How to share a secret", CACM 1979.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from lepton_fed.secagg.errors import Malformed

PRIME = 2**256 + 297
SHARE_BYTES = 33
"""A field element takes 257 bits."""

RandomBytes = Callable[[int], bytes]
"""Where secrets come from: `os.urandom` in production, a recorded stream for test vectors."""


def split(secret: bytes, threshold: int, points: Sequence[int], random: RandomBytes) -> tuple[bytes, ...]:
    """One 33-byte share per point. `secret` is 32 bytes; points are distinct and from 1 up.

    >>> import os
    >>> shares = split(b"k" * 32, 2, (1, 2, 3), os.urandom)
    >>> join({1: shares[0], 3: shares[2]})
    b'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk'
    """
    if len(secret) != 32:
        raise ValueError(f"a secret has 32 bytes, found {len(secret)}")
    if not 1 <= threshold <= len(points) or len(set(points)) != len(points) or min(points) < 1:
        raise ValueError(f"cannot share {threshold}-of-{len(points)}: points must be distinct and at least 1")
    coefficients = [_uniform(random) for _ in range(threshold - 1)]
    return tuple(_evaluate(coefficients, int.from_bytes(secret, "big"), x) for x in points)


def join(shares: Mapping[int, bytes]) -> bytes:
    """The 32-byte secret behind `shares` (point to share), all of which are used.

    Too few or altered shares give a value that is unrelated to the secret: compare it with its commitment.
    """
    total = 0
    for x, weight in zip(shares, weights_at_zero(tuple(shares)), strict=True):
        total += weight * element(shares[x])
    value = total % PRIME
    if value >> 256:
        raise Malformed("the shares do not belong to one 32-byte secret")
    return value.to_bytes(32, "big")


@lru_cache(16)
def weights_at_zero(points: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's weights: a polynomial of degree < len(points) is sum(w * p(x)) at 0."""
    weights = []
    for x in points:
        top = bottom = 1
        for other in points:
            if other != x:
                top = top * other % PRIME
                bottom = bottom * (other - x) % PRIME
        weights.append(top * pow(bottom, -1, PRIME) % PRIME)
    return tuple(weights)


def element(share: bytes) -> int:
    """The field element that a 33-byte share spells; refuses any other length and values outside the
    field.
    """
    value = int.from_bytes(share, "big")
    if len(share) != SHARE_BYTES or value >= PRIME:
        raise Malformed("a share is not one field element of 33 bytes")
    return value


def _uniform(random: RandomBytes) -> int:
    """A field element, uniform to within 2^-127 (48 random bytes reduced)."""
    return int.from_bytes(random(48), "big") % PRIME


def _evaluate(coefficients: list[int], constant: int, x: int) -> bytes:
    """Horner's rule; `coefficients` run from the highest power down to the first."""
    value = 0
    for coefficient in coefficients:
        value = (value + coefficient) * x % PRIME
    return ((value + constant) % PRIME).to_bytes(SHARE_BYTES, "big")
