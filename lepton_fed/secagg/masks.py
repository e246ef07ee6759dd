"""Masks: AES-256-CTR keystreams added to a vector modulo 2^32, in place.

    words[i] += sum over streams of sign * keystream(seed)[i]        (mod 2^32)

The chunk (128 KiB, it stays in the level-2 cache) is the outer loop and the stream the inner one, so the
vector crosses the memory bus once however many peers there are. `cryptography` 50 releases the GIL inside
`update_into` and numpy inside the add, so threads scale over cores. A seed is used for one stream, ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lepton_fed.secagg.canonical import Words

CHUNK_BYTES = 128 * 1024
CHUNK = CHUNK_BYTES // 4
"""Words per chunk."""

SPAN = 16 * CHUNK
"""A thread is not worth starting for fewer words than this."""

Prepare = Callable[[int, int], None]
"""Called as prepare(start, stop) before streams are added to that chunk; it fills `words[start:stop]`."""

_ZEROS = bytes(CHUNK_BYTES)


@dataclass(frozen=True)
class Stream:
    """One keystream to add (sign +1) or to take away (sign -1)."""

    seed: bytes = field(repr=False)
    sign: int = 1

    def __post_init__(self) -> None:
        if len(self.seed) != 32 or self.sign not in (1, -1):
            raise ValueError("a stream needs a seed of 32 bytes and a sign of +1 or -1")


def add_streams(words: Words, streams: Sequence[Stream], *, threads: int = 1, prepare: Prepare | None = None) -> None:
    """Add every stream to `words` in place; `prepare` may fill each chunk just before, while it is in the
    cache.

    `prepare` is called from several threads, never twice for one chunk.
    """
    spans = _spans(words.size, threads)
    if len(spans) <= 1:
        _add_span(words, 0, words.size, streams, prepare)
        return
    with ThreadPoolExecutor(len(spans)) as pool:
        for done in [pool.submit(_add_span, words, start, stop, streams, prepare) for start, stop in spans]:
            done.result()


class Keystream:
    """The words of one seed's keystream, read forwards from a chosen chunk boundary."""

    def __init__(self, seed: bytes, start: int = 0) -> None:
        """`start` is in words and a multiple of 4: CTR counts blocks of 16 bytes."""
        counter = (start // 4).to_bytes(16, "big")
        self._encryptor = Cipher(algorithms.AES(seed), modes.CTR(counter)).encryptor()

    def read_into(self, buffer: bytearray, count: int) -> None:
        """Write the next `count` words (at most a chunk) to the front of `buffer`, in place."""
        self._encryptor.update_into(_ZEROS if count == CHUNK else _ZEROS[: 4 * count], buffer)


def expand(seed: bytes, length: int) -> Words:
    """The first `length` words of the keystream of `seed`: `(length,) uint32`."""
    words = np.zeros(length, np.uint32)
    add_streams(words, (Stream(seed),))
    return words


def _spans(size: int, threads: int) -> list[tuple[int, int]]:
    """Cut `size` words into at most `threads` spans at chunk boundaries."""
    count = max(1, min(threads, size // SPAN))
    step = -(-size // (count * CHUNK)) * CHUNK
    return [(start, min(start + step, size)) for start in range(0, size, step)] if size else []


def _add_span(words: Words, start: int, stop: int, streams: Sequence[Stream], prepare: Prepare | None) -> None:
    engines = [(Keystream(stream.seed, start), np.add if stream.sign > 0 else np.subtract) for stream in streams]
    buffer = bytearray(CHUNK_BYTES)
    keystream = np.frombuffer(buffer, dtype="<u4")
    for low in range(start, stop, CHUNK):
        high = min(low + CHUNK, stop)
        if prepare is not None:
            prepare(low, high)
        chunk = words[low:high]
        for engine, combine in engines:
            engine.read_into(buffer, high - low)
            combine(chunk, keystream[: high - low], out=chunk)
