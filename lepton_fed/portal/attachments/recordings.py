"""An MP4 file keeps picture and sound, and nothing of where it was made: other boxes are blanked where they stand.

    ftyp  moov( mvhd  trak( tkhd  mdia( mdhd  hdlr  minf ... ) ) ... )  mdat          kept
    udta (with the place as ISO 6709), meta, uuid, free, skip, whatever else          named "free", its bytes zero

No byte moves, so that every offset in the file stays right. A track that is neither picture nor sound may hold the way
that a camera went, as samples, and the "gps " of a car's camera says where among picture and sound it is: such files
are refused. (ISO/IEC 14496-12.)
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lepton_fed.portal.attachments.kinds import M4A, MP4, Kind
from lepton_fed.portal.errors import Unacceptable

MOST_BOXES = 100_000
"""In all, blanked ones included."""

_INSIDE: dict[bytes, frozenset[bytes]] = {
    b"": frozenset([b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"ssix"]),
    b"moov": frozenset([b"mvhd", b"trak", b"mvex"]),
    b"trak": frozenset([b"tkhd", b"mdia", b"edts", b"tref"]),
    b"mdia": frozenset([b"mdhd", b"hdlr", b"minf", b"elng"]),
    b"moof": frozenset([b"mfhd", b"traf"]),
    b"traf": frozenset([b"tfhd", b"trun", b"tfdt", b"sdtp", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio"]),
}
"""What is kept in which box; those without an entry are kept whole."""

_REFUSED = (b"moov", b"gps ")
"""A box, and what it lies in."""

_HANDLERS = (b"vide", b"soun", b"tmcd")


@dataclass(frozen=True)
class _Box:
    name: bytes
    start: int
    content: int
    end: int


def cleaned(path: Path) -> Kind:
    """Blank the file at `path`, in place; returns whether it is one to see or to hear. Unacceptable."""
    handlers: set[bytes] = set()
    with path.open("r+b") as file:
        whole = _Box(b"", 0, 0, os.fstat(file.fileno()).st_size)
        for box, handler in _blanked(file, whole, itertools.count(1)):
            handlers |= {handler} - {b""}
            if box.name == b"hdlr" and handler not in _HANDLERS:
                raise Unacceptable("recording_track")
    if not handlers & {b"vide", b"soun"}:
        raise Unacceptable("damaged")
    return MP4 if b"vide" in handlers else M4A


def _blanked(file: BinaryIO, inside: _Box, count: Iterator[int]) -> Iterator[tuple[_Box, bytes]]:
    """The boxes that are kept, with the handler that one names, and all others blanked on the way."""
    for box in _boxes(file, inside.content, inside.end):
        if next(count) > MOST_BOXES:
            raise Unacceptable("damaged")
        if (inside.name, box.name) == _REFUSED:
            raise Unacceptable("recording_track")
        if box.name not in _INSIDE[inside.name]:
            _blank(file, box)
            continue
        yield box, _handler(file, box) if inside.name == b"mdia" and box.name == b"hdlr" else b""
        if box.name in _INSIDE:
            yield from _blanked(file, box, count)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    while start < end:
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            raise Unacceptable("damaged")
        size, name = struct.unpack(">I4s", head[:8])
        content = start + 8
        if size == 1 and len(head) == 16:
            size, content = struct.unpack(">Q", head[8:])[0], start + 16
        after = end if size == 0 else start + size
        if not content <= after <= end:
            raise Unacceptable("damaged")
        yield _Box(name, start, content, after)
        start = after


def _handler(file: BinaryIO, box: _Box) -> bytes:
    file.seek(box.content)
    return file.read(12)[8:12]


def _blank(file: BinaryIO, box: _Box) -> None:
    file.seek(box.start + 4)
    file.write(b"free")
    file.seek(box.content)
    left = box.end - box.content
    while left:
        left -= file.write(bytes(min(left, 65536)))
