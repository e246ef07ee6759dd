"""A WAV or FLAC file keeps its sound, and nothing that it says of itself: the rest is blanked where it stands.

    RIFF WAVE  fmt  fact  data      kept;  LIST (title, artist), bext, id3, whatever else: "JUNK", its bytes zero
    fLaC  STREAMINFO  SEEKTABLE     kept;  VORBIS_COMMENT, PICTURE, whatever else: PADDING, its bytes zero

No byte moves. A tag of 128 bytes that some programs put behind a FLAC file (ID3v1) is blanked as well.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from lepton_fed.portal.errors import Unacceptable

MOST_PARTS = 100_000
"""Of a file."""

_CHUNKS = frozenset([b"fmt ", b"fact", b"data"])
_STREAMINFO, _PADDING, _SEEKTABLE = 0, 1, 3
_ID3V1 = 128


def blanked_wav(path: Path) -> None:
    """Blank the WAV file at `path`, in place; Unacceptable for one that is damaged."""
    with path.open("r+b") as file:
        start, end = 12, _size(file)
        for _ in range(MOST_PARTS):
            if start >= end:
                return
            name, length = struct.unpack("<4sI", _read(file, start, 8))
            after = start + 8 + length + length % 2
            if name == b"data":
                # A program that did not know how long it would be says too much; there is nothing behind it then.
                after = min(after, end)
            elif after > end + length % 2:
                raise Unacceptable("damaged")
            if name not in _CHUNKS:
                _write(file, start, b"JUNK")
                _blank(file, start + 8, min(after, end))
            start = after
    raise Unacceptable("damaged")


def blanked_flac(path: Path) -> None:
    """Blank the FLAC file at `path`, in place; Unacceptable for one that is damaged."""
    with path.open("r+b") as file:
        start, end, last = 4, _size(file), False
        for k in range(MOST_PARTS):
            head = _read(file, start, 4)
            last, kind, length = head[0] >= 0x80, head[0] & 0x7F, int.from_bytes(head[1:], "big")
            after = start + 4 + length
            if after > end or (k == 0) != (kind == _STREAMINFO):
                raise Unacceptable("damaged")
            if kind not in (_STREAMINFO, _SEEKTABLE):
                _write(file, start, bytes([last << 7 | _PADDING]))
                _blank(file, start + 4, after)
            start = after
            if last:
                break
        if not last:
            raise Unacceptable("damaged")
        if end - start >= _ID3V1 and _read(file, end - _ID3V1, 3) == b"TAG":
            _blank(file, end - _ID3V1, end)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    found = file.read(count)
    if len(found) < count:
        raise Unacceptable("damaged")
    return found


def _write(file: BinaryIO, start: int, content: bytes) -> None:
    file.seek(start)
    file.write(content)


def _blank(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    left = end - start
    while left > 0:
        left -= file.write(bytes(min(left, 65536)))
