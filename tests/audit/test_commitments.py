"""A commitment says nothing, fits one text, and can be forgotten."""

from __future__ import annotations

import hashlib

import pytest

from lepton_fed.audit import Commitment, Opening, Openings
from lepton_fed.secagg.canonical import encode
from lepton_fed.secagg.errors import Malformed


def test_a_commitment_is_the_salted_hash_of_its_text() -> None:
    opening = Opening(bytes(range(32)), "张三")
    expected = hashlib.sha256(encode(("lepton-audit/1", "commitment", bytes(range(32)), "张三"))).digest()
    assert opening.commitment == Commitment(expected)
    assert opening.commitment.digest.hex() == "1d18f34a91fd27abc15b8a41d9ccb925351c88fc7a37fb3c24fb880c570b4103"


def test_another_text_or_another_salt_gives_another_commitment() -> None:
    one = Opening(bytes(32), "张三")
    assert one.commitment != Opening(bytes(32), "李四").commitment
    assert one.commitment != Opening(bytes(31) + b"\x01", "张三").commitment


def test_equal_texts_are_not_recognised_by_their_commitments() -> None:
    openings = Openings()
    assert openings.commit("张三") != openings.commit("张三")
    assert [one.text for one in openings.made.values()] == ["张三", "张三"]
    assert all(commitment == opening.commitment for commitment, opening in openings.made.items())


def test_a_text_and_its_salt_are_not_printed() -> None:
    opening = Opening(b"s" * 32, "张三")
    assert "张三" not in repr(opening)
    assert "sss" not in repr(opening)


def test_what_no_database_takes_is_spelled_out() -> None:
    openings = Openings()
    openings.commit("/a\0\udcff")
    assert [one.text for one in openings.made.values()] == [r"/a\x00\udcff"]


def test_a_salt_and_a_digest_have_32_bytes() -> None:
    with pytest.raises(Malformed, match="a salt has 32 bytes, found 16"):
        Opening(bytes(16), "x")
    with pytest.raises(Malformed, match="a commitment has 32 bytes, found 31"):
        Commitment(bytes(31))
