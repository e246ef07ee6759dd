"""Sizes of what a department is shown and of what it adds; what does not fit them is not worked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from lepton_fed.messages import HubState, Vector
from lepton_fed.parameters import FlatModel
from lepton_fed.settings import Settings


@dataclass(frozen=True)
class Sizes:
    """In entries."""

    model: int
    """Of a hub's model; 0 under `distill`, where it is not of parameters."""
    predictions: int
    """Of a hub's model under `distill`; one output stands for two classes."""
    parameters: int
    """Of control variates."""
    added: int
    """Of what a department adds to a hub's sum."""

    @classmethod
    def of(cls, settings: Settings, model: FlatModel, common: int) -> Self:
        """`common`: how many rows everybody has under `distill`."""
        parameters = model.pulled.numel()
        size = 0 if settings.coupling.kind == "distill" else model.layout.shared_size
        predictions = common * max(2, settings.data.outputs)
        controls = parameters if settings.training.correction == "scaffold" else 0
        return cls(size, predictions, parameters, (size or predictions) + controls)

    def fit(self, hub: HubState, *, reported: bool) -> bool:
        """Whether what was received can be worked with; a release matters only where a report is due."""
        if not self.model and not hub.model.size and hub.release is None:
            return True  # Under `distill` nobody has predicted yet.
        size = self.model or self.predictions
        fits = _sound(hub.model, size) and (hub.control is None or _sound(hub.control, self.parameters))
        if not fits or hub.release is None or not reported:
            return fits
        release = hub.release
        return _sound(release.mean, size) and bool(np.isfinite(release.mass) and np.isfinite(release.spread))


def _sound(vector: Vector, size: int) -> bool:
    """Whether it is a finite float32 vector of this size."""
    # The squared norm is finite only if every entry is (or the model is absurd): one pass, no temporary.
    return vector.shape == (size,) and vector.dtype == np.float32 and bool(np.isfinite(vector @ vector))
