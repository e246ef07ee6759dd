"""Every random number of a run, derived from one seed and the name of its use.

Nothing here has state: the data order of department d in epoch e is a function of (seed, d, e). A run that is
killed and resumed, or run again on another engine, therefore draws the same numbers without saving any.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence


def derive(seed: int, *use: str | int) -> int:
    """63-bit seed for one use. Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in (seed, *use):
        text = f"{type(part).__name__}:{part}".encode()
        digest.update(len(text).to_bytes(4, "big") + text)
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def draw(names: Sequence[str], count: int, seed: int, *use: str | int) -> tuple[str, ...]:
    """`count` of `names` without replacement, in their original order."""
    if count >= len(names):
        return tuple(names)
    chosen = set(random.Random(derive(seed, *use)).sample(range(len(names)), count))  # noqa: S311 - not a secret
    return tuple(n for i, n in enumerate(names) if i in chosen)
