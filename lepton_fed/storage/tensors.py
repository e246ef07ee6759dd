"""Arrays as a safetensors file, without copying them on the way out.

    8 bytes, length of the header | header: JSON, padded to 8 | the arrays' bytes, one after another

The bytes are those of the safetensors format, and the safetensors library reads them back. Its own writer
takes twice as long and reports a full disk as text; here the caller gets the pieces, writes and syncs them
through one descriptor, and sees the operating system's own error.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Mapping
from pathlib import Path
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

_NAMES = {stored: name for name, stored in _DTYPES.items()}


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
        raise _unreadable(where) from error


class MappedTensors:
    """The arrays of a safetensors file as read-only views of it, of which memory holds only what is in use.

    They stay what they are when the file is replaced or removed. It must not be changed in place.
    """

    def __init__(self, path: Path) -> None:
        """OSError if it cannot be mapped; StorageError if it is no safetensors file."""
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            size = int.from_bytes(self._map[:8], "little")
            header: dict[str, Any] = json.loads(self._map[8 : 8 + size])
            header.pop("__metadata__", None)
            self.arrays = {name: self._array(8 + size, **entry) for name, entry in header.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(path) from error

    def _array(self, start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> Array:
        kind = np.dtype(_NAMES[dtype]).newbyteorder("<")
        begin, end = data_offsets
        if begin == end:
            return np.empty(shape, kind)
        return np.frombuffer(self._map, kind, (end - begin) // kind.itemsize, start + begin).reshape(shape)

    def crc32(self) -> int:
        """Of the whole file."""
        found = 0
        with memoryview(self._map) as view:
            for begin in range(0, len(view), _STEP):
                found = zlib.crc32(view[begin : begin + _STEP], found)
                self.give_back()
        return found

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._map)

    def give_back(self) -> None:
        """Lets the memory go that reading has filled; what is read again is read from the file."""
        self._map.madvise(mmap.MADV_DONTNEED)


_STEP = 1 << 24


def _unreadable(where: object) -> StorageError:
    return StorageError(f"{where} is no readable safetensors file; it was damaged or is another kind of file")


def _little_endian(name: str, array: Array) -> Array:
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"array {name!r}: dtype {array.dtype} cannot be stored, only {', '.join(_DTYPES)}")
    # np.ascontiguousarray would turn a 0-d array into one of shape (1,).
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def parameters_digest(arrays: Mapping[str, Array]) -> bytes:
    """32 bytes that stand for a model's numbers by name, whatever file they are in."""
    state = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        state.update(f"{name} {array.dtype} {array.shape}\n".encode())
        if array.size:
            state.update(np.ascontiguousarray(array).data)
    return state.digest()
