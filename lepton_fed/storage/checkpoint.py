"""What a run resumes from: killed at any moment, the folder holds the old save or the new, never a mix.

    000012.safetensors   the groups that changed in save 12      written first; nobody refers to it yet
    manifest.json        group -> file, round, meta, checksums   replaced last: the moment of the save
    000009.safetensors   none of its groups is current           removed after that

A group is the coordinator, or a department; its arrays change together. A save writes the groups that
changed and goes on pointing at the files of the others, so its cost follows the round's participants and
not the size of the federation.
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lepton_fed.storage.atomic import (
    remove_leftovers,
    sync_folder,
    unreadable,
    unwritable,
    write_atomically,
    write_new,
)
from lepton_fed.storage.manifest import JSON, File, Group, Manifest, damaged, read_manifest
from lepton_fed.storage.tensors import Array, MappedTensors, tensor_chunks, tensors

_FILE = re.compile(r"[0-9]{6,}\.safetensors")


@dataclass(frozen=True)
class Saved:
    """A completed save: the round it follows, the caller's values, group -> name -> array (its owner's to write to,
    unless it is mapped).
    """

    round: int
    meta: dict[str, JSON]
    groups: dict[str, dict[str, Array]]


class Checkpoint:
    """The checkpoint in a folder, which is made with the first save. One process at a time may save into it.

    `durable`: each save waits until the disk has it. Without, a power cut may cost the checkpoint (and that
    would be noticed); a killed process costs nothing either way.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = Path(folder)
        self._durable = durable
        self._current: Manifest | None = None
        """The last completed save, once this process has cleared away what another one did not complete."""

    def save(self, round: int, meta: Mapping[str, JSON], groups: Mapping[str, Mapping[str, Array]]) -> None:
        """Store the groups that changed; a group that is not mentioned keeps what an earlier save stored.

        A group is replaced whole. Arrays may be of any shape (0-d too), boolean, integer or floating; the
        keys of `meta` are text. StorageError: no space, no permission, a damaged checkpoint; the earlier save
        still stands.
        """
        before = self._current or self._opened()
        self._current = None
        arrays = {_key(group, name): a for group, held in groups.items() for name, a in held.items()}
        kept = {name: group for name, group in before.groups.items() if name not in groups}
        moved = _worth_moving(before.files, kept)
        arrays |= self._arrays_of(before, moved)
        serial = before.serial + 1
        sizes = {g: sum(a.nbytes for a in held.values()) for g, held in groups.items()}
        sizes |= {g: kept[g].size for g in moved}
        held = kept | {g: Group(serial, size) for g, size in sizes.items()}
        files = {f: before.files[f] for f in {group.file for group in held.values()} - {serial}}
        # Turned into text before anything is written: a `meta` that is no JSON must not cost the disk a file.
        json.dumps(dict(meta))
        if sizes:
            files[serial] = self._write(serial, arrays)
        after = Manifest(serial, round, dict(meta), files, held)
        write_atomically(self._manifest, after.to_text(), durable=self._durable)
        self._remove(before.files.keys() - files.keys())
        self._current = after

    def latest(self) -> Saved | None:
        """The last completed save, or None; StorageError if it does not match its checksums."""
        manifest = self._read_manifest()
        if manifest is None:
            return None
        arrays = self._arrays_of(manifest, manifest.groups)
        groups: dict[str, dict[str, Array]] = {name: {} for name in manifest.groups}
        for key, array in arrays.items():
            group, name = json.loads(key)
            groups[group][name] = array
        return Saved(manifest.round, dict(manifest.meta), groups)

    def mapped(self) -> tuple[Saved, tuple[MappedTensors, ...]] | None:
        """The last completed save with arrays that are views of its files, and these files; None if there is none.

        What another process wrote is compared with its checksums, as by `latest`. A later save leaves the views as
        they are.
        """
        manifest = self._read_manifest()
        if manifest is None:
            return None
        trusted = self._current is not None and manifest == self._current
        files = {serial: self._map(serial, expected, trusted) for serial, expected in manifest.files.items()}
        groups: dict[str, dict[str, Array]] = {name: {} for name in manifest.groups}
        for serial, file in files.items():
            for key, array in file.arrays.items():
                group, name = json.loads(key)
                if group in groups and manifest.groups[group].file == serial:
                    groups[group][name] = array
        return Saved(manifest.round, dict(manifest.meta), groups), tuple(files.values())

    def last_round(self) -> int:
        """Of the last completed save, whose arrays are not read; 0 if there is none."""
        manifest = self._read_manifest()
        return 0 if manifest is None else manifest.round

    @property
    def _manifest(self) -> Path:
        return self._folder / "manifest.json"

    def _file(self, serial: int) -> Path:
        return self._folder / f"{serial:06d}.safetensors"

    def _opened(self) -> Manifest:
        """The last completed save, after removing what a killed process or a failed save left beside it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            manifest = self._read_manifest() or Manifest()
            remove_leftovers(self._folder)
            current = {self._file(serial) for serial in manifest.files}
            for path in self._folder.iterdir():
                if _FILE.fullmatch(path.name) and path not in current:
                    path.unlink()
        except OSError as error:
            raise unwritable(error, self._folder) from error
        return manifest

    def _read_manifest(self) -> Manifest | None:
        try:
            text = self._manifest.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""
        except OSError as error:
            raise unreadable(error, self._manifest) from error
        return read_manifest(text, self._manifest)

    def _write(self, serial: int, arrays: Mapping[str, Array]) -> File:
        path = self._file(serial)
        try:
            size, crc = write_new(path, tensor_chunks(arrays), durable=self._durable)
            if self._durable:
                # The file's name must be on the disk before the manifest that mentions it.
                sync_folder(self._folder)
        except OSError as error:
            raise unwritable(error, path) from error
        return File(size, crc)

    def _arrays_of(self, manifest: Manifest, groups: Iterable[str]) -> dict[str, Array]:
        """key -> array of these groups, from whichever files hold them."""
        wanted: dict[int, set[str]] = {}
        for group in groups:
            wanted.setdefault(manifest.groups[group].file, set()).add(group)
        found: dict[str, Array] = {}
        for serial, names in sorted(wanted.items()):
            stored = tensors(self._read(serial, manifest.files[serial]), self._file(serial))
            found |= {key: array for key, array in stored.items() if json.loads(key)[0] in names}
        return found

    def _read(self, serial: int, expected: File) -> bytes:
        path = self._file(serial)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise unreadable(error, path) from error
        if File(len(content), zlib.crc32(content)) != expected:
            raise damaged(path)
        return content

    def _map(self, serial: int, expected: File, trusted: bool) -> MappedTensors:
        path = self._file(serial)
        try:
            found = MappedTensors(path)
        except OSError as error:
            raise unreadable(error, path) from error
        if found.size != expected.size or not (trusted or found.crc32() == expected.crc32):
            raise damaged(path)
        return found

    def _remove(self, serials: Iterable[int]) -> None:
        # The save is complete; a file that cannot be removed now is removed at the next opening.
        for serial in serials:
            with contextlib.suppress(OSError):
                self._file(serial).unlink()


def _key(group: str, name: str) -> str:
    """A group's array as a name inside the file; JSON, because any character may occur in either."""
    return json.dumps([group, name], ensure_ascii=False)


def _worth_moving(files: Mapping[int, File], kept: Mapping[str, Group]) -> list[str]:
    """Groups to write again so that the folder stays below about twice the size of what it holds.

    Where few departments take part in a round, a file lives on for the one group in it that has not changed
    since. Once more than half of all bytes are such remains, the files with the largest share of them are
    given up.
    """
    live: dict[int, int] = {}
    for group in kept.values():
        live[group.file] = live.get(group.file, 0) + group.size
    stored = sum(files[serial].size for serial in live)
    needed = sum(live.values())
    given_up: set[int] = set()
    for serial in sorted(live, key=lambda s: live[s] / files[s].size):
        if stored <= 2 * needed + _HEADERS:
            break
        given_up.add(serial)
        stored += live[serial] - files[serial].size
    return [name for name, group in kept.items() if group.file in given_up]


_HEADERS = 1 << 20
"""Bytes that do not count as remains: headers of small files, which moving would not save."""
