"""Arrays as a safetensors file, without copying them on the way out.

    8 bytes, length of the header | header: JSON, padded to 8 | the arrays' bytes, one after another

The bytes are those of the safetensors format, and the safetensors library reads them back. Its own writer
takes twice as long and reports a full disk as text; here the caller gets the pieces, writes and syncs them
through one descriptor, and sees the operating system's own error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import Chunk

Array = np.ndarray[Any, np.dtype[Any]]

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}


def tensor_chunks(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> list[Chunk]:
    """The pieces of a safetensors file, views of contiguous arrays; TypeError names an unfit array."""
    # Wide items first: then every array begins at a multiple of its item size, which some readers want.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    plain = {name: _little_endian(name, array) for name, array in ordered}
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, array in plain.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *(a.data for a in plain.values() if a.size)]


def tensors(content: bytes, where: object) -> dict[str, Array]:
    """The arrays of a safetensors file, writable; StorageError names `where` if the content is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, KeyError) as error:
        raise StorageError(
            f"{where} is no readable safetensors file; it was damaged or is another kind of file"
        ) from error


def _little_endian(name: str, array: Array) -> Array:
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"array {name!r}: dtype {array.dtype} cannot be stored, only {', '.join(_DTYPES)}")
    # np.ascontiguousarray would turn a 0-d array into one of shape (1,).
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
