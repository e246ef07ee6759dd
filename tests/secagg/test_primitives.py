"""The primitives hold their laws: field, masks, keys, sealing, canonical bytes, fixed point."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.secagg import field, fixedpoint, masks, sealing
from lepton_fed.secagg.canonical import decode, digest, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.fixedpoint import FixedPoint, NotFinite, Quantiser
from lepton_fed.secagg.keys import Identity, agree, derive, public_of, verify
from lepton_fed.secagg.masks import CHUNK, SPAN, Stream, add_streams, expand
from tests.thoroughness import at_most


def is_prime(n: int) -> bool:
    """Miller-Rabin with 64 fixed bases; the chance of a wrong yes is below 2^-128."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 66):
        x = pow(base, odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


def test_the_modulus_is_the_smallest_prime_above_2_to_the_256() -> None:
    assert is_prime(field.PRIME)
    assert not any(is_prime(2**256 + k) for k in range(1, 297, 2))


@given(st.binary(min_size=32, max_size=32), st.integers(1, 12), st.data())
@settings(max_examples=at_most(60), deadline=None)
def test_any_t_shares_give_the_secret_back(secret: bytes, threshold: int, data: st.DataObject) -> None:
    points = list(range(1, 13))
    shares = dict(zip(points, field.split(secret, threshold, points, os.urandom), strict=True))
    chosen = data.draw(st.permutations(points))[:threshold]
    assert field.join({x: shares[x] for x in chosen}) == secret


def test_t_minus_one_shares_fit_every_secret() -> None:
    """For any other secret there is a polynomial through the same t - 1 shares: they say nothing."""
    shares = field.split(b"s" * 32, 3, (1, 2, 3), os.urandom)
    for other in (b"x" * 32, bytes(32)):
        at_zero = int.from_bytes(other, "big")
        points = {0: at_zero, 1: field.element(shares[0]), 2: field.element(shares[1])}
        third = (
            sum(
                y
                * np.prod([(3 - q) for q in points if q != x], dtype=object)
                * pow(int(np.prod([(x - q) for q in points if q != x], dtype=object)), -1, field.PRIME)
                for x, y in points.items()
            )
            % field.PRIME
        )
        forged = {1: shares[0], 2: shares[1], 3: int(third).to_bytes(33, "big")}
        assert field.join(forged) == other


@pytest.mark.parametrize("share", [b"", bytes(32), bytes(34), b"\xff" * 33, field.PRIME.to_bytes(33, "big")])
def test_what_is_no_field_element_is_refused(share: bytes) -> None:
    with pytest.raises(Malformed):
        field.element(share)


@pytest.mark.parametrize("size", [0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 3, 3 * CHUNK + 17])
def test_a_stream_is_aes_256_ctr(size: int) -> None:
    seed = hashlib.sha256(b"seed").digest()
    reference = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update(bytes(4 * size))
    assert np.array_equal(expand(seed, size), np.frombuffer(reference, "<u4"))


def test_threads_change_nothing() -> None:
    streams = [Stream(os.urandom(32), sign) for sign in (1, -1, 1)]
    one, two = np.ones(2 * SPAN + 5, np.uint32), np.ones(2 * SPAN + 5, np.uint32)
    add_streams(one, streams)
    add_streams(two, streams, threads=2)
    assert np.array_equal(one, two)
    add_streams(two, [Stream(stream.seed, -stream.sign) for stream in streams], threads=2)
    assert (two == 1).all()


def test_keys_of_different_uses_differ_even_where_their_fields_run_together() -> None:
    secret = os.urandom(32)
    assert derive(secret, "a", "bc") != derive(secret, "ab", "c")
    assert digest("a", "b", "c") != digest("a", "bc")


def test_a_signature_is_for_one_label_and_one_value() -> None:
    identity = Identity.generate("a", os.urandom)
    signature = identity.sign("label", 1, "x")
    verify(identity.public, signature, "label", 1, "x")
    for label, values in (("other", (1, "x")), ("label", (2, "x")), ("label", (1, "x", None))):
        with pytest.raises(Malformed):
            verify(identity.public, signature, label, *values)


def test_both_sides_agree_and_low_order_points_are_refused() -> None:
    a, b = os.urandom(32), os.urandom(32)
    assert agree(a, public_of(b)) == agree(b, public_of(a))
    with pytest.raises(Malformed):
        agree(a, bytes(32))


def test_sealed_bytes_open_only_unaltered_and_about_the_same() -> None:
    key = os.urandom(32)
    sealed = sealing.seal(key, b"plain", ("about", 1), os.urandom)
    assert sealing.unseal(key, sealed, ("about", 1)) == b"plain"
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for bad, about in ((altered, ("about", 1)), (sealed, ("about", 2)), (b"", ("about", 1))):
        with pytest.raises(Malformed):
            sealing.unseal(key, bad, about)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.binary()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.fractions(),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)


