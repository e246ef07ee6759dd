"""One thread a test process, so that suites run side by side and sums have one order; no test fails for its time."""

from __future__ import annotations

import gc

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# How long an example takes says how busy the machine is. Timings are measured in benchmarks/.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100)
# Mistakes show within a few examples or, in every other run, within thousands. `make test-all` asks thoroughly.
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=25)
settings.load_profile("quick")

# What is imported and collected stays until the end: looking through it for garbage takes a quarter of collecting.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
