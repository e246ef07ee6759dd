"""Test vectors of the protocol version: every byte of a small round, good and bad, in
tests/vectors/secagg-1.json.

`python -m tests.secagg.test_vectors` writes them anew. Bytes that change without a new protocol version are
a bug.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_fed.secagg import field
from lepton_fed.secagg.canonical import PROTOCOL, Wire, digest, encode
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.fixedpoint import Quantiser, integers_to_words
from lepton_fed.secagg.keys import Identity, agree, derive, public_of
from lepton_fed.secagg.masks import add_streams, expand
from lepton_fed.secagg.server import secure_sum
from tests.secagg.federation import Federation, Stream, without

FILE = Path(__file__).parents[1] / "vectors" / "secagg-1.json"


def primitives() -> dict[str, str]:
    """Inputs are fixed here; outputs in hex."""
    shares = field.split(b"k" * 32, 3, (1, 2, 5), Stream(b"shamir"))
    words = np.empty(6, np.uint32)
    vector = np.array([0.5, -0.5, 1.25, -1.75, 1e9, -1e9], np.float32)
    add_streams(words, (), prepare=Quantiser(vector, words, 2.0, 1000, b"c" * 32))
    identity = Identity("d00", b"i" * 32)
    return {
        "digest": digest("label", 1, "text", b"bytes", Fraction(1, 3), None, True).hex(),
        "encoding": encode((0, -1, 255, -256, 2**70, 0.5, "é", b"", (), Fraction(-2, 6))).hex(),
        "shares": b"".join(shares).hex(),
        "keystream": expand(b"s" * 32, 8).tobytes().hex(),
        "agreement": agree(b"a" * 32, public_of(b"b" * 32)).hex(),
        "derived": derive(b"x" * 32, "label", "one", 2).hex(),
        "signature": identity.sign("label", 1, "text").hex(),
        "quantised": words.tobytes().hex(),
        "limbs": integers_to_words([-1, 70000, 2**40], 3).tobytes().hex(),
    }


def transcript() -> dict[str, Any]:
    """Every message of one round of four departments with one drop-out after its shares, and the sum."""
    federation = Federation.of(4, colluders=0, seed=b"vectors")
    keys = federation.advertised()
    plan = federation.plan(crowd=2)
    flow, replies, messages, exchange = secure_sum(plan, federation.roster, keys), None, [], 0
    while True:
        try:
            requests = next(flow) if replies is None else flow.send(replies)
        except StopIteration as end:
            total = end.value.sums["model", "all"]
            break
        exchange += 1
        replies = federation.ask(requests)
        messages += [
            [exchange, name, requests[name].to_bytes().hex(), replies[name].to_bytes().hex()] for name in requests
        ]
        replies = without("d02", exchange=2)(exchange, replies)
    return {
        "instance": plan.instance.hex(),
        "messages": messages,
        "sum": total.vector.tobytes().hex(),
        "scalars": total.scalars.tolist(),
    }


def bad(messages: list[list[Any]]) -> list[dict[str, str]]:
    """Bytes that must not be read, each with a part of the reason."""
    call, shares = bytes.fromhex(messages[0][2]), bytes.fromhex(messages[0][3])
    version = PROTOCOL.encode()
    return [
        {"why": "ends early", "bytes": call[:-1].hex(), "reason": "end in the middle"},
        {"why": "left over", "bytes": (call + b"n").hex(), "reason": "left over"},
        {
            "why": "other version",
            "bytes": call.replace(version, b"lepton-secagg/9", 1).hex(),
            "reason": "version",
        },
        {
            "why": "unknown kind",
            "bytes": shares.replace(b"sealed-shares", b"sealed-sharez", 1).hex(),
            "reason": "kind",
        },
        {"why": "unknown tag", "bytes": b"Z".hex(), "reason": "unknown tag"},
        {
            "why": "long integer",
            "bytes": (b"i" + (2).to_bytes(8, "big") + b"\x00\x01").hex(),
            "reason": "shortest",
        },
        {"why": "not reduced", "bytes": (b"q" + encode(2) + encode(4)).hex(), "reason": "lowest terms"},
        {"why": "not a number", "bytes": (b"d" + bytes.fromhex("7ff8000000000000")).hex(), "reason": "NaN"},
        {"why": "not UTF-8", "bytes": (b"s" + (1).to_bytes(8, "big") + b"\xff").hex(), "reason": "UTF-8"},
        {"why": "endless list", "bytes": (b"l" + b"\xff" * 4).hex(), "reason": "longer than its bytes"},
        {"why": "too deep", "bytes": (b"l\0\0\0\1" * 40 + b"n").hex(), "reason": "deeply"},
        {"why": "names out of order", "bytes": call.replace(b"d00", b"d09").hex(), "reason": "sorted"},
        {"why": "no message", "bytes": encode((PROTOCOL, 5)).hex(), "reason": "expected"},
    ]


def vectors() -> dict[str, Any]:
    round = transcript()
    return {"protocol": PROTOCOL, "primitives": primitives(), "round": round, "bad": bad(round["messages"])}


KNOWN: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else vectors()


def test_the_file_is_of_this_protocol_version() -> None:
    assert KNOWN["protocol"] == PROTOCOL


@pytest.mark.parametrize("name", KNOWN["primitives"])
def test_primitive(name: str) -> None:
    assert primitives()[name] == KNOWN["primitives"][name]


def test_a_whole_round_byte_by_byte() -> None:
    found = transcript()
    for one, known in zip(found["messages"], KNOWN["round"]["messages"], strict=True):
        assert one == known, f"exchange {one[0]} with {one[1]}"
    assert found == KNOWN["round"]


def test_good_messages_are_read_and_written_alike() -> None:
    for _, _, *both in KNOWN["round"]["messages"]:
        for spelled in both:
            assert Wire.from_bytes(bytes.fromhex(spelled)).to_bytes().hex() == spelled


@pytest.mark.parametrize("one", KNOWN["bad"], ids=lambda one: one["why"])
def test_bad_bytes_are_refused_where_expected(one: dict[str, str]) -> None:
    with pytest.raises(Malformed, match=one["reason"]):
        Wire.from_bytes(bytes.fromhex(one["bytes"]))


def test_the_sum_of_the_transcript() -> None:
    vector = np.frombuffer(bytes.fromhex(KNOWN["round"]["sum"]), np.float32)
    federation = Federation.of(4, seed=b"vectors")
    right = sum(federation.departments[n].contributions["model"].vector for n in ("d00", "d01", "d03"))
    assert np.array_equal(vector, right)


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
    print(FILE, hashlib.sha256(FILE.read_bytes()).hexdigest())
