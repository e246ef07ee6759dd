"""A department's own .cedar files on its disk: those its file names, those in a folder; read again when they change.

    PolicyFiles(named, folder).read() -> (CedarFile("night.cedar", ...), ...)

What cannot be read is a file that cannot be used, and so denies; nothing here raises for it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lepton_fed.policies import CedarFile
from lepton_fed.translation import sentence, term

SUFFIX = ".cedar"
LARGEST = 1 << 20
"""Bytes of one file: a thousand policies are a tenth of it."""

Seen = tuple[tuple[str, int, int, int, int], ...]
"""What tells a changed file from one that is as it was: path, number, size, time of the change, mode."""


@dataclass(eq=False)
class PolicyFiles:
    """`named`: what files are called, and where they are. `folder`: every .cedar file in it counts, if it is there."""

    named: tuple[tuple[str, Path], ...] = ()
    folder: Path | None = None
    _seen: Seen | None = field(default=None, init=False, repr=False)
    _read: tuple[CedarFile, ...] = field(default=(), init=False, repr=False)

    @classmethod
    def of(cls, named: tuple[str, ...], base: Path, folder: Path | None = None) -> PolicyFiles:
        """Files named relative to `base`, as a department's own file names them."""
        return cls(tuple((name, base / name) for name in named), folder)

    def __bool__(self) -> bool:
        """Whether there is anything to look at: without, nothing of a department's own can ever count."""
        return bool(self.named) or self.folder is not None

    def read(self) -> tuple[CedarFile, ...]:
        """The files as they are now; the same object while none has changed."""
        places = tuple(self._places())
        seen = tuple(_seen(path) for _, path in places)
        if seen != self._seen:
            self._read = tuple(_file(name, path) for name, path in places)
            self._seen = seen
        return self._read

    def _places(self) -> Iterator[tuple[str, Path]]:
        yield from self.named
        if self.folder is None:
            return
        known = {os.path.realpath(path) for _, path in self.named}
        try:
            found = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return
        except OSError:
            # There may be rules in it that forbid: better nothing is permitted than that they are not heard.
            yield f"{self.folder.name}/*{SUFFIX}", self.folder
            return
        for path in found:
            if path.suffix == SUFFIX and os.path.realpath(path) not in known:
                yield f"{self.folder.name}/{path.name}", path


def _seen(path: Path) -> tuple[str, int, int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        return (str(path), -1, error.errno or 0, 0, 0)
    return (str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)


def _file(name: str, path: Path) -> CedarFile:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw = file.read(LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        return CedarFile(name, "", sentence("it cannot be read ({error})", error=term(str(error.strerror))))
    except UnicodeDecodeError:
        return CedarFile(name, "", sentence("it is no UTF-8 text"))
    if len(raw) > LARGEST:
        return CedarFile(name, "", sentence("it is larger than {size} MiB", size=LARGEST // 2**20))
    if mode & stat.S_IWOTH:
        return CedarFile(name, "", sentence("everybody may write into it; run: chmod o-w on it"))
    return CedarFile(name, text)
