"""What a report says about a run, as one frozen value: who ran the federation fills it, `render` draws it.

Every number may be missing (None, NaN, or simply absent); the report then says "not measured". Nothing in
here is a row of anybody's data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lepton_fed.history import Measurement
from lepton_fed.settings import Settings

if TYPE_CHECKING:
    from lepton_fed.statistics import Findings
    from lepton_fed.vector_gains import VectorGain


@dataclass(frozen=True, slots=True)
class Denied:
    """A flow that data sharing asks for and a policy refuses: `what` of `source` does not reach `target`."""

    source: str
    target: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One department's result by one metric: trained alone, in the federation, on everybody's rows pooled.

    All three are measured on the same `examples` examples of that department: its test part.
    """

    department: str
    metric: str
    alone: float | None = None
    federated: float | None = None
    pooled: float | None = None
    examples: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One target's model in the run folder. `shared` and `private` count parameters, not bytes."""

    department: str
    file: str
    sha256: str
    shared: int
    private: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How the numbers of a run were summed: in all of its rounds alike, since its settings decide.

    The numbers are what holds in every round, whoever was away. Plain sums hide nothing and have none of them.
    """

    secure: bool
    recipients: Sequence[str] = ()
    """Who alone could open sums; empty where the coordinator could."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """Group of sums ("updates", "measurements") to "atom" or "cohort": what is masked together."""
    members: int = 0
    """Departments in a round from which nobody is away."""
    colluders: int = 0
    """c: how many departments may help the coordinator, or one another, before the promise ends."""
    crowd: int = 0
    """k: how many others each department hides among, at least."""
    full_crowd: int = 0
    """k of a round in which all members take part; small rounds may hide each among fewer."""
    fewest: int = 0
    """No sum over fewer departments was ever opened."""
    largest_share: float = 1.0
    """No department makes up more than this of anything that the sums tell, by squared weights."""
    counts: tuple[float, float] | None = None
    """The public band that secret counts of examples were brought into."""
    across_rounds: str = "off"
    """Whether the file has departments compare the sums of several rounds: "off", "warn" or "enforce"."""
    rounds: int = 0
    """Rounds that `epsilon` is about: all that were played."""
    epsilon: float | None = None
    """Where noise was added: of one department's contribution set to zero, over every released word of all rounds."""
    delta: float | None = None
    said: Sequence[str] = ()
    """What the audit said before the run, sentence by sentence."""

    @property
    def sealed(self) -> bool:
        """Whether not even the coordinator could open a sum of updates."""
        return bool(self.recipients)


PLAIN = Sums(secure=False)


@dataclass(frozen=True, slots=True)
class AuditLog:
    """How the audit log stood when the report was written: entries under its last head, whose `root` (hex) says which.

    `countersigned`: departments that signed that head, too; `refused`: those that were asked and did not.
    """

    name: str
    entries: int
    root: str
    countersigned: Sequence[str]
    refused: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that the report and the model cards show."""

    settings: Settings
    run: str
    started: datetime
    finished: datetime | None = None
    seconds: float | None = None
    """Wall-clock time of the run; a resumed run adds its parts up."""
    status: str = "finished"
    engine: str = "inprocess"
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package name to version, of what computed the numbers."""
    fingerprint: str = ""
    """sha256 of the federation's settings."""
    command: str = ""
    """What to type to run this again; empty where a program called the library."""

    edges: Sequence[tuple[str, str]] = ()
    """E of the mathematics: (source, target), a department's edge to itself included."""
    denied: Sequence[Denied] = ()
    alpha: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """Hub (or cohort), then source, to its normalised weight; None: by its own, secret count of examples."""
    beta: Mapping[str, float] = field(default_factory=dict)
    """Target to its pull; infinite where a round starts from the anchor itself (`average`)."""

    history: Sequence[Measurement] = ()
    comparison: Sequence[Comparison] = ()
    timing: Mapping[str, float] = field(default_factory=dict)
    """Phase of the run to its seconds."""
    models: Sequence[ModelFile] = ()
    sums: Sums = PLAIN
    log: AuditLog | None = None
    """None where nothing of the run is in an audit log."""
    warnings: Sequence[str] = ()
    findings: Findings | None = None
    """Statistics of all rows, where the file asks for them."""
    vector_gains: Sequence[VectorGain] = ()
    """What entity vectors brought, where the file joins some."""

    @property
    def federation(self) -> str:
        """The federation's name."""
        return self.settings.federation.name

    @property
    def purpose(self) -> str:
        """What the federation trains for; a model is meant for this and nothing else."""
        return self.settings.federation.purpose

    @property
    def lambda_(self) -> float:
        """Strength of the pull; infinite under `average`, which resets instead of pulling."""
        coupling = self.settings.coupling
        return math.inf if coupling.kind == "average" else coupling.lambda_

    @property
    def metric(self) -> str:
        """The metric that bars and sentences compare by."""
        return self.settings.report.metrics[0] if self.settings.report.metrics else "loss"
