"""[[pipeline]] of a federation file as steps: one at each department of an entry, after all of the entry before."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lepton_fed.config.pipeline_steps import departments_of, work_of
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline.step import Kind, Retries, Step
from lepton_fed.settings import PipelineStep, Settings

if TYPE_CHECKING:
    from lepton_fed.pipeline.auto import AutoPipeline


def add_declared(pipeline: AutoPipeline, settings: Settings) -> None:
    """Adds what the file declares; ConfigError if it declares nothing."""
    if not settings.pipeline:
        raise ConfigError("the federation file declares no pipeline; [[pipeline]] adds a step (docs/pipelines.md)")
    before: tuple[str, ...] = ()
    for entry in settings.pipeline:
        after = entry.after or (() if entry.needs or entry.makes else before)
        made = [_step(pipeline, entry, name, after) for name in departments_of(entry, settings)]
        before = tuple(pipeline.append(step).name for step in made)


def _step(pipeline: AutoPipeline, entry: PipelineStep, department: str, after: tuple[str, ...]) -> Step:
    kind = cast(Kind, work_of(entry))
    common = {
        "needs": entry.needs,
        "makes": entry.makes,
        "after": after,
        "approve": entry.approve,
        "retries": Retries(times=entry.retries),
        "timeout": entry.timeout,
    }
    if kind == "manual":
        return Step(department=department, description=entry.step, **common)  # type: ignore[arg-type]
    return pipeline.built_in.step(
        kind,
        department,
        entry.step,
        rounds=entry.rounds,
        budget=entry.budget,
        gate=entry.gate,
        to=entry.to,
        **common,
    )
