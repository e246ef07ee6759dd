"""One thread a test process, so that suites run side by side and sums have one order."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
