"""A picture is written anew: what a camera notes beside it (where, when, with what) is not in the copy.

Only the four formats of the list are read. How many pixels there are is looked at before any is decoded, and one
picture is decoded at a time: what a small file grows to stays below 50 million pixels, some 400 MB for a moment. A JPEG
may go over its pixels again and again, for 75 bytes a time: how often is looked at before, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lepton_fed.portal.attachments.kinds import PICTURES, Kind
from lepton_fed.portal.errors import TooMany, Unacceptable

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 50_000_000
QUALITY = 90
MOST_SCANS = 500
"""Of a JPEG, as its bytes look: cameras write some ten, and a film behind the picture looks like 16 in each MiB."""

WAITS = 5.0
"""Seconds for the picture before this one."""

_ONE = threading.Lock()


def rewritten(source: Path, target: Path, kind: Kind) -> None:
    """Write the picture's own points to `target`, turned as its camera said; Unacceptable for what is none, TooMany."""
    from PIL import Image

    form = next(name for name, one in PICTURES.items() if one is kind)
    if form == "JPEG" and source.read_bytes().count(b"\xff\xda") > MOST_SCANS:
        raise Unacceptable("damaged")
    with _alone():
        try:
            # A JPEG of several pictures, as telephones make them, is read as one and gives its first.
            with Image.open(source, formats=(form,)) as picture:
                _require_modest(picture)
                _write(picture, target, form)
        except Unacceptable:
            raise
        except MemoryError:
            raise Unacceptable("picture_size", most=MOST_PIXELS // 1_000_000) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Unacceptable("picture_size", most=MOST_PIXELS // 1_000_000) from None
        except Exception:
            # Pillow raises whatever its many readers do at what they cannot read.
            raise Unacceptable("damaged") from None


@contextmanager
def _alone() -> Iterator[None]:
    if not _ONE.acquire(timeout=WAITS):
        raise TooMany(round(WAITS))
    try:
        yield
    finally:
        _ONE.release()


def _require_modest(picture: Image) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise Unacceptable("picture_size", most=MOST_PIXELS // 1_000_000)
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise Unacceptable("picture_moves")


def _write(picture: Image, target: Path, form: str) -> None:
    from PIL import ImageOps

    profile = picture.info.get("icc_profile")
    turned = ImageOps.exif_transpose(picture)
    # Writers take comments and the like from there; how points are seen through belongs to the picture.
    turned.info = {name: value for name, value in turned.info.items() if name == "transparency"}
    if form == "JPEG" and turned.mode not in ("L", "RGB"):
        # A profile of four inks says nothing about three colours.
        turned, profile = turned.convert("RGB"), None
    more: dict[str, object] = {"quality": QUALITY} if form in ("JPEG", "WEBP") else {}
    if profile and form != "GIF":
        more["icc_profile"] = profile
    with target.open("wb") as file:
        turned.save(file, form, **more)
