"""A log as a file that people can read and a program can verify: JSON lines, with one spelling.

    {"format": "lepton-audit/1", "log": "制造", "entries": 2, "heads": 1}
    {"entry": 0, "kind": "audit-run-begun/1", "says": {"time": ..., "run": ..., ...}, "nodes": ["6e34...", ...]}
    {"entry": 1, ...}
    {"head": 0, "size": 2, "root": "fac5...", "time": ..., "previous": "00...", "signature": ..., ...}

Digests are hex digits, commitments are their digests; texts behind them are not in the file. An entry is built again
from its line before it is hashed, so what a person reads is what is verified; and a file that is not byte for byte what
this program writes for what it says is told.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import cache
from itertools import zip_longest
from pathlib import Path

from lepton_fed.audit.commitments import FORMAT, Commitment
from lepton_fed.audit.entries import KINDS, Entry
from lepton_fed.audit.heads import CounterSignature, Head, SignedHead
from lepton_fed.audit.record import Record, Sealed, Written
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.roster import check_name
from lepton_fed.storage.atomic import unreadable, write_atomically
from lepton_fed.translation import sentence

_CLASSES = {kind.KIND: kind for kind in KINDS}

_UNFIT = (KeyError, TypeError, ValueError, AttributeError, Malformed)
"""What a line raises whose parts are not what they should be."""


def export_log(written: Written, path: Path) -> None:
    """Write the log to a file, whole or not at all. Malformed: an entry cannot be read; verify the database instead."""
    write_atomically(Path(path), (line.encode() + b"\n" for line in _lines(written)))


def read_export(path: Path) -> Written:
    """The log in a file; what is wrong with it is among its faults. StorageError: it cannot be read, or is no log."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise unreadable(error, path) from error
    log, said = _header(lines[0], path)
    found = _read(log, lines[1:])
    faults = [*found.faults, *_miscounted(found, said)]
    if not faults and not any(record.flaw for record in found.records):
        faults += _misspelt(found, lines)
    return Written(log, found.records, found.heads, tuple(faults))


def _header(line: bytes, path: Path) -> tuple[str, tuple[object, object]]:
    """The log's name, and how many entries and heads the file says it has."""
    try:
        said = json.loads(line)
        if said["format"] != FORMAT:
            raise StorageError(f"{path} has format {str(said['format'])[:40]!r}, and this program reads {FORMAT!r}")
        check_name(said["log"])
        return said["log"], (said["entries"], said["heads"])
    except (*_UNFIT, RecursionError):
        raise StorageError(f"{path} is no export of a log; write one with export_log") from None


def _read(log: str, lines: list[bytes]) -> Written:
    records, heads, faults = list[Record](), list[Sealed](), list[str]()
    if lines and not lines[-1]:
        lines = lines[:-1]
    for number, line in enumerate(lines, start=2):
        try:
            match json.loads(line):
                case {"entry": int(index)} as said if not heads:
                    records.append(_record(index, said))
                case {"head": int(place)} as said:
                    heads.append(_head(log, place, said))
                case _:
                    faults.append(
                        sentence("line {line} was edited or moved: no entry or head belongs there", line=number)
                    )
        except (*_UNFIT, RecursionError):
            faults.append(sentence("line {line} was edited: it cannot be read any more", line=number))
    return Written(log, tuple(records), tuple(heads), tuple(faults))


def _miscounted(found: Written, said: tuple[object, object]) -> Iterator[str]:
    entries, heads = (str(one)[:40] for one in said)
    if said[0] != len(found.records):
        yield sentence(
            "the first line says {entries} entries and {there} are here: lines were dropped or added",
            entries=entries,
            there=len(found.records),
        )
    if said[1] != len(found.heads):
        yield sentence(
            "the first line says {heads} heads and {there} are here: lines were dropped or added",
            heads=heads,
            there=len(found.heads),
        )


