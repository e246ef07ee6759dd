"""Fields of a record: written plainly, and taken out of what a stranger wrote, each once and each of one type.

Reader(record, parts).whole("round")        7, or PeerError: missing, of another type, negative
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np
from flwr.app import ConfigRecord

from lepton_fed.compression import Packed
from lepton_fed.digests import BYTES_OF_DIGEST
from lepton_fed.errors import PeerError
from lepton_fed.flower.parts import Bytes, Long, Parts, Rope
from lepton_fed.messages import Vector
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed

LONGEST = 2000
"""Characters in one name or reason: somebody will have to read it."""

BYTES_EACH = 4
"""Of one float32."""

Fields = dict[str, Any]
Found = TypeVar("Found")
Spelt = TypeVar("Spelt", bound=Wire)


def one_line(text: str) -> str:
    """A reason as it may travel: one printable line of bounded length."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in line)[:LONGEST]


@dataclass(frozen=True)
class Later:
    """A long vector that is still in parts, and what it is packed as."""

    kind: str
    code: Long


def _packed(kind: str, code: Bytes | Long) -> Packed | Later:
    return Later(kind, code) if isinstance(code, Long) else Packed(kind, code)


class Reader:
    """Takes fields out of a record, each once and each of one type; PeerError otherwise."""

    def __init__(self, record: object, parts: Parts, work: object = None) -> None:
        if not isinstance(record, ConfigRecord):
            raise PeerError(parts.sender, "its message is not a record of plain fields")
        self._parts = parts
        self._fields: Fields = parts.restored(dict(record))
        self._work = work

    def work(self, read: Callable[[Reader], Found]) -> Found | None:
        """What the second record says, if there is one."""
        if self._work is None:
            return None
        reader, self._work = Reader(self._work, self._parts), None
        work = read(reader)
        reader.require_empty()
        return work

    def text(self, key: str) -> str:
        return self._text(key, self._take(key, str))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._text(key, value) for value in self._list(key, str))

    def whole(self, key: str) -> int:
        """A count or a round: no negative numbers are ever sent."""
        value = self._take(key, int)
        if value < 0:
            raise self.complaint(f"its field {key!r} is negative")
        return value

    def wholes(self, key: str) -> list[int]:
        """Counts; no negative numbers are ever sent."""
        values = self._list(key, int)
        if any(value < 0 for value in values):
            raise self.complaint(f"its field {key!r} holds a negative number")
        return values

    def sorted_out(self, key: str, many: int) -> list[tuple[str, ...]]:
        """Texts that were sent as one list, beside how many of them belong to each of `many` things."""
        texts, counts = self.texts(key), self.wholes(f"{key} each")
        if len(counts) != many or sum(counts) != len(texts):
            raise self.complaint(f"its lists about {key!r} differ in length")
        ends = list(accumulate(counts, initial=0))
        return [texts[start:end] for start, end in pairwise(ends)]

    def raw(self, key: str) -> bytes:
        return self._take(key, bytes)

    def long(self, key: str) -> bytes:
        """Bytes that may have come in parts."""
        return bytes(self._bytes(key))

    def raws(self, key: str) -> tuple[bytes, ...]:
        return tuple(self._list(key, bytes))

    def flag(self, key: str) -> bool:
        return self._take(key, bool)

    def flags(self, key: str) -> list[bool]:
        return self._list(key, bool)

    def numbers(self, key: str) -> list[float]:
        return self._list(key, float)

    def vectors(self, key: str) -> list[Vector]:
        """Float32 vectors of this process's own, since a view of the message could not be written to."""
        found = [_joined(raw) for raw in self._list_of_bytes(key)]
        if any(len(raw) % BYTES_EACH for raw in found):
            raise self.complaint(f"its field {key!r} holds a vector that ends within a number")
        return [_vector(raw) for raw in found]

    def packed(self, key: str) -> list[Packed | Later]:
        """Vectors as they were packed, each beside what it was packed as; long ones are still in parts."""
        codes, kinds = self._list_of_bytes(key), self.texts("packed as")
        if len(codes) != len(kinds):
            raise self.complaint(f"its lists about {key!r} differ in length")
        return [_packed(kind, code) for kind, code in zip(kinds, codes, strict=True)]

    def table(self, key: str) -> dict[str, float]:
        """Numbers by name, sent as two lists."""
        values = self.numbers(f"{key} values")
        return dict(zip(self.names(key, values), values, strict=True))

    def wire(self, key: str, kinds: tuple[type[Spelt], ...]) -> Spelt:
        """A value of secure sums. Its vectors are views of what was received: read-only, and nothing is copied."""
        raw = self._bytes(key)
        try:
            value = Wire.from_bytes(raw)
        except Malformed as error:
            raise self.complaint(f"its field {key!r} is nothing of secure sums: {one_line(str(error))}") from None
        if not isinstance(value, kinds):
            raise self.complaint(f"its field {key!r} is a {type(value).__name__}, which does not fit")
        return value

    def wires(self, key: str, kind: type[Spelt]) -> tuple[Spelt, ...]:
        """Short values of protocols, one after the other."""
        try:
            return tuple(kind.from_bytes(raw) for raw in self._list(key, bytes))
        except Malformed as error:
            raise self.complaint(f"its field {key!r} is no list of {kind.__name__}: {one_line(str(error))}") from None

    def digests(self, key: str) -> dict[str, bytes]:
        """Hashes by name, sent as two lists."""
        digests = self._list(f"{key} digests", bytes)
        if any(len(one) != BYTES_OF_DIGEST for one in digests):
            raise self.complaint(f"its field {key!r} holds a digest that is not of {BYTES_OF_DIGEST} bytes")
        return dict(zip(self.names(key, digests), digests, strict=True))

    def names(self, key: str, *columns: Collection[object]) -> tuple[str, ...]:
        """Different names, with as many entries in each of `columns`."""
        names = self.texts(key)
        if len(set(names)) != len(names):
            raise self.complaint(f"its field {key!r} says a name twice")
        if any(len(column) != len(names) for column in columns):
            raise self.complaint(f"its lists about {key!r} differ in length")
        return names

    def finish(self) -> None:
        """Complains about a field or a part that nobody asked for: it was meant to say something."""
        self.require_empty()
        self._parts.finish()

    def require_empty(self) -> None:
        if self._fields:
            raise self.complaint(f"it sent an unknown field {one_line(min(self._fields))!r}")
        if self._work is not None:
            raise self.complaint("it sent work where none belongs")

    def complaint(self, what: str) -> PeerError:
        return self._parts.complaint(what)

    def _take(self, key: str, type_: type[Found]) -> Found:
        if key not in self._fields:
            raise self.complaint(f"its message lacks the field {key!r}")
        value = self._fields.pop(key)
        if type(value) is not type_:  # bool is an int, and neither is the other here
            raise self.complaint(f"its field {key!r} is a {type(value).__name__}, not a {type_.__name__}")
        return value

    def _list(self, key: str, type_: type[Found]) -> list[Found]:
        values = self._take(key, list)
        if any(type(value) is not type_ for value in values):
            raise self.complaint(f"its field {key!r} is not a list of {type_.__name__}")
        return values

    def _bytes(self, key: str) -> Bytes:
        """Bytes that may have come in parts."""
        value = self._fields.get(key)
        return self._take(key, Long).joined() if isinstance(value, Long) else self._take(key, bytes)

    def _list_of_bytes(self, key: str) -> list[Bytes | Long]:
        values = self._take(key, list)
        if any(type(value) not in (bytes, Long) for value in values):
            raise self.complaint(f"its field {key!r} is not a list of bytes")
        return values

    def _text(self, key: str, value: str) -> str:
        # The ideographic space counts as unprintable to Python and is at home in Chinese names.
        if len(value) > LONGEST or not value.replace("\u3000", " ").isprintable():
            raise self.complaint(f"its field {key!r} is no line that could be shown")
        return value


def _joined(value: Bytes | Long) -> Bytes:
    return value.joined() if isinstance(value, Long) else value


def _vector(raw: Bytes) -> Vector:
    """The vector that these bytes are: a view where that can be written to."""
    found = np.frombuffer(raw, "<f4").astype(np.float32, copy=False)
    return found if found.flags.writeable else found.copy()


# ---------------------------------------------------------------- writing


def write_digests(key: str, digests: Mapping[str, bytes]) -> Fields:
    return {key: list(digests), f"{key} digests": list(digests.values())}


def write_table(key: str, table: Mapping[str, float]) -> Fields:
    return {key: list(table), f"{key} values": [float(value) for value in table.values()]}


def raw(vector: Vector) -> memoryview:
    return np.ascontiguousarray(vector, "<f4").view(np.uint8).data


def spelt(value: Wire) -> Rope:
    """The canonical bytes, in which long vectors are where they were."""
    return Rope(tuple(value.to_parts()))
