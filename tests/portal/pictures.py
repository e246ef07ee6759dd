"""Small files to attach: pictures as cameras write them, a sound, an MP4 of boxes alone."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator

from PIL import Image

PLACE = (31.0, 13.0, 49.0)
PROGRAM = "Secret Camera 3000"


def picture(form: str = "JPEG", size: tuple[int, int] = (40, 20), colour: str = "navy", **more: object) -> bytes:
    """With a place, a program and a comment beside its points; the camera was held on its side."""
    exif = Image.Exif()
    exif[0x0131] = PROGRAM
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: PLACE})
    file = io.BytesIO()
    made = Image.new("P" if form == "GIF" else "RGB", size, 0 if form == "GIF" else colour)
    noted = {"comment": PROGRAM.encode()} if form in ("JPEG", "GIF") else {}
    made.save(file, form, **({} if form == "GIF" else {"exif": exif}), **noted, **more)  # type: ignore[arg-type]
    return file.getvalue()


def flac(*blocks: bytes) -> bytes:
    """A FLAC file with further blocks of metadata, the last of which is marked so."""
    parts = [b"\x00\x00\x00\x22" + bytes(range(34)), *blocks]
    last = bytes([parts[-1][0] | 0x80]) + parts[-1][1:]
    return b"".join([b"fLaC", *parts[:-1], last, b"\xff\xf8 frames of sound " * 9])


def sound(seconds: float = 0.5) -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setnchannels(1)
        writing.setsampwidth(2)
        writing.setframerate(8000)
        writing.writeframes(bytes(range(256)) * int(seconds * 8000 * 2 // 256))
    return file.getvalue()


def checksums() -> Iterator[int]:
    """Of each byte, as Ogg has it: CRC-32 from the highest bit on."""
    for byte in range(256):
        checksum = byte << 24
        for _ in range(8):
            checksum = checksum << 1 ^ (0x104C11DB7 if checksum >> 31 else 0)
        yield checksum


CHECKSUMS = tuple(checksums())


def page(laces: bytes, content: bytes, *, stream: int = 7, number: int = 0, flags: int = 0) -> bytes:
    """Of an Ogg file, with its checksum."""
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, 0, stream, number)
    checksum = 0
    for byte in head + bytes(4) + bytes([len(laces)]) + laces + content:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ CHECKSUMS[checksum >> 24 ^ byte]
    return head + struct.pack("<I", checksum) + bytes([len(laces)]) + laces + content


def ogg(*packets: bytes, laces: int = 255, stream: int = 7) -> bytes:
    """An Ogg file: its first packet on a page of its own, the others with so many laces a page."""
    first, *others = packets
    pages = [page(bytes([len(first)]), first, stream=stream, flags=2)]
    rows = [len(packet) // 255 * [255] + [len(packet) % 255] for packet in others]
    every, content = [lace for row in rows for lace in row], b"".join(others)
    continued = 0
    for at in range(0, len(every), laces):
        some = bytes(every[at : at + laces])
        pages.append(page(some, content[: sum(some)], stream=stream, number=len(pages), flags=continued))
        content, continued = content[sum(some) :], int(some[-1] == 255)
    return b"".join(pages)


def comments(*said: bytes, by: bytes = b"the program", opus: bool = False) -> bytes:
    """The second packet of an Ogg stream."""
    parts = [struct.pack("<I", len(one)) + one for one in (by, *said)]
    listed = parts[0] + struct.pack("<I", len(said)) + b"".join(parts[1:])
    return b"OpusTags" + listed if opus else b"\x03vorbis" + listed + b"\x01"


def box(name: str, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">I4s", 8 + len(inside), name.encode("latin-1")) + inside


def track(handler: str) -> bytes:
    hdlr = box("hdlr", bytes(8), handler.encode(), bytes(13))
    return box("trak", box("tkhd", bytes(4)), box("mdia", box("mdhd", bytes(4)), hdlr, box("minf", b"samples")))


def film(*handlers: str, brand: str = "isom") -> bytes:
    """An MP4 that says where it was made: in its movie's user data, a track's, and a box of XMP."""
    place = box("\xa9xyz", b"+31.2304+121.4737/")
    tracks = [track(handler) for handler in handlers or ("vide", "soun")]
    tracks[0] = box("trak", tracks[0][8:], box("udta", place))
    moov = box("moov", box("mvhd", bytes(4)), *tracks, box("udta", place), box("meta", place))
    return box("ftyp", brand.encode(), bytes(4)) + moov + box("mdat", b"picture and sound") + box("uuid", place)