def _misspelt(found: Written, lines: list[bytes]) -> Iterator[str]:
    """A sentence about the first line that this program would have written otherwise."""
    wanted = [*(line.encode() for line in _lines(found)), b""]
    for number, (here, there) in enumerate(zip_longest(lines, wanted), start=1):
        if here != there:
            yield sentence("line {line} was edited: it is not spelt as lepton-fed writes what it says", line=number)
            return


def _lines(written: Written) -> Iterator[str]:
    header = {"format": FORMAT, "log": written.log, "entries": len(written.records), "heads": len(written.heads)}
    yield _dumped(header)
    for record in written.records:
        yield _dumped(_record_line(record))
    for sealed in written.heads:
        yield _dumped(_head_line(sealed))


def _dumped(line: dict[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False)


def _record_line(record: Record) -> dict[str, object]:
    entry = Entry.read(record.body)
    says = {one.name: _plain(getattr(entry, one.name)) for one in fields(entry)}
    return {"entry": record.index, "kind": entry.KIND, "says": says, "nodes": [node.hex() for node in record.nodes]}


def _record(index: int, said: dict[str, typing.Any]) -> Record:
    nodes = tuple(bytes.fromhex(node) for node in said["nodes"])
    try:
        body = _entry(said["kind"], said["says"]).body
    except Malformed as error:
        return Record(index, b"", nodes, str(error))
    except (*_UNFIT, OverflowError):
        return Record(index, b"", nodes, sentence("its fields are not those of its kind"))
    return Record(index, body, nodes)


def _entry(kind: str, says: dict[str, object]) -> Entry:
    shapes = _shapes(kind)
    if says.keys() != shapes.keys():
        raise Malformed(f"a {_CLASSES[kind].TITLE} has the fields {', '.join(shapes)}")
    values: dict[str, typing.Any] = {name: shape(says[name]) for name, shape in shapes.items()}
    return _CLASSES[kind](**values)


def _head_line(sealed: Sealed) -> dict[str, object]:
    head = sealed.signed.head
    return {
        "head": sealed.number,
        "size": head.size,
        "root": head.root.hex(),
        "time": head.time,
        "previous": head.previous.hex(),
        "signature": sealed.signed.signature.hex(),
        "countersignatures": [[one.department, one.signature.hex()] for one in sealed.countersignatures],
    }


def _head(log: str, number: int, said: dict[str, typing.Any]) -> Sealed:
    root, previous = bytes.fromhex(said["root"]), bytes.fromhex(said["previous"])
    signed = SignedHead(Head(log, said["size"], root, said["time"], previous), bytes.fromhex(said["signature"]))
    signatures = (CounterSignature(name, bytes.fromhex(one)) for name, one in said["countersignatures"])
    return Sealed(number, signed, tuple(signatures))


def _plain(value: object) -> object:
    """A field's value as JSON has it."""
    match value:
        case bytes():
            return value.hex()
        case Commitment():
            return value.digest.hex()
        case tuple():
            return [_plain(one) for one in value]
    return value


Shape = Callable[[typing.Any], object]
"""Makes a field's value of what JSON has for it."""


@cache
def _shapes(kind: str) -> dict[str, Shape]:
    """By field, in order; KeyError for a kind that there is not."""
    hints = typing.get_type_hints(_CLASSES[kind])
    return {one.name: _shape(hints[one.name]) for one in fields(_CLASSES[kind])}


def _shape(hint: object) -> Shape:
    """What the type of a field cannot be is left as it is: the entry's own checks refuse it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        inner = _shape(arguments[0])
        return lambda value: None if value is None else inner(value)
    if origin is tuple and arguments[1] is Ellipsis:
        each = _shape(arguments[0])
        return lambda value: tuple(map(each, _listed(value)))
    if origin is tuple:
        shapes = [_shape(one) for one in arguments]
        return lambda value: tuple(shape(one) for shape, one in zip(shapes, _listed(value), strict=True))
    if hint is bytes:
        return bytes.fromhex
    if hint is Commitment:
        return lambda value: Commitment(bytes.fromhex(value))
    return lambda value: value


def _listed(value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise Malformed("a list was expected")
    return value
