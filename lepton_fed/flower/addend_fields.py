"""A department's addends as fields of a record; long ones are read when their turn has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from weakref import WeakValueDictionary

import numpy as np

from lepton_fed.compression import Packed, unpack
from lepton_fed.errors import PeerError
from lepton_fed.flower.fields import Fields, Later, Reader, raw, write_table
from lepton_fed.messages import Addend, Done


def write_done(done: Done) -> Fields:
    addends = list(done.addends.values())
    return {
        "addends": list(done.addends),
        "vectors": [a.packed.code if a.packed is not None else raw(a.vector) for a in addends],
        "packed as": [a.packed.kind if a.packed is not None else "float32" for a in addends],
        "weights": [float(a.weight) for a in addends],
        "spreads": [float(a.spread) for a in addends],
        **write_table("scores", done.scores),
        **write_table("disclosed", done.disclosed),
        **write_table("seconds", done.seconds),
    }


def read_done(reader: Reader) -> Done:
    packed, weights, spreads = reader.packed("vectors"), reader.numbers("weights"), reader.numbers("spreads")
    names = reader.names("addends", packed, weights, spreads)
    made = {
        name: partial(_read_addend, packed[k], weights[k], spreads[k], reader.complaint) for k, name in enumerate(names)
    }
    addends: Mapping[str, Addend] = MadeLater(made)
    if not any(isinstance(one, Later) for one in packed):
        addends = dict(addends)
    return Done(addends, reader.table("scores"), reader.table("disclosed"), reader.table("seconds"))


class MadeLater(Mapping[str, Addend]):
    """Addends that are read when somebody asks for them, so that a long one costs nothing until its turn to be added.

    Asking raises PeerError for one that is not as it should be. It lasts as long as whoever asked holds it, and cannot
    be had again after that.
    """

    def __init__(self, made: Mapping[str, Callable[[], Addend]]) -> None:
        self._made = made
        self._known: WeakValueDictionary[str, Addend] = WeakValueDictionary()

    def __getitem__(self, name: str) -> Addend:
        addend = self._known.get(name)
        if addend is None:
            self._known[name] = addend = self._made[name]()
        return addend

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _read_addend(packed: Packed | Later, weight: float, spread: float, complaint: Callable[[str], PeerError]) -> Addend:
    if isinstance(packed, Later):
        packed = Packed(packed.kind, packed.code.joined())
    try:
        vector = unpack(packed)
    except ValueError as error:
        raise complaint(f"its update {error}") from None
    addend = Addend(vector, weight, spread, packed if packed.kind != "float32" else None)
    _check_addend(addend, complaint)
    return addend


def _check_addend(addend: Addend, complaint: Callable[[str], PeerError]) -> None:
    """One number that is not finite would spoil the sum of everybody."""
    # The squared norm is finite only if every entry is (or the vector is absurd): one pass, no temporary.
    if not np.isfinite((float(addend.vector @ addend.vector), addend.weight, addend.spread)).all():
        raise complaint("its update is not finite")
    if addend.weight < 0:
        raise complaint("its update has a negative weight")
