"""Work of ours over a simulation: train, validate, iterate, publish, each a step that can be begun again anywhere.

    train     rounds into a run folder of the pipeline, from its checkpoint where it was killed
    validate  the model measured on a department's own rows, at that department
    iterate   more rounds in the same folder, pass by pass, until the gate passes or the budget is spent
    publish   the model and its card copied out

Which rounds a pass ends at follows from what is recorded, so a pass that is begun twice trains once.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lepton_fed.config import Federation
from lepton_fed.errors import StoppedError
from lepton_fed.pipeline import reasons
from lepton_fed.pipeline.descriptions import ACTIONS
from lepton_fed.pipeline.evaluation import Measure, measured
from lepton_fed.pipeline.step import Call, GiveUp, Kind, Result, Step
from lepton_fed.progress import Quiet
from lepton_fed.settings import EVERYONE, Gate
from lepton_fed.translation import sentence

_TRAINING = threading.Lock()
"""One trains, or measures, at a time: two would share torch's threads and be slower than one after the other."""


@dataclass(frozen=True)
class BuiltIn:
    """What a federation's pipeline knows how to do. `folder`: where run folders go; `database`: URL for their rows."""

    federation: Federation
    folder: Path
    database: str | None = None
    measure: Measure = measured

    def step(
        self,
        kind: Kind,
        department: str,
        description: str,
        *,
        rounds: int | None = None,
        budget: int = 1,
        gate: Gate | None = None,
        to: str | None = None,
        **common: Any,
    ) -> Step:
        """The step of that kind; `common` are the fields that every step has."""
        count = self.federation.settings.rounds.count
        work: Train | Validate | Iterate | Publish
        if kind == "train":
            work = Train(self, rounds or count)
        elif kind == "validate":
            work = Validate(self, gate)
        elif kind == "iterate":
            work = Iterate(self, rounds or count, gate)
        else:
            work = Publish(self, to)
        terms = {"rounds": rounds, "gate": None if gate is None else asdict(gate), "to": to}
        return Step(
            department=department,
            description=description,
            kind=kind,
            work=work,
            until=passed if kind == "iterate" else None,
            budget=budget,
            action=ACTIONS[kind],
            terms=json.dumps([terms, self.federation.fingerprint], sort_keys=True),
            **common,
        )

    def run_folder(self, call: Call) -> Path:
        """Where a step's run is kept: named after the pipeline's run and the step."""
        from lepton_fed.storage.file_names import file_name

        return (
            self.folder / file_name(f"pipeline-{call.run.replace('#', '-')}") / file_name(call.step.replace("/", " "))
        )

    def simulated(self, folder: Path, rounds: int, call: Call) -> Result:
        """Train up to so many rounds into the folder, on from whatever is there; what came of it."""
        from lepton_fed.simulation import simulate

        options: dict[str, Any] = {"rounds": rounds, "database": self.database, "progress": Interruptible(call)}
        # What training alone would give is for a report of its own; here it would be trained anew in every pass.
        settings = self.federation.settings
        federation = replace(self.federation, settings=replace(settings, report=replace(settings.report, baselines=())))
        with _TRAINING:
            if (folder / "run.json").exists():
                found = simulate(federation, resume=folder, **options)
            else:
                found = simulate(federation, out=folder, **options)
        metrics: dict[str, dict[str, float | None]] = {}
        for one in found.comparison:
            metrics.setdefault(one.department, {})[one.metric] = one.federated
        return {"run_folder": str(folder), "rounds": found.state.round, "metrics": metrics}

    def measured(self, folder: Path, at: str, asker: str) -> tuple[dict[str, float], int]:
        """The metrics of the folder's model at a department, and on how many rows at least."""
        with _TRAINING:
            found = self.measure(folder, self.federation, at=at, asker=asker)
        return dict(found.metrics), found.rows

    def gate_at(self, gate: Gate) -> tuple[str, ...]:
        """Departments that a gate measures at."""
        if EVERYONE not in gate.at:
            return gate.at
        return tuple(one.name for one in self.federation.settings.departments if one.is_source)


