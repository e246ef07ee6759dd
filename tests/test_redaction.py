"""A secret is struck out in every spelling; everything else stays as it was."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from lepton_fed.redaction import HIDDEN, Redaction

KEY = bytes(range(100, 132))
TOKEN = 't0ken-生产\\-"quoted"-xyz'


@pytest.mark.parametrize(
    "spelling",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY).decode(),
        repr(KEY)[2:-1],
    ],
)
def test_a_key_is_struck_out_in_every_spelling(spelling: str) -> None:
    said = Redaction([KEY]).of(f"before {spelling} after")
    assert said.rstrip("=") in (f"before {HIDDEN} after", f"before {HIDDEN}= after")


@pytest.mark.parametrize("spelling", [TOKEN, repr(TOKEN), repr(TOKEN.encode()), TOKEN.encode().hex()])
def test_a_text_is_struck_out_in_every_spelling(spelling: str) -> None:
    said = Redaction([TOKEN]).of(f"Bearer {spelling}")
    assert HIDDEN in said
    assert "xyz" not in said
    assert TOKEN.encode().hex()[8:24] not in said


@given(secret=st.binary(min_size=8, max_size=40), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_a_secret_within_what_was_encoded_is_struck_out(secret: bytes, before: bytes, after: bytes) -> None:
    redaction = Redaction([secret])
    for encoded in (base64.b64encode, base64.urlsafe_b64encode):
        said = redaction.of(encoded(before + secret + after).decode())
        assert HIDDEN in said
        # At most the characters stay that the neighbours have a part in.
        assert len(said) <= len(HIDDEN) + len(base64.b64encode(before + after)) + 4
    assert redaction.of((before + secret + after).hex()).count(HIDDEN) >= 1


@given(secret=st.text(min_size=8), around=st.text())
@example(secret="0000000a", around="a0000000")
def test_a_text_is_struck_out_wherever_it_stands(secret: str, around: str) -> None:
    said = Redaction([secret]).of(around + secret + around)
    # What is left before it and after it may be the two halves of another.
    assert not any(secret in piece for piece in said.split(HIDDEN))


def test_of_a_key_in_pem_each_line_is_struck_out() -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    redaction = Redaction([pem])
    assert redaction.of(pem.decode()).strip() == HIDDEN
    assert redaction.of(repr(pem)) == f"b'{HIDDEN}'"
    lines = pem.decode().splitlines()
    assert redaction.of(f"-----BEGIN PRIVATE KEY-----|{lines[1]}|{lines[2]}").count(HIDDEN) == 2
    assert redaction.of("-----BEGIN CERTIFICATE-----") == "-----BEGIN CERTIFICATE-----"


def test_a_file_s_last_line_end_is_no_part_of_the_secret() -> None:
    assert Redaction([b"0123456789\n"]).of("it is 0123456789!") == f"it is {HIDDEN}!"


def test_the_longest_secret_is_struck_out_whole() -> None:
    assert Redaction(["01234567", "0123456789"]).of("0123456789") == HIDDEN


@given(st.text(st.characters(codec="utf-8", exclude_characters="(")))
def test_other_text_stays(text: str) -> None:
    assert Redaction([os.urandom(32)]).of(text) == text
    assert Redaction().of(text) == text


@pytest.mark.parametrize("short", ["", b"", "1234567", "生产"])
def test_what_is_too_short_for_a_secret_is_refused(short: str | bytes) -> None:
    with pytest.raises(ValueError, match="cannot be told from ordinary text"):
        Redaction([short])


def test_no_secret_is_shown() -> None:
    assert TOKEN not in repr(Redaction([TOKEN]))
