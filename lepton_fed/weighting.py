"""α and β: how much each source counts in an anchor, and how strongly each target is pulled.

A department's *raw* weight w_i is its own number of examples (brought into a public band, where the file has
one), 1, or a number of the file; the anchor of a hub is Σ w_i θ_i / Σ w_i, so α_i = w_i / Σ w_i over the sources
that answered and Σ α_i = 1 whatever the counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from lepton_fed.settings import Weights


def raw_weight(weights: Weights, department: str, examples: int) -> float:
    """w_i of a source; `examples` is its own secret count of training rows."""
    if weights.alpha == "examples":
        low, high = weights.counts if weights.counts is not None else (0.0, float("inf"))
        return min(max(float(examples), low), high)
    if weights.alpha == "uniform":
        return 1.0
    return weights.alpha.get(department, 0.0)


def beta(weights: Weights, department: str) -> float:
    """β_j of a target."""
    if isinstance(weights.beta, dict):
        return weights.beta.get(department, 1.0)
    return weights.beta


def alphas(weights: Weights, sources: Sequence[str]) -> dict[str, float] | None:
    """α over these sources where the file decides it; None where secret example counts do."""
    if weights.alpha == "examples":
        return None
    raw = {name: raw_weight(weights, name, 0) for name in sources}
    total = sum(raw.values())
    return {name: w / total for name, w in raw.items()}
