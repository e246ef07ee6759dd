"""Packed vectors: as near as promised, the same bytes again, what rounding leaves is exact, nothing else unpacks."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lepton_fed.compression import BLOCK, KINDS, MOST, PIECE, Floats, Packed, pack, unpack

SMALLER = ("float16", "int8")
TINY = np.float32(2.0**-149)
"""The smallest number that float32 has."""

sizes = st.integers(0, 5) | st.integers(BLOCK - 2, BLOCK + 2) | st.integers(2 * BLOCK - 1, 2 * BLOCK + 1)
entries = (
    st.floats(-1e4, 1e4, width=32)
    | st.floats(-(2.0**125), 2.0**125, width=32)
    | st.floats(-(2.0**-120), 2.0**-120, width=32)
)
vectors = sizes.flatmap(
    lambda size: arrays(np.float32, size, elements=entries, fill=st.nothing() if size < 9 else None)
)


def drawn(size: int, seed: int = 0) -> Floats:
    """Entries of all sizes, as those of different layers."""
    draw = np.random.default_rng(seed)
    return (draw.normal(size=size) * 10.0 ** draw.uniform(-6, 2, size)).astype(np.float32)


def arrived(vector: Floats, kind: str) -> Floats:
    return unpack(pack(vector, kind))


def largest(vector: Floats) -> np.ndarray:
    """Of each entry's block, (d,) float64."""
    blocks = [vector[k : k + BLOCK] for k in range(0, vector.size, BLOCK)]
    return np.concatenate([np.full(b.size, np.abs(b).max(), np.float64) for b in blocks] or [np.zeros(0)])


@given(vectors)
@example(np.array([3 * TINY, -TINY], np.float32))
@example(np.array([127.0, 0.5], np.float32))
@example(drawn(1000 * BLOCK))
def test_an_int8_is_within_half_a_step_of_its_block(vector: Floats) -> None:
    found = arrived(vector, "int8")
    assert found.dtype == np.float32
    # Quotient and product are rounded to 24 digits, of which the largest multiple takes 7.
    step = np.maximum(largest(vector) / 127, 2.0**-126) * (1 + 2.0**-14)
    assert (np.abs(found.astype(np.float64) - vector) <= step / 2).all()


@given(vectors)
@example(np.array([2.0**125, TINY], np.float32))
@example(np.array([1 - 2.0**-24, 5.802576e-10, 1.8e-12], np.float32))
def test_a_float16_has_eleven_digits_of_all_but_the_very_small(vector: Floats) -> None:
    found = arrived(vector, "float16").astype(np.float64)
    # A largest entry that is rounded up to a power of two has a scale a little coarser than its own.
    least = largest(vector) * 2.0**-39 * (1 + 2.0**-11)
    bound = np.maximum(np.abs(vector.astype(np.float64)) * 2.0**-11, least)
    assert (np.abs(found - vector) <= bound).all()


def test_nothing_that_float32_has_is_too_small_for_float16() -> None:
    for vector in ([TINY, -5 * TINY, 0, 2.0**-127], [TINY], [-TINY], [2047 * TINY, TINY]):
        assert arrived(np.array(vector, np.float32), "float16").tolist() == vector


@given(vectors, st.sampled_from(KINDS))
@example(drawn(1000 * BLOCK + 7), "int8")
@example(np.array([1 - 2.0**-13, 2.0**-38, -(2.0**-39)], np.float32), "float16")
def test_what_was_unpacked_packs_to_the_same_bytes(vector: Floats, kind: str) -> None:
    once = pack(vector, kind)
    assert pack(unpack(once), kind).code == once.code


@given(vectors, st.sampled_from(SMALLER))
@example(drawn(1000 * BLOCK), "int8")
@example(drawn(1000 * BLOCK), "float16")
def test_what_arrives_and_what_is_left_are_the_vector_exactly(vector: Floats, kind: str) -> None:
    found = arrived(vector, kind)
    left = vector - found
    assert left.dtype == np.float32
    assert np.array_equal(found.astype(np.float64) + left, vector.astype(np.float64))


@given(vectors, st.sampled_from(SMALLER))
def test_the_opposite_vector_arrives_as_the_opposite(vector: Floats, kind: str) -> None:
    assert np.array_equal(arrived(-vector, kind), -arrived(vector, kind))


@pytest.mark.parametrize("kind", SMALLER)
def test_one_large_entry_costs_only_its_own_block(kind: str) -> None:
    vector = np.full(3 * BLOCK, 1e-3, np.float32)
    vector[BLOCK] = 1e6
    found = arrived(vector, kind)
    assert np.allclose(np.delete(found.reshape(3, -1), 1, axis=0), 1e-3, rtol=1e-3)
    assert found[BLOCK] == pytest.approx(1e6, rel=1e-3)


