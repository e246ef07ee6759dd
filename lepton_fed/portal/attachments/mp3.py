"""An MP3 file keeps its frames of sound, and none of the tags before and behind them.

    ID3v2 ...  | frames |  ... Lyrics3  APEv2  ID3v2 with a footer  TAG+  TAG (ID3v1)

What is between the first frame and the last stays, byte for byte. (ID3v2.4, sections 3.1 and 3.4; APEv2; Lyrics3 v2.)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lepton_fed.portal.attachments.in_place import AT_ONCE, keep_only, read, size
from lepton_fed.portal.attachments.kinds import is_mp3_frame
from lepton_fed.portal.errors import Unacceptable

MOST_TAGS = 100
"""At either end."""

_ID3V1, _TAG_MORE = 128, 227
_ID3V2, _HAS_FOOTER = 10, 0x10
_APE, _HAS_HEAD = 32, 1 << 31
_LYRICS = 15
"""Lengths in bytes: of the whole tag, or of its head and of its foot."""


def without_tags(path: Path) -> None:
    """Take the tags off the MP3 file at `path`, in place; Unacceptable for one that is damaged."""
    with path.open("r+b") as file:
        whole = size(file)
        start = _beyond_all(lambda at: _behind(file, at), 0, whole)
        end = _beyond_all(lambda at: _before(file, at), whole, whole)
        if start:
            start = _beyond_zeros(file, start)
        if start + 4 > end or not is_mp3_frame(read(file, start, 4)):
            raise Unacceptable("damaged")
        keep_only(file, start, end)


def _beyond_all(beyond: Callable[[int], int], at: int, whole: int) -> int:
    """Where the last of tags that follow each other is passed by; `beyond` passes by one, if there is one."""
    for _ in range(MOST_TAGS):
        found = beyond(at)
        if found == at:
            return at
        if not 0 < found < whole:
            break
        at = found
    raise Unacceptable("damaged")


def _behind(file: BinaryIO, at: int) -> int:
    """The end of a tag that begins there."""
    file.seek(at)
    head = file.read(_APE)
    if head.startswith(b"ID3"):
        footer = _ID3V2 if head[5:6] and head[5] & _HAS_FOOTER else 0
        return at + _ID3V2 + _synchsafe(head[6:10]) + footer
    if head.startswith(b"APETAGEX"):
        return at + _APE + _ape_length(head)[0]
    return at


def _before(file: BinaryIO, at: int) -> int:
    """The beginning of a tag that ends there."""
    foot = read(file, max(0, at - _TAG_MORE), min(_TAG_MORE, at))
    if foot[-_APE:].startswith(b"APETAGEX"):
        length, has_head = _ape_length(foot[-_APE:])
        return at - length - (_APE if has_head else 0)
    if foot[-_ID3V2:].startswith(b"3DI"):
        return at - 2 * _ID3V2 - _synchsafe(foot[-4:])
    if foot.endswith(b"LYRICS200"):
        digits = foot[-_LYRICS:-9]
        return at - _LYRICS - int(digits) if digits.isdigit() else -1
    # Last, since the head of an APE tag, APETAGEX, may be where this one would begin.
    if foot[-_ID3V1:].startswith(b"TAG"):
        return at - _ID3V1
    return at - _TAG_MORE if foot.startswith(b"TAG+") else at


def _synchsafe(four: bytes) -> int:
    """Seven bits of each byte."""
    if len(four) < 4 or max(four) > 0x7F:
        raise Unacceptable("damaged")
    return sum(byte << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=True))


def _ape_length(part: bytes) -> tuple[int, bool]:
    """Of a tag with its foot and without its head, and whether it has one; `part`: either."""
    if len(part) < _APE:
        raise Unacceptable("damaged")
    length, _, flags = struct.unpack("<III", part[12:24])
    if length < _APE:
        raise Unacceptable("damaged")
    return length, bool(flags & _HAS_HEAD)


def _beyond_zeros(file: BinaryIO, at: int) -> int:
    """Past the zeros that some programs leave behind a tag."""
    file.seek(at)
    while some := file.read(AT_ONCE):
        rest = some.lstrip(b"\0")
        at += len(some) - len(rest)
        if rest:
            break
    return at
