"""The coordinator of a secure round holds an accumulator and the vector in flight, not everybody's."""

from __future__ import annotations

import tracemalloc
import weakref

import pytest

from lepton_fed.messages import Message, Reply, Summed
from lepton_fed.secagg.messages import MaskedInput
from lepton_fed.settings import ModelSettings
from tests.secure.builder import FIVE, Federation, federation, secure

MANY = (*FIVE, "急诊", "眼科", "检验")


def listening(ours: Federation) -> list[int]:
    """From now on, how many masked inputs are alive whenever a department is asked anything."""
    alive: list[weakref.ref[MaskedInput]] = []
    counts: list[int] = []

    def before(name: str, message: Message) -> None:
        counts.append(sum(one() is not None for one in alive))

    for department in ours.departments.values():
        department.handle = _noting(department.handle, alive)  # type: ignore[method-assign]
    ours.transport.keep, ours.transport.before = False, before
    return counts


def _noting(original, alive):  # type: ignore[no-untyped-def]
    def handle(message: Message) -> Reply:
        reply: Reply = original(message)
        if isinstance(reply, Summed) and isinstance(reply.reply, MaskedInput):
            alive.append(weakref.ref(reply.reply))
        return reply

    return handle


@pytest.mark.parametrize("names", [FIVE, MANY], ids=len)
def test_each_masked_vector_is_let_go_before_the_next_is_made(names: tuple[str, ...]) -> None:
    ours = federation(secure(names))
    counts = listening(ours)
    ours.play(2).close()
    assert len(counts) > 3 * 4 * len(names)
    assert max(counts) == 0


def test_the_same_test_notices_a_transport_that_holds_them() -> None:
    ours = federation(secure(FIVE))
    counts = listening(ours)
    ours.transport.keep = True
    ours.play()
    assert max(counts) == len(FIVE)


@pytest.mark.parametrize("names", [FIVE[:4], MANY], ids=len)
def test_the_peak_does_not_grow_with_the_departments(names: tuple[str, ...]) -> None:
    """Departments' own vectors are theirs (they live elsewhere), so only what is made beside them counts.

    They are so long that the objects of Python around them, which are many or few, are lost beside them.
    """
    ours = federation(secure(names, model=ModelSettings(name="mlp", arguments={"hidden": [240_000]})))
    ours.transport.keep = False
    ours.play()  # Memory that departments keep for their masked vectors is there from now on.
    tracemalloc.start()
    ours.play()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The accumulator, which becomes the mean, and the new model.
    assert peak < 2.2 * 4 * ours.departments["内科"].sizes.added
