"""The last head that a department countersigned, in one file of mode 600 in its own folder.

    <name>          canonical bytes of a SignedHead, replaced whole and forced to the disk before its signature leaves
    <name>.lock     locked while heads are compared and replaced

A file that is gone is as if no head had been seen, so keep it where the ledger is kept; one that is damaged is told.
"""

from __future__ import annotations

from pathlib import Path

from lepton_fed.audit.errors import Inconsistent
from lepton_fed.audit.heads import SignedHead
from lepton_fed.audit.lock import locked
from lepton_fed.audit.witness import COORDINATOR
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.storage.atomic import sync_folder, unreadable, unwritable, write_new
from lepton_fed.translation import said_by, sentence


class HeadFile:
    """A kept head at `path`, in a folder that exists. Any number of processes may use it.

    `durable`: a power cut cannot undo it either; a simulation, whose database is not, does not wait for the disk.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = Path(path)
        self._durable = durable

    def read(self) -> SignedHead | None:
        """The head, or None where there is no file; StorageError if it cannot be read or is no head."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(error, self.path) from error
        try:
            return SignedHead.read(content)
        except Malformed as error:
            raise StorageError(
                sentence(
                    "{path} is damaged or no kept head ({error}); put its newest copy back, because without it this "
                    "department would not notice a log that was rolled back",
                    path=self.path,
                    error=said_by(error),
                )
            ) from None

    def replace(self, old: SignedHead | None, new: SignedHead) -> None:
        """Keep `new` once a power cut could not undo it; Inconsistent if another process kept one meanwhile."""
        with locked(self.path.with_name(f"{self.path.name}.lock")):
            if self.read() != old:
                raise Inconsistent(COORDINATOR, "two heads were shown at once; show them one after the other")
            try:
                _replace(self.path, new.written, self._durable)
            except OSError as error:
                raise unwritable(error, self.path) from error


def _replace(path: Path, content: bytes, durable: bool) -> None:
    """Under the lock, so that one name for the new file will do: what a killed process left there goes first."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    write_new(part, (content,), durable=durable)
    part.replace(path)
    if durable:
        sync_folder(path.parent)
