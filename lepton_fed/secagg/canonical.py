"""The one byte string of a value: canonical, self-delimiting, versioned.

    value := None | bool | int | float | Fraction | bytes | str | (value, ...) | uint32 array | registered
    class

Equal values have equal bytes and different values different bytes, so a hash or a signature of the bytes is
one of the value. Decoding accepts exactly what encoding produces: no second spelling, nothing left over.
A registered class is a frozen dataclass deriving from `Wire`; its fields are checked against their
annotations.
"""

from __future__ import annotations

import hashlib
import struct
import types
import typing
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from math import isfinite
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from lepton_fed.secagg.errors import Malformed
from lepton_fed.translation import Sentence

PROTOCOL = "lepton-secagg/1"
"""Bound into every hash, signature, derived key and message; changes whenever any of their bytes do."""

Words = npt.NDArray[np.uint32]
"""A vector of protocol words, `(length,) uint32`, arithmetic modulo 2^32."""

Parts = list[bytes | memoryview]

Fits = Callable[[object], bool]

LONG = 1 << 16
"""Bytes from which a vector is worth a piece of its own."""

DEPTH = 16
"""No honest value nests deeper; a bound keeps hostile bytes from exhausting the stack."""


def encode(value: object) -> bytes:
    """The canonical bytes of `value`."""
    parts: Parts = []
    _write(value, parts)
    return b"".join(parts)


def _joined(parts: Parts) -> Parts:
    """Short neighbours put together."""
    found: Parts = []
    short: Parts = []
    for part in parts:
        if len(part) < LONG:
            short.append(part)
        else:
            found += [b"".join(short), part]
            short = []
    return [*found, b"".join(short)]


def decode(data: bytes | memoryview) -> object:
    """The value whose canonical bytes are `data`; arrays are views into `data`, nothing large is copied."""
    view = memoryview(data)
    value, end = _read(view, 0, DEPTH)
    if end != len(view):
        raise Malformed(f"{len(view) - end} bytes are left over after the value")
    return value


def digest(label: str, *values: object) -> bytes:
    """SHA-256 over (protocol, label, values), 32 bytes. The label keeps one use's hashes apart from
    another's.
    """
    state = hashlib.sha256()
    parts: Parts = []
    _write((PROTOCOL, label, *values), parts)
    for part in parts:
        state.update(part)
    return state.digest()


class Wire:
    """A frozen dataclass that crosses the wire or is stored: typed fields, canonical bytes, refuses nonsense.

    A subclass that states a `KIND` is registered under it. `__post_init__` of a subclass calls `super()`
    first, so its own rules may rely on the types being right.
    """

    KIND: ClassVar[str]
    _registry: ClassVar[dict[str, type[Wire]]] = {}
    _field_checks: ClassVar[dict[str, Fits]]

    def __init_subclass__(cls) -> None:
        if "KIND" in cls.__dict__:
            if cls.KIND in Wire._registry and Wire._registry[cls.KIND].__qualname__ != cls.__qualname__:
                raise TypeError(f"two classes claim the kind {cls.KIND!r}")
            Wire._registry[cls.KIND] = cls

    def __post_init__(self) -> None:
        for name, fits in _checks(type(self)).items():
            if not fits(getattr(self, name)):
                raise Malformed(f"{type(self).__name__}.{name} has a value of the wrong type or form")

    def to_bytes(self) -> bytes:
        """Canonical bytes, headed by the protocol version. Of a state: contains its secrets; store it as
        such.
        """
        return encode((PROTOCOL, self))

    def to_parts(self) -> list[bytes | memoryview]:
        """The same bytes in pieces, in order: long vectors are views of this value's own memory, not copies."""
        parts: Parts = []
        _write((PROTOCOL, self), parts)
        return _joined(parts)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """The value back; raises `Malformed` for another version, another kind or any departure from the
        form.
        """
        value = decode(data)
        if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)):
            raise Malformed("not a message: expected (protocol version, value)")
        if value[0] != PROTOCOL:
            raise Malformed(f"protocol version {value[0][:40]!r}, this side speaks {PROTOCOL!r}")
        if not isinstance(value[1], cls):
            raise Malformed(f"expected {cls.__name__}, found {type(value[1]).__name__}")
        return value[1]


