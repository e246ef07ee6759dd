"""Every way to edit one field of an entry or a head such that what comes out could still be true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from lepton_fed.audit import Commitment
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed

Value = TypeVar("Value", bound=Wire)


def edits(value: Value) -> Iterator[tuple[str, Value]]:
    """By field: the same with another value of it. A field that nothing fits into fails the test."""
    for one in fields(value):  # type: ignore[arg-type]
        found = list(_fitting(value, one.name))
        assert found, f"{type(value).__name__}.{one.name} is not edited by any test"
        yield from ((one.name, edited) for edited in found)


def _fitting(value: Value, name: str) -> Iterator[Value]:
    before = getattr(value, name)
    for other in others(before):
        if other == before:
            continue
        try:
            edited: Value = replace(value, **{name: other})  # type: ignore[type-var]
        except Malformed:
            continue
        yield edited


def others(value: Any) -> Iterator[Any]:
    """Other values of the same type."""
    match value:
        case None:
            # What may be missing is a commitment.
            yield Commitment(bytes(32))
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1)
        case float():
            yield value * 2
        case str():
            # Words of the fields that have a few only.
            yield from (value + "x", value[:-1], "failed", "stopped", "retract", "refused")
        case bytes():
            yield from (bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 128]))
        case Commitment():
            yield from (Commitment(bytes(32)), None)
        case tuple():
            # An empty list of rules may get one; other lists are not empty here.
            yield from (value[1:], value[:-1], (*value, "x"))
            for k, item in enumerate(value):
                yield from ((*value[:k], other, *value[k + 1 :]) for other in others(item))
