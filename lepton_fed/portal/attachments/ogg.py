"""An Ogg file keeps its sound, and nothing that it says of itself: the second packet of each stream says nothing.

    page: "OggS" 0 flags  position(8)  stream(4)  number(4)  checksum(4)  laces  content      packets run over pages

No byte moves: a packet of comments becomes one with a maker's name of blanks, as long, and without a comment; the pages
that it lies on get new checksums. Only Vorbis and Opus are let in. (RFC 3533; RFC 7845, section 5.2; Vorbis I, 5.2.1.)
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lepton_fed.portal.attachments.in_place import read, size, write
from lepton_fed.portal.errors import Unacceptable

MOST_PAGES = 1_000_000
"""Of a file. Some programs write a page for every 20 ms."""

_HEAD, _CHECKSUM = 27, slice(22, 26)
_CONTINUED, _FIRST = 1, 2
_COMMENTS = {b"\x01vorbis": (b"\x03vorbis", b"\x01"), b"OpusHead": (b"OpusTags", b"")}
"""How a stream's second packet begins and ends, by how its first does."""

_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Stream:
    """Up to its second packet, of which `parts` are known, from where to where, and the `pages` that they lie on."""

    begins: bytes
    ends: bytes
    packets: int = 0
    continues: bool = False
    pages: list[tuple[int, int]] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)


def blanked(path: Path) -> None:
    """Blank the Ogg file at `path`, in place; Unacceptable for one that is damaged, or holds something else."""
    with path.open("r+b") as file:
        at, end, streams = 0, size(file), dict[bytes, _Stream]()
        for _ in range(MOST_PAGES):
            if at >= end and all(stream.packets > 1 for stream in streams.values()):
                return
            head = read(file, at, _HEAD)
            laces = read(file, at + _HEAD, head[26])
            content = at + _HEAD + len(laces)
            if head[5] & _FIRST:
                streams[head[14:18]] = _begun(read(file, content, 8))
            stream = streams.get(head[14:18])
            if stream is None or not head.startswith(b"OggS\0"):
                break
            if stream.packets < 2:
                _look(file, stream, (at, content + sum(laces)), laces, continues=bool(head[5] & _CONTINUED))
            at = content + sum(laces)
    raise Unacceptable("damaged")


def _begun(packet: bytes) -> _Stream:
    for begins, comments in _COMMENTS.items():
        if packet.startswith(begins):
            return _Stream(*comments)
    raise Unacceptable("damaged")


def _look(file: BinaryIO, stream: _Stream, page: tuple[int, int], laces: bytes, *, continues: bool) -> None:
    """Look through a page for the second packet, and blank that where it ends."""
    if continues != stream.continues:
        raise Unacceptable("damaged")
    at, part = page[1] - sum(laces), list[int]()
    for lace in laces:
        if stream.packets == 1:
            part += (at, at + lace)
        at += lace
        stream.packets += lace < 255
        stream.continues = lace == 255
    if part:
        stream.parts.append((part[0], part[-1]))
        stream.pages.append(page)
    if stream.packets > 1:
        _blank(file, stream)


def _blank(file: BinaryIO, stream: _Stream) -> None:
    length = sum(end - start for start, end in stream.parts)
    blanks = length - len(stream.begins) - 8 - len(stream.ends)
    first, _ = stream.parts[0]
    if blanks < 0 or read(file, first, len(stream.begins)) != stream.begins:
        raise Unacceptable("damaged")
    said = io.BytesIO(stream.begins + struct.pack("<I", blanks) + b" " * blanks + bytes(4) + stream.ends)
    for start, end in stream.parts:
        write(file, start, said.read(end - start))
    for start, end in stream.pages:
        page = bytearray(read(file, start, end - start))
        page[_CHECKSUM] = bytes(4)
        page[_CHECKSUM] = struct.pack("<I", _checksum(page))
        write(file, start, bytes(page))


def _checksum(page: bytes | bytearray) -> int:
    """CRC-32 with the polynomial 0x04c11db7, from the highest bit on, begun with 0: zlib's goes the other way."""
    backwards = zlib.crc32(page.translate(_BACKWARDS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{backwards:032b}"[::-1], 2)
