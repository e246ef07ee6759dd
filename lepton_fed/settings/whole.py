"""A whole federation file."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

from lepton_fed.settings.accounts import Audit, Report
from lepton_fed.settings.basis import Strict, require
from lepton_fed.settings.data import DataContract, KnowledgeJoin
from lepton_fed.settings.parties import DepartmentSettings, Dependency, Flow, Grant, Identity, ModelSettings
from lepton_fed.settings.pipeline import PipelineStep
from lepton_fed.settings.releases import Aggregation, StatisticsSettings
from lepton_fed.settings.training import Coupling, Rounds, ServerOptimiser, Training, Weights
from lepton_fed.translation import sentence


@dataclass(frozen=True, kw_only=True)
class Settings(Strict):
    """A whole federation file."""

    federation: Identity
    departments: tuple[DepartmentSettings, ...]
    data: DataContract
    model: ModelSettings
    graph: tuple[Dependency, ...] = ()
    sharing: tuple[Flow, ...] = ()
    access: tuple[Grant, ...] = ()
    training: Training = field(default_factory=Training)
    rounds: Rounds = field(default_factory=Rounds)
    coupling: Coupling = field(default_factory=Coupling)
    weights: Weights = field(default_factory=Weights)
    server: ServerOptimiser = field(default_factory=ServerOptimiser)
    aggregation: Aggregation = field(default_factory=Aggregation)
    report: Report = field(default_factory=Report)
    audit: Audit = field(default_factory=Audit)
    statistics: StatisticsSettings | None = None
    """Absent: nothing is counted."""
    pipeline: tuple[PipelineStep, ...] = ()
    knowledge: KnowledgeJoin | None = None
    """Absent: models take the contract's columns alone."""

    def __post_init__(self) -> None:
        require(bool(self.departments), sentence("departments is empty; a federation has at least two"))
        if self.data.entities != self.knowledge:
            data = copy(self.data)
            object.__setattr__(data, "entities", self.knowledge)
            object.__setattr__(self, "data", data)

    def department(self, name: str) -> DepartmentSettings:
        """The department of that name; KeyError if there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, DepartmentSettings]:
        return {d.name: d for d in self.departments}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Departments' names in the file's order: the order of every sum."""
        return tuple(d.name for d in self.departments)