class Interruptible(Quiet):
    """A run's progress that ends it between two rounds once nobody waits for it."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def asked(self, number: int, names: int) -> None:
        if self.call.stopping.is_set():
            raise StoppedError(
                sentence(
                    "{step} was stopped before round {number}; it goes on from there",
                    step=self.call.step,
                    number=number,
                )
            )


@dataclass(frozen=True)
class Train:
    """So many rounds."""

    own: BuiltIn
    rounds: int

    def __call__(self, call: Call) -> Result:
        found = self.own.simulated(self.own.run_folder(call), self.rounds, call)
        return {**found, "why": reasons.trained(found["rounds"], _said(self.own, found["metrics"]))}


@dataclass(frozen=True)
class Validate:
    """The newest model measured on the rows of the step's department, for whoever trained it."""

    own: BuiltIn
    gate: Gate | None = None

    def __call__(self, call: Call) -> Result:
        trainer, model = trained(call)
        metrics, rows = self.own.measured(Path(model["run_folder"]), call.department, trainer)
        measured = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        why = reasons.validated(measured, f"{rows:,}")
        if self.gate is not None and self.gate.missed({call.department: metrics[self.gate.metric]}):
            raise GiveUp(reasons.not_passed(why, self.gate.bound))
        return {
            "metrics": {call.department: metrics},
            "measured": {"run_folder": model["run_folder"], "rounds": model["rounds"]},
            "why": why,
        }


@dataclass(frozen=True)
class Iterate:
    """One pass: unless the feedback passes the gate already, so many more rounds, and the gate measured again."""

    own: BuiltIn
    rounds: int
    gate: Gate | None = None

    def __call__(self, call: Call) -> Result:
        _, model = trained(call)
        feedback = fed_back(call, model)
        if call.turn == 1 and self.gate is not None and feedback.keys() >= set(self.own.gate_at(self.gate)):
            values = {name: feedback[name][self.gate.metric] for name in self.own.gate_at(self.gate)}
            if not self.gate.missed(values):
                return {**model, "passed": True, "why": reasons.already(_values(self.gate, values))}
        found = self.own.simulated(Path(model["run_folder"]), model["rounds"] + call.turn * self.rounds, call)
        if self.gate is None:
            why = reasons.trained(found["rounds"], _said(self.own, found["metrics"]))
            return {**found, "passed": True, "why": why}
        asker, gate = call.department, self.gate
        values = {
            at: self.own.measured(Path(found["run_folder"]), at, asker)[0][gate.metric] for at in self.own.gate_at(gate)
        }
        missed = gate.missed(values)
        rounds, said = found["rounds"], _values(gate, values)
        why = reasons.short(rounds, said, gate.bound) if missed else reasons.trained(rounds, said)
        return {**found, "passed": not missed, "why": why}


@dataclass(frozen=True)
class Publish:
    """The department's model, or else every target's, copied with its card into the folder `to`."""

    own: BuiltIn
    to: str | None = None

    def __call__(self, call: Call) -> Result:
        from lepton_fed.storage import RunFolder, write_atomically

        _, model = trained(call)
        run = RunFolder.open(Path(model["run_folder"]), writing=False)
        to = Path(self.to) if self.to is not None else self.own.run_folder(call)
        to.mkdir(parents=True, exist_ok=True)
        targets = [one.name for one in self.own.federation.settings.departments if one.is_target]
        chosen = [call.department] if call.department in targets else targets
        digests: dict[str, str] = {}
        for name in chosen:
            content = run.model(name).read_bytes()
            write_atomically(to / run.card(name).name, run.card(name).read_bytes())
            write_atomically(to / run.model(name).name, content)
            digests[name] = hashlib.sha256(content).hexdigest()
        return {"published": str(to), "models": digests, "why": reasons.published(str(to), ", ".join(chosen))}


def trained(call: Call) -> tuple[str, dict[str, Any]]:
    """Who trained last before this step, and what came of it; GiveUp where nobody did."""
    for name, result in reversed(list(call.results.items())):
        if isinstance(result, dict) and "run_folder" in result and "rounds" in result:
            return name.partition("/")[0], result
    raise GiveUp(sentence("{step} needs a trained model; let it come after a step that trains", step=call.step))


def fed_back(call: Call, model: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What validations before this step measured of that very model, by department."""
    measured = {"run_folder": model["run_folder"], "rounds": model["rounds"]}
    found: dict[str, dict[str, float]] = {}
    for result in call.results.values():
        if isinstance(result, dict) and result.get("measured") == measured:
            found |= result["metrics"]
    return found


def passed(result: Result) -> bool:
    """Whether a pass of an iteration was the last that is needed."""
    return bool(result["passed"])


def _said(own: BuiltIn, metrics: dict[str, dict[str, float | None]]) -> str:
    """The first metric, department by department."""
    first = own.federation.settings.report.metrics[0]
    values = ((name, found.get(first)) for name, found in metrics.items())
    return f"{first} " + ", ".join(f"{name} {value:.4g}" for name, value in values if value is not None)


def _values(gate: Gate, values: dict[str, float]) -> str:
    return f"{gate.metric} " + ", ".join(f"{name} {value:.4g}" for name, value in values.items())
