"""A run's result as a few lines for a terminal: each department alone, federated, pooled."""

from __future__ import annotations

from lepton_fed import vector_gains
from lepton_fed.history import FEDERATION
from lepton_fed.report.sentences import in_short
from lepton_fed.report.sums import sums_of
from lepton_fed.result import Compared, RunResult

_HEADINGS = ("alone", "federated", "pooled", "gain")


def summary(result: RunResult) -> str:
    """The comparison by the first metric, the joint loss, how sums were made, and where everything is."""
    metric = result.settings.report.metrics[0]
    rows = [c for c in result.comparison if c.metric == metric]
    lines = _table(metric, rows) if rows else []
    if result.vector_gains:
        lines += vector_gains.lines(result.vector_gains, metric)
    joint = [m.value for m in result.history if m.department == FEDERATION and m.metric == "joint_loss"]
    if joint:
        lines.append(f"joint loss ΣΣ α β L: {joint[-1]:.4g} after {result.state.round} rounds")
    lines.append(f"sums: {in_short(sums_of(result))}")
    if result.folder is not None:
        lines.append(f"report: {result.folder / 'report.html'}")
        lines.append(f"models: {result.folder / 'models'}")
    return "\n".join(lines)


def _table(metric: str, rows: list[Compared]) -> list[str]:
    from rich.cells import cell_len

    width = max(cell_len(r.department) for r in rows)
    width = max(width, cell_len(metric))
    head = metric + " " * (width - cell_len(metric)) + "".join(f"{h:>11}" for h in _HEADINGS)
    return [head, *(r.department + " " * (width - cell_len(r.department)) + _numbers(r) for r in rows)]


def _numbers(row: Compared) -> str:
    gain = row.federated - row.alone if row.federated is not None and row.alone is not None else None
    values = [_number(v) for v in (row.alone, row.federated, row.pooled)]
    return "".join(f"{v:>11}" for v in (*values, "" if gain is None or gain != gain else f"{gain:+.4f}"))


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
