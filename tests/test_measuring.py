"""What is measured enters the federation's totals as it should."""

from __future__ import annotations

import math

from lepton_fed.measuring import totals


def test_totals_leave_out_what_does_not_exist() -> None:
    own = {"test/auc": math.nan, "test/loss": 0.5, "validation/loss": 9.0}
    assert totals(own, 8) == {"sum of loss": 4.0, "weight of loss": 8.0}