def _write(value: object, parts: Parts) -> None:
    """Append the encoding of `value` to `parts`."""
    writer = _WRITERS.get(type(value))
    if writer is not None:
        writer(value, parts)
    elif isinstance(value, Wire):
        _write_wire(value, parts)
    elif isinstance(value, np.ndarray):
        _write_array(value, parts)
    elif isinstance(value, Sentence):
        _WRITERS[str](value, parts)
    else:
        raise Malformed(f"a value of type {type(value).__name__} has no canonical bytes")


def _write_int(value: int, parts: Parts) -> None:
    parts.append(_headed(b"i", value.to_bytes(_int_size(value), "big", signed=True)))


def _write_float(value: float, parts: Parts) -> None:
    if not isfinite(value):
        raise Malformed("a number is NaN or infinite")
    parts.append(b"d" + struct.pack(">d", value))


def _write_fraction(value: Fraction, parts: Parts) -> None:
    parts.append(b"q")
    _write_int(value.numerator, parts)
    _write_int(value.denominator, parts)


def _write_tuple(value: tuple[object, ...], parts: Parts) -> None:
    parts.append(b"l" + len(value).to_bytes(4, "big"))
    for item in value:
        _write(item, parts)


def _write_array(value: npt.NDArray[typing.Any], parts: Parts) -> None:
    if value.dtype != np.uint32 or value.ndim != 1:
        raise Malformed(f"an array must be (length,) uint32, found {value.shape} {value.dtype}")
    parts.append(b"v" + value.size.to_bytes(8, "big"))
    parts.append(np.ascontiguousarray(value, dtype="<u4").data.cast("B"))


def _write_wire(value: Wire, parts: Parts) -> None:
    names = _checks(type(value))
    parts.append(b"w")
    _write(value.KIND, parts)
    parts.append(len(names).to_bytes(4, "big"))
    for name in names:
        _write(getattr(value, name), parts)


def _headed(tag: bytes, payload: bytes) -> bytes:
    return tag + len(payload).to_bytes(8, "big") + payload


def _int_size(value: int) -> int:
    """Bytes of the shortest two's complement form."""
    return ((value if value >= 0 else ~value).bit_length() + 8) // 8


def _take(view: memoryview, start: int, count: int) -> tuple[memoryview, int]:
    if count < 0 or start + count > len(view):
        raise Malformed("the bytes end in the middle of a value")
    return view[start : start + count], start + count


def _count(view: memoryview, at: int, width: int) -> tuple[int, int]:
    raw, at = _take(view, at, width)
    return int.from_bytes(raw, "big"), at


def _read(view: memoryview, at: int, depth: int) -> tuple[object, int]:
    """The value that starts at byte `at`, and where it ends."""
    if depth == 0:
        raise Malformed("values nest too deeply")
    tag, at = _take(view, at, 1)
    reader = _READERS.get(bytes(tag))
    if reader is None:
        raise Malformed(f"unknown tag {bytes(tag)!r}")
    return reader(view, at, depth)


def _read_int(view: memoryview, at: int, _: int) -> tuple[object, int]:
    size, at = _count(view, at, 8)
    raw, at = _take(view, at, size)
    value = int.from_bytes(raw, "big", signed=True)
    if size != _int_size(value):
        raise Malformed("an integer is not in its shortest form")
    return value, at


def _read_float(view: memoryview, at: int, _: int) -> tuple[object, int]:
    raw, at = _take(view, at, 8)
    value: float = struct.unpack(">d", raw)[0]
    if not isfinite(value):
        raise Malformed("a number is NaN or infinite")
    return value, at


def _read_fraction(view: memoryview, at: int, depth: int) -> tuple[object, int]:
    top, at = _read(view, at, depth - 1)
    bottom, at = _read(view, at, depth - 1)
    if type(top) is not int or type(bottom) is not int or bottom < 1:
        raise Malformed("a fraction needs an integer over a positive integer")
    value = Fraction(top, bottom)
    if value.denominator != bottom:
        raise Malformed("a fraction is not in lowest terms")
    return value, at


