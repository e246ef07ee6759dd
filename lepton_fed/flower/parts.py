"""Long values of a message in parts: a list of digests where the value was, and beside it a record for each part.

    lepton               { ..., vectors: [b""], long fields: ["vectors"], long places: [0], long sizes: [10^9],
                           long parts: [SHA-256 SHA-256 ...] }
    lepton part 9f86...  { part: 2 MiB }         named by its SHA-256

So no object on its way is large, equal parts of what several departments are sent are stored once, and whoever signs
the records that list the parts has signed the parts. What is sent is cut without being copied (`Cutter`); what was
received is joined into one buffer, each part checked before it is used and let go as soon as it was (`Parts`).
Short messages have none of this.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from flwr.app import ConfigRecord, RecordDict

from lepton_fed.errors import PeerError, StorageError

PART = 2 << 20
"""Bytes of every part but a value's last. A slow line carries one in half a minute, and the coordinator, in whose
memory each upload is several times for a moment, has room for those of many departments.
"""

LONG = 1 << 20
"""Bytes from which a value travels in parts."""

LARGEST = 1 << 35
"""Bytes that all long values of one message may have: equal parts cost their sender nothing, but us their room."""

NAME, FIELD = "lepton part ", "part"
"""Of a part's record (its digest follows), and of the record's one field."""

FIELDS, PLACES, SIZES, PARTS = "long fields", "long places", "long sizes", "long parts"
"""Columns of a record about its long values: where each was (0 where it was no list), its bytes, its digests."""

BYTES_OF_DIGEST = 32

Bytes = bytes | memoryview
Fields = dict[str, Any]


def is_part(name: str) -> bool:
    """Whether a record of this name is a part: listed by digest in others, which therefore stand for it."""
    return name.startswith(NAME)


@dataclass(frozen=True, eq=False)
class Rope:
    """One value of bytes that lies in several places."""

    pieces: tuple[Bytes, ...] = field(repr=False)

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.pieces))

    def cut(self, size: int) -> Iterator[tuple[memoryview, ...]]:
        """Views of so many bytes together, in order; the last may be shorter."""
        found: list[memoryview] = []
        room = size
        for piece in self.pieces:
            rest = memoryview(piece)
            while len(rest):
                found.append(rest[:room])
                rest, room = rest[room:], room - len(found[-1])
                if not room:
                    yield tuple(found)
                    found, room = [], size
        if found:
            yield tuple(found)


# ---------------------------------------------------------------- what is sent


class Part(ConfigRecord):
    """A part as a record: its bytes stay where they are, in somebody's vector, until the record is written."""

    def __init__(self, views: tuple[memoryview, ...]) -> None:
        super().__init__()
        self.__dict__["_data"] = _Views(views)

    @property
    def is_dirty(self) -> bool:
        """Never: so Flower hashes it once, for however many messages."""
        return False

    def deflate(self) -> bytes:
        # As the class that the other side reads: Flower writes the name of the class.
        return ConfigRecord({FIELD: self[FIELD]}).deflate()


@dataclass(frozen=True, eq=False)
class _Views(Mapping[str, bytes]):
    views: tuple[memoryview, ...] = field(repr=False)

    def __getitem__(self, key: str) -> bytes:
        if key != FIELD:
            raise KeyError(key)
        return b"".join(self.views)

    def __iter__(self) -> Iterator[str]:
        yield FIELD

    def __len__(self) -> int:
        return 1


@dataclass(eq=False)
class Cutter:
    """Cuts the long values of messages that are sent together. What lies at one place in memory is hashed once.

    `parts`: what was cut, by name, of all messages. The memory must not change while a message may be asked for.
    """

    parts: dict[str, Part] = field(default_factory=dict, repr=False)
    _known: dict[tuple[int, int], tuple[Rope, list[str]]] = field(default_factory=dict, repr=False)
    """By place in memory: what lies there, which this keeps alive so that nothing else can, and its parts' names."""

    def record(self, fields: Mapping[str, Any], content: MutableMapping[str, Any]) -> ConfigRecord:
        """A record of these fields; the parts of those that are long are put into `content`."""
        plain: Fields = {}
        columns: tuple[list[str], list[int], list[int], list[bytes]] = ([], [], [], [])
        for key, value in fields.items():
            plain[key] = value = _rope(value)
            places = value if isinstance(value, list) else [value]
            for place, one in enumerate(places):
                if isinstance(one, Rope):
                    short = one.nbytes < LONG
                    replacement = b"".join(one.pieces) if short else b""
                    if isinstance(value, list):
                        value[place] = replacement
                    else:
                        plain[key] = replacement
                    if not short:
                        names = self._cut(one)
                        content.update((name, self.parts[name]) for name in names)
                        digests = b"".join(bytes.fromhex(name.removeprefix(NAME)) for name in names)
                        for column, entry in zip(columns, (key, place, one.nbytes, digests), strict=True):
                            cast("list[object]", column).append(entry)
        if columns[0]:
            plain |= dict(zip((FIELDS, PLACES, SIZES, PARTS), columns, strict=True))
        return ConfigRecord(plain)

    def _cut(self, rope: Rope) -> list[str]:
        place = _place(rope)
        if place is None or place not in self._known:
            names = [self._named(views) for views in rope.cut(PART)]
            if place is None:
                return names
            self._known[place] = rope, names
        return self._known[place][1]

    def _named(self, views: tuple[memoryview, ...]) -> str:
        state = hashlib.sha256()
        for view in views:
            state.update(view)
        name = NAME + state.hexdigest()
        self.parts.setdefault(name, Part(views))
        return name


