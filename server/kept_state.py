"""The state between two rounds: on the disk, in a checkpoint whose file its large arrays are read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lepton_fed import saved_state
from lepton_fed.coordinator import State
from lepton_fed.flower.heap import Sweeper
from lepton_fed.record import Recorder
from lepton_fed.storage.checkpoint import Saved
from lepton_fed.storage.tensors import MappedTensors


@dataclass(eq=False)
class KeptState:
    """Of one run."""

    recorder: Recorder
    _files: tuple[MappedTensors, ...] = field(default=(), init=False)
    """Of the last checkpoint, where the state's large arrays are; none where they are small."""
    _sweeper: Sweeper | None = field(default=None, init=False)

    def found(self) -> Saved | None:
        """What an earlier process kept; None before the first round."""
        found = self.recorder.mapped()
        if found is None:
            return None
        saved, self._files = found
        return saved

    def kept(self, state: State, meta: dict[str, Any]) -> State:
        """The state after its checkpoint, in whose file its large arrays are from then on."""
        self.recorder.checkpoint.save(state.round, saved_state.meta(state) | meta, saved_state.groups(state, {}, ()))
        if saved_state.largest(state) < saved_state.LARGE:
            return state
        found = self.recorder.checkpoint.mapped()
        assert found is not None
        saved, self._files = found
        return saved_state.placed(state, saved.groups, saved_state.LARGE)

    def give_back(self) -> None:
        """Lets memory go that only reading the large arrays has taken."""
        if self._files:
            self._sweeper = self._sweeper or Sweeper()
            self._sweeper.sweep()
        for file in self._files:
            file.give_back()
