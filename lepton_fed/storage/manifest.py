"""Which file holds which group of a checkpoint, as one JSON file that vouches for itself and for them.

{"format": 1, "serial": 12, "round": 7, "meta": {...}, "files": {"12": {...}},
 "groups": {"研发部门": {...}}, "sha256": of all of the above}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, Union

from lepton_fed.errors import StorageError

FORMAT = 1
"""Raised whenever an older program could not read what is written."""

JSON: TypeAlias = Union[bool, int, float, str, "list[JSON]", "dict[str, JSON]", None]


@dataclass(frozen=True, slots=True)
class File:
    """Size in bytes and CRC-32 of one safetensors file."""

    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Group:
    """The serial number of the file that holds a group, and how many bytes its arrays take there."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One completed save. `serial` counts saves; `files` are by serial, those that `groups` refer to."""

    serial: int = 0
    round: int = 0
    meta: Mapping[str, JSON] = field(default_factory=dict)
    files: Mapping[int, File] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)

    def to_text(self) -> str:
        """JSON with its own digest; TypeError if `meta` holds anything else."""
        body = {
            "format": FORMAT,
            "serial": self.serial,
            "round": self.round,
            "meta": self.meta,
            "files": {str(serial): asdict(file) for serial, file in self.files.items()},
            "groups": {name: asdict(group) for name, group in self.groups.items()},
        }
        return _dump({**body, "sha256": _digest(body)})


def read_manifest(text: str, path: Path) -> Manifest:
    """The manifest of that text; StorageError names `path` if it was damaged or is a newer program's."""
    try:
        body = json.loads(text)
        written = body["format"]
        if isinstance(written, int) and written > FORMAT:
            raise StorageError(
                f"{path} has checkpoint format {written} and this program reads up to {FORMAT}; use a newer lepton-fed"
            )
        if body.pop("sha256") != _digest(body):
            raise damaged(path)
        return _manifest(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> StorageError:
    """The sentence for a file that does not match its checksum."""
    return StorageError(
        f"{path} is damaged: it is not what was written there; restore the folder from a copy or begin anew"
    )


def _manifest(body: dict[str, Any]) -> Manifest:
    # The digest has been checked, so this is what `to_text` wrote.
    return Manifest(
        body["serial"],
        body["round"],
        body["meta"],
        {int(serial): File(**file) for serial, file in body["files"].items()},
        {name: Group(**group) for name, group in body["groups"].items()},
    )


def _dump(value: object) -> str:
    # Keys keep their order, because the caller's `meta` comes back with it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _digest(body: object) -> str:
    return hashlib.sha256(_dump(body).encode()).hexdigest()
