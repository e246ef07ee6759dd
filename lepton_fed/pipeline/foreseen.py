"""What a declared pipeline will have measured, and where: questions that can be put to departments ahead of a run."""

from __future__ import annotations

from collections.abc import Iterator

from lepton_fed.config import Federation
from lepton_fed.pipeline.auto import AutoPipeline
from lepton_fed.pipeline.built_in import Iterate
from lepton_fed.pipeline.permission import measured
from lepton_fed.preflight import Planned


def measurements(federation: Federation) -> Iterator[Planned]:
    """Each model that a step of [[pipeline]] has measured on a department's rows; nothing without such a table."""
    if not federation.settings.pipeline:
        return
    pipeline = AutoPipeline.of(federation)
    plan = pipeline.plan()
    for step in plan.steps:
        if step.kind == "validate":
            for group in measured(step, plan, pipeline.graph):
                yield from (Planned(step.name, who, step.department) for who in dict.fromkeys(a.who for a in group))
        elif isinstance(step.work, Iterate) and step.work.gate is not None:
            yield from (Planned(step.name, step.department, at) for at in pipeline.built_in.gate_at(step.work.gate))
