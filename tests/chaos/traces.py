"""Looks for secrets in every byte that a federation left behind: files, databases, command lines.

    found(folder, secrets_of(parties))      "kits/coordinator/state/log.jsonl: the control token (hex)"

A secret is looked for raw, in hex, and in base64 at each of its three alignments.
"""

from __future__ import annotations

import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from tests.chaos.federation import NAMES, Parties, rows


@dataclass(frozen=True)
class Secret:
    """`home`: the one file that may hold it."""

    what: str
    value: bytes
    home: Path | None = None


def secrets_of(parties: Parties) -> list[Secret]:
    """Keys, token and rows of everybody."""
    kit = parties.coordinator_kit()
    found = [
        Secret("the coordinator's identity", kit.identity.seed, kit.folder / "identity.key"),
        Secret("the control token", kit.token.encode(), kit.folder / "control.token"),
        Secret("the server's key", _scalar(load_pem_private_key(kit.key.read_bytes(), None)), kit.key),
    ]
    for k, name in enumerate(NAMES):
        own = parties.department_kit(name)
        keys, folder = own.keys, own.folder
        found += [
            Secret(f"the identity of {name}", keys.identity.seed, folder / "identity.key"),
            Secret(f"the node's key of {name}", _scalar(load_ssh_private_key(keys.node, None)), folder / "node.key"),
            Secret(f"the rounding key of {name}", keys.rounding, folder / "rounding.key"),
            *_rows_of(k, name),
        ]
    return found


def confessed(path: Path) -> list[Secret]:
    """What departments' processes told of themselves."""
    lines = dict.fromkeys(path.read_text(encoding="ascii").splitlines())
    return [Secret(f"what {path.stem} used ({line[:8]}…)", bytes.fromhex(line)) for line in lines]


def _scalar(key: object) -> bytes:
    """The secret number of a key on an elliptic curve."""
    number = key.private_numbers().private_value  # type: ignore[attr-defined]
    return bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _rows_of(department: int, name: str) -> Iterator[Secret]:
    table = rows(department)
    for place, row in enumerate(table):
        what = f"row {place} of {name}"
        yield Secret(what, row.astype(np.float64).tobytes())
        yield Secret(what, row.astype(np.float32).tobytes())
        for value in row.tolist():
            yield Secret(what, f"{abs(value):.10f}"[:11].encode())


def spellings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """How a secret may be written; in base64 what does not depend on the bytes beside it."""
    yield "raw", secret
    yield "hex", secret.hex().encode()
    yield "hex", secret.hex().upper().encode()
    for before in range(3):
        padded = bytes(before) + secret
        whole = padded[: len(padded) - len(padded) % 3]
        for encode in (b64encode, urlsafe_b64encode):
            yield "base64", encode(whole)[4 * (before > 0) :]


def found(folder: Path, secrets: Iterable[Secret]) -> list[str]:
    """Where a secret is that should not be there, as sentences; a secret's own file must be for its owner alone."""
    contents = dict(_contents(folder))
    said = []
    for secret in secrets:
        wanted = list(dict.fromkeys(spellings(secret.value)))
        for path, content in contents.items():
            hits = [how for how, spelling in wanted if spelling in content]
            if hits and path != secret.home:
                said.append(f"{path.relative_to(folder)}: {secret.what} ({hits[0]})")
        if secret.home is not None and secret.home.stat().st_mode & 0o077:
            said.append(f"{secret.home.relative_to(folder)}: others may read it")
    return said


def _contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file's bytes; a database's also as text, where a value that lies across two pages is whole."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".sqlite":
            content += b"\n" + _dump(path)
        yield path, content


def _dump(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump()).encode(errors="replace")
    finally:
        connection.close()


def command_lines(numbers: Iterable[int]) -> Mapping[int, bytes]:
    """What everybody on a machine may read of these processes."""
    lines = {}
    for number in numbers:
        path = Path("/proc") / str(number) / "cmdline"
        if path.exists():
            lines[number] = path.read_bytes()
    return lines
