"""The folder of what a department has in common with those that it asked, for its own people."""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.storage.file_names import file_name

_log = logging.getLogger("lepton_fed.knowledge.in_common")


@dataclass(frozen=True)
class Kept:
    """`<other>.csv` for each of them."""

    folder: Path

    def keep(self, other: str, names: tuple[str, ...]) -> None:
        """Write `<other>.csv`, mode 600, in the place of what was found before; StorageError if that cannot be."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["entity"], *([name] for name in names)])
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written: {error.strerror or error}") from None
        write_atomically(self.folder / f"{file_name(other)}.csv", text.getvalue(), private=True)
        _log.info("%d in common with %s", len(names), other)
