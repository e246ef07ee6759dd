"""Writes a finished run into its folder: history, one model and card per target, the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lepton_fed import vector_gains
from lepton_fed.cohorts import denied, edges
from lepton_fed.config import Federation
from lepton_fed.department import Department
from lepton_fed.record import Recorder
from lepton_fed.report import AuditLog, Comparison, Denied, ModelFile, ReportContent, Sums, model_card, write_report
from lepton_fed.report.sums import sums_of
from lepton_fed.result import RunResult
from lepton_fed.secrecy import audit
from lepton_fed.settings import Settings
from lepton_fed.storage import write_atomically, write_history
from lepton_fed.storage.tensors import parameters_digest
from lepton_fed.weighting import alphas, beta

if TYPE_CHECKING:
    from lepton_fed.audit.run_log import Sealing


def keep(
    result: RunResult,
    recorder: Recorder,
    federation: Federation,
    departments: Mapping[str, Department],
    warnings: tuple[str, ...],
    engine: str,
    conclude: Callable[[], Sealing | None] = lambda: None,
) -> None:
    """Everything but the record that the run has ended, which is written last.

    `conclude`: has departments countersign the audit log, once the models are in it.
    """
    folder = recorder.folder
    write_history(folder.history, result.history)
    models, sealing = _models(result, recorder, departments), conclude()
    warned = warnings if sealing is None else tuple(dict.fromkeys((*warnings, *sealing.warnings)))
    content = replace(_content(result, recorder, federation, models, warned, engine), log=_log(sealing))
    for model in content.models:
        card = model_card(content, model.department, _metrics(result, model.department))
        write_atomically(folder.card(model.department), card)
    if result.vector_gains:
        vector_gains.write(folder.path, result.vector_gains)
    write_report(folder.path, content)


def _models(result: RunResult, recorder: Recorder, departments: Mapping[str, Department]) -> tuple[ModelFile, ...]:
    """Stores each target's model, in the folder and in the database."""
    files = []
    for name, tensors in result.models.items():
        arrays = {key: tensor.detach().cpu().numpy() for key, tensor in tensors.items()}
        layout = departments[name].bench.model.layout
        shared = 0 if result.settings.coupling.kind == "distill" else layout.shared_size
        metadata = {"department": name, "run": result.run, "federation": result.settings.federation.name}
        digest = recorder.folder.write_model(name, arrays, "", metadata)
        path = recorder.folder.model(name)
        recorder.keep_model(name, digest, parameters_digest(arrays), path, result.state.round)
        relative = str(path.relative_to(recorder.folder.path))
        files.append(ModelFile(name, relative, digest, shared, layout.size - shared))
    return tuple(files)


def _content(
    result: RunResult,
    recorder: Recorder,
    federation: Federation,
    models: tuple[ModelFile, ...],
    warnings: tuple[str, ...],
    engine: str,
) -> ReportContent:
    settings, record = result.settings, recorder.record.ended("finished")
    return ReportContent(
        settings=settings,
        run=record.id,
        started=record.started,
        finished=record.finished,
        seconds=result.seconds,
        status="finished",
        versions=record.versions,
        fingerprint=record.fingerprint,
        engine=engine,
        command=_command(federation, engine),
        edges=tuple((e.source, e.target) for e in edges(settings)),
        denied=tuple(Denied(d.source, d.target, d.what, d.reason) for d in denied(settings)),
        alpha={p.name: _alpha(settings, p.writers) for p in result.state.plans},
        beta={name: _beta(settings, name) for name in result.models},
        history=result.history,
        comparison=tuple(
            Comparison(c.department, c.metric, c.alone, c.federated, c.pooled, c.examples) for c in result.comparison
        ),
        timing=result.timing,
        models=models,
        sums=_sums(result),
        warnings=warnings,
        findings=result.findings,
        vector_gains=result.vector_gains,
    )


def _log(sealing: Sealing | None) -> AuditLog | None:
    """How the log stands, for the report."""
    if sealing is None:
        return None
    return AuditLog(sealing.log, sealing.size, sealing.root.hex(), sealing.countersigned, tuple(sealing.refused))


def _sums(result: RunResult) -> Sums:
    """How the run's numbers were summed, with what the audit says of it."""
    sums, scheme = sums_of(result), result.state.scheme
    if scheme is None:
        return sums
    found = audit(result.settings, scheme.length)
    return replace(sums, modes=found.modes, said=found.sentences)


def _command(federation: Federation, engine: str) -> str:
    chosen = "" if engine == "inprocess" else f" --engine {engine}"
    return f"lepton-fed simulate {federation.path} --rounds {federation.settings.rounds.count}{chosen}"


def _alpha(settings: Settings, writers: tuple[str, ...]) -> dict[str, float | None]:
    decided = alphas(settings.weights, writers)
    return {name: None if decided is None else decided[name] for name in writers}


def _beta(settings: Settings, name: str) -> float:
    return math.inf if settings.coupling.kind == "average" else beta(settings.weights, name)


def _metrics(result: RunResult, department: str) -> dict[str, float]:
    """The department's last test metrics."""
    last = result.state.round
    return {
        m.metric: m.value for m in result.history if m.department == department and m.part == "test" and m.round == last
    }
