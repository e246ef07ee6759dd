"""Arrays written as safetensors are read back by the safetensors library, bit for bit."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

from lepton_fed.errors import StorageError
from lepton_fed.storage.tensors import _DTYPES, tensor_chunks, tensors

arrays = st.sampled_from(sorted(_DTYPES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


def joined(held: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    return b"".join(bytes(memoryview(chunk).cast("B") if chunk else b"") for chunk in tensor_chunks(held, metadata))


@given(held=st.dictionaries(st.text(st.characters(codec="utf-8")).filter(lambda n: n != "__metadata__"), arrays))
def test_what_is_written_is_read_back_bit_for_bit(held: dict[str, Any]) -> None:
    content = joined(held)
    for found in (tensors(content, "x"), load(content)):
        assert found.keys() == held.keys()
        for name, array in held.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes()
            assert found[name].flags.writeable


def test_every_array_begins_at_a_multiple_of_its_item_size() -> None:
    held = {"a": np.zeros(3, np.int8), "b": np.zeros(1, np.float64), "c": np.zeros(1, np.float16)}
    content = joined(held)
    size = struct.unpack("<Q", content[:8])[0]
    assert size % 8 == 0
    header = json.loads(content[8 : 8 + size])
    assert {name: tuple(said["data_offsets"]) for name, said in header.items()} == {
        "b": (0, 8),
        "c": (8, 10),
        "a": (10, 13),
    }
    assert len(content) == 8 + size + 13


def test_views_and_foreign_byte_orders_are_stored_by_value() -> None:
    held = {"turned": np.arange(6, dtype=np.float32).reshape(2, 3).T, "big": np.array([1, 2], dtype=">i4")}
    found = tensors(joined(held), "x")
    assert np.array_equal(found["turned"], held["turned"])
    assert np.array_equal(found["big"], [1, 2])
    assert found["big"].dtype == np.int32


def test_a_contiguous_array_is_not_copied() -> None:
    array = np.zeros(1000, np.float32)
    chunk = tensor_chunks({"a": array})[-1]
    assert np.shares_memory(np.asarray(chunk), array)


def test_an_unfit_array_is_named() -> None:
    with pytest.raises(TypeError, match="'names': dtype object cannot be stored"):
        tensor_chunks({"names": np.array(["a", None])})


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, struct.pack("<Q", 2) + b"[]"])
def test_another_kind_of_file_is_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(StorageError, match=r"^model\.safetensors is no readable safetensors file"):
        tensors(content, "model.safetensors")