def _rope(value: object) -> Any:
    """The value with a Rope for all bytes in it that could be long, in a list of its own."""
    if isinstance(value, list):
        return [_rope(one) for one in value]
    if isinstance(value, memoryview) or (isinstance(value, bytes) and len(value) >= LONG):
        return Rope((value,))
    return value


def _place(rope: Rope) -> tuple[int, int] | None:
    """Where in memory a value lies (address, bytes), if in one piece."""
    if len(rope.pieces) != 1:
        return None
    found = np.frombuffer(rope.pieces[0], np.uint8)
    return found.ctypes.data, found.size


def size_of(record: Mapping[str, object]) -> int:
    """About how many bytes a record has: what can be long in it is bytes."""
    flat = (one for value in record.values() for one in (value if isinstance(value, list) else [value]))
    return sum(len(one) for one in flat if isinstance(one, bytes))


# ---------------------------------------------------------------- what was received


class StoredPart(ConfigRecord):
    """A part that lies elsewhere until it is wanted, as an object of Flower's that `read` fetches."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        super().__init__()
        self._read: Callable[[], bytes] | None = read

    def fetched(self) -> ConfigRecord:
        """The record; any exception where it is none, or was let go."""
        return ConfigRecord.inflate(self._read()) if self._read is not None else ConfigRecord()

    def let_go(self) -> None:
        self._read = None


@dataclass(eq=False)
class Parts:
    """The parts of one message as `sender` sent them; everything raises PeerError where it is not as written here.

    `most`: bytes that all long values together may have.
    """

    sender: str
    most: int = LARGEST
    _records: dict[str, object] = field(default_factory=dict, repr=False)
    _uses: Counter[str] = field(default_factory=Counter, repr=False)

    @classmethod
    def of(cls, content: RecordDict, sender: str, most: int = LARGEST) -> Parts:
        return cls(sender, most, {name: record for name, record in content.items() if is_part(name)})

    def restored(self, fields: Fields) -> Fields:
        """A record's fields with a Long for each value that its columns say is long."""
        if FIELDS not in fields:
            return fields
        rest = dict(fields)
        columns = [rest.pop(key, None) for key in (FIELDS, PLACES, SIZES, PARTS)]
        if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            raise self.complaint("its lists about long values differ in length")
        for key, place, size, digests in zip(*cast("list[list[object]]", columns), strict=True):
            self._put(rest, key, place, self._long(size, digests))
        return rest

    def _put(self, fields: Fields, key: object, place: object, value: Long) -> None:
        """In place of the nothing that must be there."""
        held = fields.get(key) if type(key) is str else None
        if type(key) is str and held == b"" and type(place) is int and place == 0:
            fields[key] = value
        elif isinstance(held, list) and type(place) is int and 0 <= place < len(held) and held[place] == b"":
            fields[cast("str", key)] = [*held[:place], value, *held[place + 1 :]]
        else:
            raise self.complaint("it lists parts of a value that is not long")

    def _long(self, size: object, digests: object) -> Long:
        if type(size) is not int or type(digests) is not bytes or size < LONG:
            raise self.complaint("its lists about long values do not fit")
        if len(digests) != BYTES_OF_DIGEST * -(-size // PART):
            raise self.complaint("it lists more parts of a long value, or fewer, than its size says")
        self.most -= size
        if self.most < 0:
            raise self.complaint("its long values are larger than anything that was asked for")
        names = [NAME + digests[k : k + BYTES_OF_DIGEST].hex() for k in range(0, len(digests), BYTES_OF_DIGEST)]
        if not all(name in self._records for name in names):
            raise self.complaint("a part of a long value is missing")
        self._uses.update(names)
        return Long(self, size, names)

    def finish(self) -> None:
        """Complains about a part that nobody listed, and so nobody signed."""
        if self._records.keys() - self._uses.keys():
            raise self.complaint("it sent a part that belongs to nothing")

    def taken(self, name: str, size: int) -> bytes:
        """A part, checked; it is let go where nothing else is made of it."""
        record = self._records[name]
        content = self._fetched(record).get(FIELD)
        if not isinstance(content, bytes) or len(content) != size:
            raise self.complaint("a part of a long value is not of the size that it must have")
        if NAME + hashlib.sha256(content).hexdigest() != name:
            raise self.complaint("a part of a long value was altered")
        self._uses[name] -= 1
        if not self._uses[name]:
            _let_go(record)
        return content

    def _fetched(self, record: object) -> Mapping[str, object]:
        """A part's fields where it is a record with the one field, otherwise none."""
        if isinstance(record, StoredPart):
            try:
                record = record.fetched()
            except StorageError:  # Ours, and nobody else's fault.
                raise
            except Exception:
                raise self.complaint("a part of a long value cannot be read") from None
        return record if isinstance(record, ConfigRecord) and list(record) == [FIELD] else {}

    def complaint(self, what: str) -> PeerError:
        return PeerError(self.sender, what)


def _let_go(record: object) -> None:
    """Forgets a part that was received; one that is still to be sent is somebody's memory."""
    if isinstance(record, StoredPart):
        record.let_go()
    elif isinstance(record, ConfigRecord) and not isinstance(record, Part):
        del record[FIELD]


@dataclass(frozen=True, eq=False)
class Long:
    """A long value that was received, still in parts: `size` bytes."""

    parts: Parts = field(repr=False)
    size: int
    names: list[str] = field(repr=False)

    def joined(self) -> memoryview:
        """All of it in one buffer of its own, which may be written to; PeerError for a part that does not fit.

        To be asked once: the parts are let go.
        """
        buffer = np.empty(self.size, np.uint8).data
        for place, name in enumerate(self.names):
            begin = place * PART
            end = min(begin + PART, self.size)
            buffer[begin:end] = self.parts.taken(name, end - begin)
        return buffer