def _read_bytes(view: memoryview, at: int, _: int) -> tuple[object, int]:
    size, at = _count(view, at, 8)
    raw, at = _take(view, at, size)
    return bytes(raw), at


def _read_str(view: memoryview, at: int, depth: int) -> tuple[object, int]:
    raw, at = _read_bytes(view, at, depth)
    assert isinstance(raw, bytes)
    try:
        return raw.decode("utf-8"), at
    except UnicodeDecodeError:
        raise Malformed("a text is not UTF-8") from None


def _read_tuple(view: memoryview, at: int, depth: int) -> tuple[object, int]:
    count, at = _count(view, at, 4)
    if count > len(view) - at:
        raise Malformed("a list is longer than its bytes")
    items = []
    for _ in range(count):
        item, at = _read(view, at, depth - 1)
        items.append(item)
    return tuple(items), at


def _read_array(view: memoryview, at: int, _: int) -> tuple[object, int]:
    size, at = _count(view, at, 8)
    raw, at = _take(view, at, 4 * size)
    return np.frombuffer(raw, dtype="<u4").view(np.uint32), at


def _read_wire(view: memoryview, at: int, depth: int) -> tuple[object, int]:
    kind, at = _read(view, at, depth - 1)
    cls = Wire._registry.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise Malformed("a value of an unknown kind")
    values, at = _read_tuple(view, at, depth)
    assert isinstance(values, tuple)
    names = tuple(_checks(cls))
    if len(values) != len(names):
        raise Malformed(f"{cls.__name__} has {len(names)} fields, found {len(values)}")
    return cls(**dict(zip(names, values, strict=True))), at


_READERS = {
    b"n": lambda view, at, depth: (None, at),
    b"t": lambda view, at, depth: (True, at),
    b"f": lambda view, at, depth: (False, at),
    b"i": _read_int,
    b"d": _read_float,
    b"q": _read_fraction,
    b"b": _read_bytes,
    b"s": _read_str,
    b"l": _read_tuple,
    b"v": _read_array,
    b"w": _read_wire,
}


_WRITERS: dict[type, Callable[[typing.Any, Parts], None]] = {
    type(None): lambda value, parts: parts.append(b"n"),
    bool: lambda value, parts: parts.append(b"t" if value else b"f"),
    int: _write_int,
    float: _write_float,
    Fraction: _write_fraction,
    bytes: lambda value, parts: parts.append(_headed(b"b", value)),
    str: lambda value, parts: parts.append(_headed(b"s", value.encode("utf-8"))),
    tuple: _write_tuple,
}


def _checks(cls: type[Wire]) -> dict[str, Fits]:
    """The dataclass fields of `cls`, in order, each with a test of its type; worked out once per class."""
    known: dict[str, Fits] | None = cls.__dict__.get("_field_checks")
    if known is None:
        hints = typing.get_type_hints(cls)
        known = {field.name: _fits(hints[field.name]) for field in fields(cls)}  # type: ignore[arg-type]
        cls._field_checks = known
    return known


def _fits(hint: object) -> Fits:
    """A test of exactly the annotated type: no bool for int, no list for tuple, no int for float.

    A sentence passes for the text that it is, and travels as that.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        choices = [_fits(choice) for choice in arguments]
        return lambda value: any(choice(value) for choice in choices)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        one = _fits(arguments[0])
        return lambda value: type(value) is tuple and all(map(one, value))
    if origin is tuple:
        each = [_fits(argument) for argument in arguments]
        return lambda value: (
            type(value) is tuple
            and len(value) == len(each)
            and all(fits(item) for fits, item in zip(each, value, strict=True))
        )
    if origin is np.ndarray:
        return lambda value: isinstance(value, np.ndarray) and value.dtype == np.uint32 and value.ndim == 1
    if hint is str:
        return lambda value: type(value) is str or isinstance(value, Sentence)
    return lambda value: type(value) is hint