@given(values)
@settings(max_examples=at_most(200))
def test_a_value_and_its_bytes_are_one_to_one(value: object) -> None:
    data = encode(value)
    assert encode(decode(data)) == data
    assert decode(data) == value


@given(st.binary(max_size=60))
@settings(max_examples=at_most(300))
def test_bytes_that_decode_are_canonical(data: bytes) -> None:
    try:
        value = decode(data)
    except Malformed:
        return
    assert encode(value) == data


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_truncated_and_prolonged_bytes_are_refused(cut: int) -> None:
    data = encode(("text", 5, b"bytes", (1, Fraction(1, 3)), np.arange(4, dtype=np.uint32)))
    with pytest.raises(Malformed):
        decode(data[: len(data) - 1 - cut])
    with pytest.raises(Malformed):
        decode(data + b"n")


def quantised(vector: np.ndarray, bound: int = 2**30, coins: bytes = b"c" * 32) -> tuple[np.ndarray, Quantiser]:
    words = np.empty(vector.size, np.uint32)
    quantiser = Quantiser(vector, words, 2.0**10, bound, coins)
    add_streams(words, (), prepare=quantiser)
    return words.view(np.int32), quantiser


def test_rounding_is_unbiased_and_within_one_step() -> None:
    value = np.full(2_000_000, 0.3 / 2**10, np.float32)
    steps, _ = quantised(value)
    assert set(np.unique(steps)) == {0, 1}
    assert abs(steps.mean() - 0.3) < 5 * (0.3 * 0.7 / 2_000_000) ** 0.5
    steps, _ = quantised(-value)
    assert abs(steps.mean() + 0.3) < 5 * (0.3 * 0.7 / 2_000_000) ** 0.5


def test_rounding_repeats_bit_for_bit_and_differs_by_key() -> None:
    vector = np.random.default_rng(0).normal(size=CHUNK + 100).astype(np.float32)
    assert np.array_equal(quantised(vector)[0], quantised(vector)[0])
    assert not np.array_equal(quantised(vector)[0], quantised(vector, coins=b"d" * 32)[0])


@pytest.mark.parametrize("bound", [1, 1000, 2**24 + 1, 2**31 - 1])
def test_no_word_leaves_its_bound_and_clamping_is_counted(bound: int) -> None:
    vector = np.array([3e38, -3e38, 0.0, bound / 2**10, -bound / 2**10], np.float32)
    steps, quantiser = quantised(vector, bound)
    assert np.abs(steps.astype(np.int64)).max() <= bound
    assert quantiser.clipped >= 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_wherever_they_stand(bad: float) -> None:
    vector = np.zeros(CHUNK + 7, np.float32)
    vector[-2] = bad
    with pytest.raises(NotFinite):
        quantised(vector)
    with pytest.raises(NotFinite):
        fixedpoint.scalars_to_integers(np.array([1.0, bad]), Fraction(1), FixedPoint(1.0, 1.0))


@given(st.lists(st.lists(st.integers(-(2**60), 2**60), min_size=3, max_size=3), min_size=1, max_size=20))
@settings(max_examples=at_most(60))
def test_limbs_add_up_exactly(rows: list[list[int]]) -> None:
    total = np.zeros(3 * 5, np.uint32)
    for row in rows:
        total += fixedpoint.integers_to_words(row, 5)
    assert fixedpoint.words_to_integers(total, 5) == [sum(column) for column in zip(*rows, strict=True)]


def test_lift_is_exact_and_uses_the_words_memory() -> None:
    words = np.array([1, 2**32 - 1, 2**31 - 1, 2**31], np.uint32)
    lifted = fixedpoint.lift(words, 0.5)
    assert lifted.tolist() == [0.5, -0.5, float(np.float32((2**31 - 1) / 2)), -(2.0**30)]
    assert np.shares_memory(lifted, words)


def test_masks_hide_nothing_less_than_every_word() -> None:
    """Uniform: over many seeds each bit of a masked zero is set half of the time."""
    bits = np.unpackbits(masks.expand(b"m" * 32, 50_000).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / len(bits) ** 0.5
