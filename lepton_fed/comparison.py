"""What a finished simulation is compared with: each department alone, all rows pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lepton_fed import baselines
from lepton_fed.result import Compared
from lepton_fed.simulated_run import Run

if TYPE_CHECKING:
    pass


def compare(run: Run) -> list[Compared]:
    """Each department's test metrics: alone, federated, pooled."""
    with run.timed("baselines"):
        alone, pooled = _alone(run), _pooled(run)
    federated = {
        (m.department, m.metric): m.value for m in run.history if m.part == "test" and m.round == run.state.round
    }
    return [
        Compared(
            name,
            metric,
            alone.get(name, {}).get(metric),
            federated.get((name, metric)),
            pooled.get(name, {}).get(metric),
            len(own.prepared.test),
        )
        for name, own in run.owns.items()
        if own.prepared is not None and len(own.prepared.test)
        for metric in run.federation.settings.report.metrics
    ]


def _alone(run: Run) -> dict[str, dict[str, float]]:
    settings, found = run.federation.settings, {}
    if "alone" not in settings.report.baselines:
        return {}
    for name, own in run.owns.items():
        if own.prepared is not None and len(own.prepared.test):
            run.progress.phase(f"training {name} alone, to compare")
            bench = run.departments[name].bench
            bench.model.vector.copy_(baselines.alone(settings, bench, name, own.prepared))
            found[name] = baselines.score(settings, bench, own.prepared.test)
    return found


def _pooled(run: Run) -> dict[str, dict[str, float]]:
    settings = run.federation.settings
    rows = {n: o.prepared for n, o in run.owns.items() if o.prepared is not None}
    if "pooled" not in settings.report.baselines or settings.coupling.kind == "distill" or not rows:
        return {}
    run.progress.phase("training on all rows pooled, to compare")
    bench = run.departments[next(iter(rows))].bench
    vector, tests = baselines.pooled(settings, bench, rows)
    bench.model.vector.copy_(vector)
    return {name: baselines.score(settings, bench, part) for name, part in tests.items()}
