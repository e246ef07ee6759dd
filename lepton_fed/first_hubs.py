"""Hubs before any round: what everybody builds from the seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lepton_fed.cohorts import HubPlan
from lepton_fed.hub import Hub
from lepton_fed.messages import HubState, Vector
from lepton_fed.parameters import FlatModel, Layout
from lepton_fed.settings import Settings


def first_hub(settings: Settings, model: FlatModel) -> Hub:
    """A hub before any round: the model that everybody builds from the seed; under `distill` nobody has predicted."""
    if settings.coupling.kind == "distill":
        return Hub(HubState(np.zeros(0, np.float32)))
    initial = model.initial[: model.layout.shared_size]
    return hub_of(initial.to("cpu", torch.float32, copy=True), model.layout)


def hub_of(initial: Tensor, layout: Layout) -> Hub:
    """A hub whose model begins as this (float32, on the CPU), of which it takes the memory."""
    return Hub(HubState(initial.numpy()), buffers=layout.trained.start)


def reference(settings: Settings, plans: tuple[HubPlan, ...], first: Hub) -> Vector | None:
    """What updates in secure sums are relative to where several hubs share one vector a department: the first
    hub's initial model, which everybody builds from the seed. None where there is one hub.
    """
    return first.state.model if len(plans) > 1 and settings.coupling.kind != "distill" else None
