"""Small files to attach: pictures as cameras write them, a sound, an MP4 of boxes alone."""

from __future__ import annotations

import io
import struct
import wave

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
