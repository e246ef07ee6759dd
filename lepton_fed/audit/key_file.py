"""The public keys by which a log is checked, as a file that an auditor is given: JSON, no secrets.

    {"format": "lepton-audit-keys/1", "log": "制造", "coordinator": ["9f..."], "departments": {"研发部门": ["03..."]}}

Every key that a party has ever had is in it, the newest last, each of 32 bytes in hexadecimal. Get it by another way
than the log: whoever can change both can make a log of his own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lepton_fed.audit.heads import Keys
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.roster import check_name
from lepton_fed.storage.atomic import unreadable, write_atomically
from lepton_fed.translation import sentence

FORMAT = "lepton-audit-keys/1"


def write_keys(keys: Keys, path: Path) -> None:
    """Write the file, whole or not at all."""
    said = {
        "format": FORMAT,
        "log": keys.log,
        "coordinator": [one.hex() for one in keys.coordinator],
        "departments": {name: [one.hex() for one in keys.departments[name]] for name in sorted(keys.departments)},
    }
    write_atomically(Path(path), json.dumps(said, ensure_ascii=False, indent=2) + "\n")


def read_keys(path: Path) -> Keys:
    """The keys in a file; ConfigError, one sentence, if it is none."""
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(error, path) from error
    except (ValueError, RecursionError):
        raise ConfigError(
            sentence("{path} is no file of keys; make one with lepton-fed audit keys", path=path)
        ) from None
    try:
        return _read(said)
    except (KeyError, TypeError, ValueError, AttributeError, Malformed):
        raise ConfigError(
            sentence("{path} is no file of keys; make one with lepton-fed audit keys", path=path)
        ) from None


def together(*some: Keys) -> Keys:
    """All keys of one log, the later ones as the newer; ConfigError if they are of several logs."""
    logs = {one.log for one in some}
    if len(logs) > 1:
        raise ConfigError(f"these are keys of several logs ({', '.join(sorted(logs))}); keep one file for each")
    names = sorted({name for one in some for name in one.departments})
    departments = {name: _united(one.departments.get(name, ()) for one in some) for name in names}
    return Keys(logs.pop(), _united(one.coordinator for one in some), departments)


def _united(lists: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(key for keys in lists for key in keys))


def _read(said: dict[str, Any]) -> Keys:
    if said["format"] != FORMAT:
        raise ValueError("another format")
    check_name(said["log"])
    for name in said["departments"]:
        check_name(name)
    departments = {name: _keys(some) for name, some in said["departments"].items()}
    return Keys(said["log"], _keys(said["coordinator"]), departments)


def _keys(listed: list[str]) -> tuple[bytes, ...]:
    found = tuple(bytes.fromhex(one) for one in listed)
    if not found or any(len(one) != 32 for one in found):
        raise ValueError("a key has 32 bytes")
    return found
