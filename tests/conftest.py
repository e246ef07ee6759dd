"""One thread a test process, so that suites run side by side and sums have one order; no test fails for its time."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# How long an example takes says how busy the machine is. Timings are measured in benchmarks/.
settings.register_profile("lepton-fed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lepton-fed")
