"""Tests of what a department keeps between messages as a record."""

from __future__ import annotations

import pytest
import torch
from flwr.app import ConfigRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto

from lepton_fed.errors import StorageError
from lepton_fed.flower.memory import (
    RECORD,
    SECRETS,
    handed_over,
    recall,
    recall_secrets,
    remember,
    remember_secrets,
)
from lepton_fed.secagg.canonical import Wire, decode, encode
from lepton_fed.secagg.keys import KeyPair
from lepton_fed.secagg.ledger import Entries

KEPT = {
    "private": torch.tensor([0.1, -2.5, float("nan")]),
    "personal": torch.linspace(0, 1, 5, dtype=torch.float64),
    "own": torch.arange(6, dtype=torch.float32).reshape(2, 3)[:, ::2],
    "buffer norm1.num_batches_tracked": torch.tensor(7),
    "half": torch.ones(3, dtype=torch.bfloat16) / 3,
    "mask": torch.tensor([True, False]),
    "nothing": torch.zeros(0),
    "empty table": torch.zeros(0, 4),
    "own round": torch.tensor(3),
}


def test_tensors_come_back_to_the_last_bit_with_their_shapes_and_dtypes() -> None:
    state = RecordDict()
    remember(state, KEPT)
    back = recall(recorddict_from_proto(recorddict_to_proto(state)))
    assert back is not None
    assert list(back) == list(KEPT)
    for name, tensor in KEPT.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_what_comes_back_shares_no_memory_with_what_was_kept() -> None:
    state, own = RecordDict(), torch.zeros(2)
    remember(state, {"own": own})
    own += 1
    back = recall(state)
    assert back is not None
    assert torch.equal(back["own"], torch.zeros(2))


def test_remembering_again_replaces_everything() -> None:
    state = RecordDict()
    remember(state, {"old": torch.zeros(1)})
    remember(state, {"new": torch.ones(1)})
    assert list(recall(state) or {}) == ["new"]


def test_nothing_was_kept_before_the_first_message() -> None:
    assert recall(RecordDict()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"dtypes": ["complex64"]},
        {"dtypes": []},
        {"shapes": ["7"]},
        {"shapes": ["a"]},
        {"values": [b"123"]},
        {"values": ["1234"]},
        {"values": None},
        {"names": 3},
    ],
)
def test_a_damaged_record_is_one_sentence(changes: dict[str, object]) -> None:
    state = RecordDict()
    remember(state, {"own": torch.zeros(2)})
    record = dict(state[RECORD]) | changes
    state[RECORD] = ConfigRecord({k: v for k, v in record.items() if v is not None})  # type: ignore[misc]
    with pytest.raises(StorageError, match="cannot be read"):
        recall(state)


# ---------------------------------------------------------------- secrets

ENTRIES = Entries("a test", serial=2, used_serial=1, round=4, attempt=0)
PAIR = KeyPair.generate(lambda size: bytes(range(7, 7 + size)))
STORED = encode((PAIR.to_bytes(), PAIR.to_bytes(), b"", ENTRIES.to_bytes()))


def test_secrets_come_back_as_they_were_beside_what_else_is_kept() -> None:
    state = RecordDict()
    assert recall_secrets(state) is None
    remember(state, KEPT)
    remember_secrets(state, STORED)
    travelled = recorddict_from_proto(recorddict_to_proto(state))
    assert recall_secrets(travelled) == STORED
    assert list(recall(travelled) or {}) == list(KEPT)


def test_what_is_handed_over_at_the_end_holds_no_secret_and_leaves_none_behind() -> None:
    state = RecordDict()
    remember(state, {"own": torch.ones(2)})
    remember_secrets(state, STORED)
    given = handed_over(state)
    assert list(given) == [RECORD]
    for record in (*given.values(), *state.values()):
        assert not any(PAIR.secret in raw for raw in _bytes_in(record))
    kept = decode(recall_secrets(state) or b"")
    assert isinstance(kept, tuple)
    assert kept[:3] == (b"", b"", b"")
    assert Wire.from_bytes(kept[3]) == ENTRIES
    assert any(PAIR.secret in raw for raw in _bytes_in(ConfigRecord({"stored": STORED})))


def _bytes_in(record: object) -> list[bytes]:
    assert isinstance(record, ConfigRecord)
    values = [item for value in record.values() for item in (value if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, bytes)]


def test_where_sums_are_plain_there_is_nothing_to_leave_behind() -> None:
    state = RecordDict()
    assert not handed_over(state)
    remember(state, {"own": torch.ones(2)})
    assert list(handed_over(state)) == list(state) == [RECORD]


@pytest.mark.parametrize("record", [ConfigRecord(), ConfigRecord({"stored": "text"})])
def test_damaged_secrets_are_one_sentence(record: ConfigRecord) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        recall_secrets(RecordDict({SECRETS: record}))
