"""What a federation file says, as frozen values that check themselves.

One class per table of the file. `lepton_fed.config` turns TOML into these through pydantic, which checks
types, refuses unknown keys and names the line; `__post_init__` here checks what a type cannot say. The core
takes these values and knows no TOML, files or pydantic.
"""

from lepton_fed.settings.accounts import METRICS, Audit, Report
from lepton_fed.settings.basis import EVERYONE
from lepton_fed.settings.data import ArrayShape, Column, DataContract, KnowledgeJoin, Label, Split, feature_width
from lepton_fed.settings.parties import DepartmentSettings, Dependency, Flow, Grant, Identity, ModelSettings
from lepton_fed.settings.pipeline import Gate, PipelineStep
from lepton_fed.settings.releases import Aggregation, NoiseSettings, StatisticsNoise, StatisticsSettings
from lepton_fed.settings.training import CommonSet, Coupling, Optimiser, Rounds, ServerOptimiser, Training, Weights
from lepton_fed.settings.whole import Settings

__all__ = [
    "EVERYONE",
    "METRICS",
    "Aggregation",
    "ArrayShape",
    "Audit",
    "Column",
    "CommonSet",
    "Coupling",
    "DataContract",
    "DepartmentSettings",
    "Dependency",
    "Flow",
    "Gate",
    "Grant",
    "Identity",
    "KnowledgeJoin",
    "Label",
    "ModelSettings",
    "NoiseSettings",
    "Optimiser",
    "PipelineStep",
    "Report",
    "Rounds",
    "ServerOptimiser",
    "Settings",
    "Split",
    "StatisticsNoise",
    "StatisticsSettings",
    "Training",
    "Weights",
    "feature_width",
]
