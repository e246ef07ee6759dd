"""A WAV or FLAC file keeps its sound, and nothing that it says of itself: the rest is blanked where it stands.

    RIFF WAVE  fmt  fact  data      kept;  LIST (title, artist), bext, id3, whatever else: "JUNK", its bytes zero
    fLaC  STREAMINFO  SEEKTABLE     kept;  VORBIS_COMMENT, PICTURE, whatever else: PADDING, its bytes zero

No byte moves. A tag of 128 bytes that some programs put behind a FLAC file (ID3v1) is blanked as well.
"""

from __future__ import annotations

import struct
from pathlib import Path

from lepton_fed.portal.attachments.in_place import blank, read, size, write
from lepton_fed.portal.errors import Unacceptable

MOST_PARTS = 100_000
"""Of a file."""

_CHUNKS = frozenset([b"fmt ", b"fact", b"data"])
_STREAMINFO, _PADDING, _SEEKTABLE = 0, 1, 3
_ID3V1 = 128


def blanked_wav(path: Path) -> None:
    """Blank the WAV file at `path`, in place; Unacceptable for one that is damaged."""
    with path.open("r+b") as file:
        start, end = 12, size(file)
        for _ in range(MOST_PARTS):
            if start >= end:
                return
            name, length = struct.unpack("<4sI", read(file, start, 8))
            after = start + 8 + length + length % 2
            if name == b"data":
                # A program that did not know how long it would be says too much; there is nothing behind it then.
                after = min(after, end)
            elif after > end + length % 2:
                raise Unacceptable("damaged")
            if name not in _CHUNKS:
                write(file, start, b"JUNK")
                blank(file, start + 8, min(after, end))
            start = after
    raise Unacceptable("damaged")


def blanked_flac(path: Path) -> None:
    """Blank the FLAC file at `path`, in place; Unacceptable for one that is damaged."""
    with path.open("r+b") as file:
        start, end, last = 4, size(file), False
        for k in range(MOST_PARTS):
            head = read(file, start, 4)
            last, kind, length = head[0] >= 0x80, head[0] & 0x7F, int.from_bytes(head[1:], "big")
            after = start + 4 + length
            if after > end or (k == 0) != (kind == _STREAMINFO):
                raise Unacceptable("damaged")
            if kind not in (_STREAMINFO, _SEEKTABLE):
                write(file, start, bytes([last << 7 | _PADDING]))
                blank(file, start + 4, after)
            start = after
            if last:
                break
        if not last:
            raise Unacceptable("damaged")
        if end - start >= _ID3V1 and read(file, end - _ID3V1, 3) == b"TAG":
            blank(file, end - _ID3V1, end)
