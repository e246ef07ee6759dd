"""Attachments in a backup: each file as it is, by its digest, beside the rows that know it."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, select

from lepton_fed.errors import StorageError
from lepton_fed.portal.attachments.attached import ATTACHMENT
from lepton_fed.portal.attachments.files import FOLDER, AttachmentFiles, Ready
from lepton_fed.portal.attachments.kinds import KINDS, MIB
from lepton_fed.storage.atomic import unreadable, unwritable


def packed(files: AttachmentFiles, connection: Connection, archive: zipfile.ZipFile) -> None:
    """Put the files of all rows into a backup; StorageError where one is gone, perhaps since the rows were read."""
    for digest, _, _ in _rows(connection):
        try:
            # They are compressed already, whichever kind they are.
            archive.write(files.path(digest), f"{FOLDER}/{digest}", zipfile.ZIP_STORED)
        except FileNotFoundError:
            raise StorageError(
                f"the attachment {digest[:12]}… was removed while the backup was made, or its file is lost; "
                "make the backup again"
            ) from None


def unpacked(files: AttachmentFiles, connection: Connection, archive: zipfile.ZipFile, placed: set[str]) -> None:
    """Put the files of all rows where they belong; ValueError or KeyError where one is not what its row says.

    The digests of those that were not there go into `placed`, each before its file.
    """
    for digest, size, kind in _rows(connection):
        with files.part() as path, archive.open(f"{FOLDER}/{digest}") as inside:
            try:
                if _copied(inside, archive, path, size) != digest:
                    raise ValueError(digest)
                if not files.path(digest).exists():
                    placed.add(digest)
                files.place(Ready(KINDS[kind], size, digest, path))
            except OSError as error:
                raise unwritable(error, path.parent) from None


def _copied(inside: IO[bytes], archive: zipfile.ZipFile, path: Path, size: int) -> str:
    """Write a file of the backup, which has this size; returns its digest, or "" where it has another size."""
    found, left = hashlib.sha256(), size
    with path.open("wb") as target:
        while left >= 0 and (chunk := _read(inside, archive)):
            found.update(chunk)
            left -= target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return "" if left else found.hexdigest()


def _read(inside: IO[bytes], archive: zipfile.ZipFile) -> bytes:
    try:
        return inside.read(MIB)
    except OSError as error:
        raise unreadable(error, Path(archive.filename or "the backup")) from None


def _rows(connection: Connection) -> list[tuple[str, int, str]]:
    there = ATTACHMENT.c.removed.is_(None)
    wanted = select(ATTACHMENT.c.digest, ATTACHMENT.c.size, ATTACHMENT.c.kind).where(there).distinct()
    return [(digest, size, kind) for digest, size, kind in connection.execute(wanted)]