@pytest.mark.parametrize("kind", SMALLER)
def test_a_vector_of_many_pieces_is_that_of_its_blocks(kind: str) -> None:
    vector = drawn(BLOCK * (PIECE + 2) + 9)
    whole = arrived(vector, kind)
    for begin in (0, BLOCK * (PIECE - 1), BLOCK * PIECE, BLOCK * (PIECE + 2)):
        block = slice(begin, begin + BLOCK)
        assert np.array_equal(whole[block], arrived(vector[block], kind))


def test_float32_arrives_as_it_is_and_is_this_processs_own() -> None:
    vector = np.array([0.1, -np.inf, TINY], np.float32)
    found = arrived(vector, "float32")
    assert found.tobytes() == vector.tobytes()
    found += 1


def test_packing_changes_nothing_in_place() -> None:
    vector = drawn(BLOCK + 5)
    before = vector.copy()
    for kind in KINDS:
        arrived(vector, kind)
    assert np.array_equal(vector, before)


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.27), ("float16", 0.52)])
@pytest.mark.parametrize("size", [64, BLOCK, BLOCK + 64, 100_000, 1_000_003])
def test_an_update_takes_a_quarter_or_half_of_the_bytes(kind: str, most: float, size: int) -> None:
    assert len(pack(drawn(size), kind).code) < most * 4 * size


def test_the_bytes_are_those_of_every_release() -> None:
    vector = np.array([127.0, -63.4, 0.5, 0.0], np.float32)
    assert pack(vector, "int8").code.hex() == "0000803f" + "7fc10000"
    # The largest is brought to 127 · 2^8: a scale of 2^-8, and 0.5 becomes 128.
    assert pack(vector, "float16").code.hex() == "0000803b" + "f077" + "edf3" + "0058" + "0000"


@pytest.mark.parametrize("kind", SMALLER)
@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf, MOST, -MOST])
def test_what_is_not_finite_or_too_large_is_not_packed(kind: str, entry: float) -> None:
    vector = np.ones(BLOCK + 3, np.float32)
    for place in (0, BLOCK + 2):
        with pytest.raises(ValueError, match="not finite, or too large"):
            pack(np.where(np.arange(vector.size) == place, np.float32(entry), vector), kind)


def code(scale: float, *values: float, entry: str = "i1") -> bytes:
    return np.array([scale], "<f4").tobytes() + np.array(values).astype(entry).tobytes()


@pytest.mark.parametrize(
    ("packed", "complaint"),
    [
        (Packed("int4", b""), "packed as 'int4', which must be one of float32, float16, int8"),
        (Packed("float32", b"12345"), "ends within a number"),
        (Packed("int8", b"123"), "ends within a number"),
        (Packed("int8", b"1234"), "ends within a number"),
        (Packed("int8", bytes(BLOCK + 4) + b"1234"), "ends within a number"),
        (Packed("float16", b"1234567"), "ends within a number"),
        (Packed("int8", code(np.nan, 1)), "a number that int8 never has"),
        (Packed("int8", code(np.inf, 0)), "a number that int8 never has"),
        (Packed("int8", code(-1.0, 1)), "a number that int8 never has"),
        (Packed("int8", code(0.0, 0)), "a number that int8 never has"),
        (Packed("int8", code(2.0**121, 1)), "a number that int8 never has"),
        (Packed("int8", code(1.0, -128)), "a number that int8 never has"),
        (Packed("float16", code(1.0, np.nan, entry="<f2")), "a number that float16 never has"),
        (Packed("float16", code(1.0, -np.inf, entry="<f2")), "a number that float16 never has"),
        (Packed("float16", code(2.0**113, 1, entry="<f2")), "a number that float16 never has"),
    ],
)
def test_what_nothing_could_have_packed_is_refused(packed: Packed, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        unpack(packed)


@given(st.binary(max_size=3 * BLOCK), st.sampled_from(SMALLER))
def test_any_bytes_are_a_finite_vector_or_refused(code: bytes, kind: str) -> None:
    with contextlib.suppress(ValueError):
        found = unpack(Packed(kind, code))
        assert np.isfinite(found).all()
        assert found.nbytes <= 4 * len(code)


def test_a_packed_vector_does_not_print_its_numbers() -> None:
    assert "x01" not in repr(Packed("int8", b"\x01\x01"))
