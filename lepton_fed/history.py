"""What was measured, in long form: one record per round, department, part and metric."""

from __future__ import annotations

from dataclasses import dataclass

FEDERATION = ""
"""The department of a measurement that belongs to the federation as a whole."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number. `round` counts from 1; 0 is before any training. `part`: train, validation, test or federation."""

    round: int
    department: str
    part: str
    metric: str
    value: float
