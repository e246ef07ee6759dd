"""Float32 vectors in fewer bytes for their way: as float16 or int8, in blocks with a scale of their own.

    code = scales (float32, one a block of 256 entries)  then  entries        little-endian
    entry = scale * q      int8: q whole, from -127 to 127      |error| <= scale / 2, about largest of block / 254
                           float16: scale a power of two        |error| <= |entry| / 2048, or about largest / 2^39

Rounding is to the nearest, so the same vector is the same bytes everywhere, and what is unpacked packs to the same
bytes again. What rounding takes from an entry is exactly a float32 (Sterbenz 1974: the two are within a factor of 2, or
one is 0), so nothing is lost to whoever keeps it (`couplings.feedback`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 256
"""Entries that share a scale: few enough that one large entry costs few others, and 1.6 % more bytes as int8."""
PIECE = 4096
"""Blocks that are worked on at once: their intermediate values fit a cache."""
BYTES_OF_SCALE = 4
LEAST = np.float32(2.0**-126)
"""The smallest scale: below, float32 has fewer digits, and a quotient would be off by more than rounding."""
MOST = 2.0**126
"""Entries must be smaller than this, so that no product overflows."""


@dataclass(frozen=True, eq=False)
class Packed:
    """A vector on its way: `kind` is float32, float16 or int8; `code` has its bytes."""

    kind: str
    code: bytes | memoryview = field(repr=False)


def pack(vector: Floats, kind: str) -> Packed:
    """A vector (d,) as this kind; ValueError where an entry is not finite, or 2^126 or larger."""
    vector = np.ascontiguousarray(vector, "<f4")
    if kind == "float32":
        return Packed(kind, vector.tobytes())
    form = _FORMS[kind]
    values, scales = np.empty(vector.size, form.entry), []
    for rows, into in zip(_pieces(vector), _pieces(values), strict=True):
        scale = form.scale(_largest(rows))
        into[...] = form.rounded(np.divide(rows, scale[:, None], dtype=np.float32))
        scales.append(scale.astype("<f4").tobytes())
    return Packed(kind, b"".join([*scales, values.tobytes()]))


def unpack(packed: Packed) -> Floats:
    """The vector (d,) that a code stands for, finite unless it is float32; ValueError where nothing could have
    packed it.
    """
    if packed.kind not in KINDS:
        raise ValueError(f"is packed as {packed.kind!r}, which must be one of {', '.join(KINDS)}")
    if packed.kind == "float32":
        if len(packed.code) % BYTES_OF_SCALE:
            raise ValueError("ends within a number")
        vector = np.frombuffer(packed.code, "<f4").astype(np.float32, copy=False)
        return vector if vector.flags.writeable else vector.copy()
    form = _FORMS[packed.kind]
    blocks, size = _sizes(len(packed.code), form.entry.itemsize)
    scales = np.frombuffer(packed.code, "<f4", blocks)
    values = np.frombuffer(packed.code, form.entry, size, offset=BYTES_OF_SCALE * blocks)
    if not ((scales >= LEAST) & (scales <= form.coarsest)).all() or not form.valid(values):
        raise ValueError(f"holds a number that {packed.kind} never has")
    return _multiplied(values, scales)


def _multiplied(values: NDArray[Any], scales: Floats) -> Floats:
    vector = np.empty(values.size, np.float32)
    begin = 0
    for rows, into in zip(_pieces(values), _pieces(vector), strict=True):
        np.multiply(rows, scales[begin : begin + len(rows), None], out=into, dtype=np.float32)
        begin += len(rows)
    return vector


def _sizes(length: int, width: int) -> tuple[int, int]:
    """(blocks, entries) of a code of so many bytes, `width` of them an entry; ValueError where there are none."""
    blocks = -(-length // (BLOCK * width + BYTES_OF_SCALE))
    size, rest = divmod(length - BYTES_OF_SCALE * blocks, width)
    if rest or -(-size // BLOCK) != blocks:
        raise ValueError("ends within a number")
    return blocks, size


def _pieces(vector: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views (blocks, entries of each) that make up a vector in order; the last block may be a shorter one."""
    whole = vector.size - vector.size % BLOCK
    for begin in range(0, whole, BLOCK * PIECE):
        yield vector[begin : min(begin + BLOCK * PIECE, whole)].reshape(-1, BLOCK)
    if whole < vector.size:
        yield vector[whole:].reshape(1, -1)


def _largest(rows: Floats) -> Floats:
    """The largest size of an entry in each row, (blocks,)."""
    found: Floats = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    if not (found < MOST).all():
        raise ValueError("an entry is not finite, or too large to be packed")
    return found


# ---------------------------------------------------------------- the two forms


@dataclass(frozen=True, eq=False)
class _Form:
    """How a block is written: `scale` of its largest entry, at most `coarsest`, and q as `rounded` has it."""

    entry: np.dtype[Any]
    coarsest: float
    scale: Callable[[Floats], Floats]
    rounded: Callable[[Floats], Floats]
    valid: Callable[[NDArray[Any]], bool]


def _scale_int8(largest: Floats) -> Floats:
    return np.maximum(np.divide(largest, 127, dtype=np.float32), LEAST)


def _scale_float16(largest: Floats) -> Floats:
    """The power of two that brings the largest entry to between 2^14 and 2^15, half of what float16 has room for.

    The entry is rounded to 11 digits first: one that this takes to the next power of two must say so now.
    """
    rounded = (np.maximum(largest, LEAST).view(np.uint32) + 0x1000) & ~np.uint32(0x1FFF)
    _, exponents = np.frexp(rounded.view(np.float32))
    found: Floats = np.maximum(np.ldexp(np.float32(1), exponents - 15), LEAST)
    return found


def _whole(values: Floats) -> Floats:
    return np.rint(values, out=values)


_FORMS = {
    "int8": _Form(np.dtype("i1"), 2.0**120, _scale_int8, _whole, lambda q: q.size == 0 or int(q.min()) >= -127),
    "float16": _Form(
        np.dtype("<f2"), 2.0**112, _scale_float16, lambda values: values, lambda q: bool(np.isfinite(q).all())
    ),
}
"""float16 needs no rounding of its own: storing does it."""

KINDS = ("float32", *sorted(_FORMS))
