"""Tests of memory that is given back: cycles are found often, and what lasts is not looked at again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from lepton_fed.flower import heap
from lepton_fed.flower.heap import Sweeper, give_large_blocks_back


class Knot:
    """In a cycle with itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def unfrozen() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    gc.freeze()  # As for all tests: tests/conftest.py.


@pytest.mark.usefixtures("unfrozen")
def test_cycles_are_freed_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("lepton_fed.flower.heap.time.monotonic", lambda: clock[0])
    sweeper, knot = Sweeper(), ref(Knot())
    sweeper.sweep()
    assert knot() is not None
    clock[0] += heap.INTERVAL
    sweeper.sweep()
    assert knot() is None
    assert gc.get_freeze_count()


def test_asking_for_large_blocks_back_is_possible_again_and_again() -> None:
    give_large_blocks_back()
    give_large_blocks_back()
    assert len(bytes(4 * heap.LARGE)) == 4 * heap.LARGE
