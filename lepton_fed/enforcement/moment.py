"""What a message says of the round that it belongs to, as far as policies may ask for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """What a message says of the round that it belongs to.

    `crowd`: departments in the sum that would be released, at least; 1 where sums are plain, since the coordinator then
    sees each update. `plan`: the digest of a secure sum's plan, "" where there is none.
    """

    round: int = 0
    crowd: int = 1
    plan: str = ""


def digest(raw: bytes) -> str:
    """A digest of 32 bytes as policies write it: `sha256:...`."""
    return f"sha256:{raw.hex()}"
