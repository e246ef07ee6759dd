"""What may be attached, told by how its content begins and by nothing else: no name and no browser has a say.

A short list of what browsers show by themselves. SVG, HTML and everything else that can hold a script is not on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024
HEAD = 256
"""Bytes of a file that say what it is."""

Shown = Literal["picture", "video", "audio", "file"]


@dataclass(frozen=True)
class Kind:
    """`suffixes`: the endings that a name of that kind may have, the usual one first; `largest`: in bytes."""

    media_type: str
    shown: Shown
    suffixes: tuple[str, ...]
    largest: int


@dataclass(frozen=True)
class _Sign:
    kind: Kind
    is_it: Callable[[bytes], bool]


def _begins(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"RIFF") and head[8:12] == form


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    """Of the first box of an MP4 file. QuickTime's own and those of pictures are none of them."""
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def is_mp3_frame(head: bytes) -> bool:
    """Whether a frame begins so: MPEG audio, layer III, with a bit rate and a sampling rate that there are."""
    return (
        len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] >> 4 != 15 and head[2] & 0x0C != 0x0C
    )


def _is_mp3(head: bytes) -> bool:
    """Tags, or a frame."""
    return head.startswith(b"ID3") or is_mp3_frame(head)


_MP4_VIDEO = (
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"M4V ",
    b"M4VP",
    b"MSNV",
    b"dash",
)

PICTURES = {
    "PNG": Kind("image/png", "picture", (".png",), 20 * MIB),
    "JPEG": Kind("image/jpeg", "picture", (".jpg", ".jpeg"), 20 * MIB),
    "GIF": Kind("image/gif", "picture", (".gif",), 20 * MIB),
    "WEBP": Kind("image/webp", "picture", (".webp",), 20 * MIB),
}
"""By the names that Pillow has for them."""

MP4 = Kind("video/mp4", "video", (".mp4", ".m4v"), 100 * MIB)
WAV = Kind("audio/wav", "audio", (".wav",), 50 * MIB)
FLAC = Kind("audio/flac", "audio", (".flac",), 50 * MIB)
OGG = Kind("audio/ogg", "audio", (".ogg", ".oga", ".opus"), 50 * MIB)
MP3 = Kind("audio/mpeg", "audio", (".mp3",), 50 * MIB)
M4A = Kind("audio/mp4", "audio", (".m4a", ".mp4"), 50 * MIB)

_SIGNS = (
    _Sign(PICTURES["PNG"], _begins(b"\x89PNG\r\n\x1a\n")),
    _Sign(PICTURES["JPEG"], _begins(b"\xff\xd8\xff")),
    _Sign(PICTURES["GIF"], _begins(b"GIF87a", b"GIF89a")),
    _Sign(PICTURES["WEBP"], _riff(b"WEBP")),
    _Sign(MP4, _brand(*_MP4_VIDEO)),
    _Sign(M4A, _brand(b"M4A ", b"M4B ")),
    _Sign(
        Kind("video/webm", "video", (".webm",), 100 * MIB),
        lambda head: head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:64],
    ),
    _Sign(WAV, _riff(b"WAVE")),
    _Sign(
        OGG,
        lambda head: head.startswith(b"OggS") and (b"OpusHead" in head[:64] or b"\x01vorbis" in head[:64]),
    ),
    _Sign(FLAC, _begins(b"fLaC")),
    _Sign(Kind("application/pdf", "file", (".pdf",), 20 * MIB), _begins(b"%PDF-")),
    _Sign(MP3, _is_mp3),
)

KINDS = {sign.kind.media_type: sign.kind for sign in _SIGNS}
"""By media type."""

LARGEST = max(kind.largest for kind in KINDS.values())
LONGEST_NAME = 100

_UNUSUAL = re.compile(r"[^\w.+@~（）【】、，-]+")


def kind_of(head: bytes) -> Kind | None:
    """What a file is that begins so; None for whatever is not on the list."""
    return next((sign.kind for sign in _SIGNS if sign.is_it(head)), None)


def plain_name(name: str, kind: Kind) -> str:
    """A name that can stand in a text and be saved anywhere: letters of any script, with the ending of its kind."""
    last = re.split(r"[/\\]", name)[-1]
    plain = _UNUSUAL.sub("-", last).strip(".-") or "file"
    stem, dot, suffix = plain.rpartition(".")
    if dot and f".{suffix.lower()}" in kind.suffixes:
        return f"{stem[: LONGEST_NAME - len(suffix) - 1] or 'file'}.{suffix.lower()}"
    return f"{plain[: LONGEST_NAME - len(kind.suffixes[0])]}{kind.suffixes[0]}"
