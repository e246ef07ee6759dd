"""`report.html`: one file that asks nothing of any network, works without scripts, and prints.

What it shows is `content.py`, its words are `words.py` and `sentences.py`, its drawings `figures.py` and
`network.py`; here they are put in the order of the page. All text goes through Jinja's escaping and through `visible`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_fed.history import FEDERATION
from lepton_fed.report import sentences, words
from lepton_fed.report.content import Comparison, Denied, ReportContent
from lepton_fed.report.words import Gain, gain
from lepton_fed.settings import METRICS

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from lepton_fed.vector_gains import VectorGain

MOST_ROWS = 30
"""Departments named in a table or figure; the rest is in the distribution, and in the run's history file."""

_PARTS = ("test", "validation", "train")


def render(content: ReportContent) -> str:
    """The whole page. The same content gives the same bytes."""
    # Lone surrogates have become visible already; encoding can no longer fail.
    return _template().render(page=_Page(content), content=content, words=words, sentences=sentences)


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write `report.html` into a run's folder, whole or not at all; returns its path."""
    from lepton_fed.storage.atomic import write_atomically

    path = folder / "report.html"
    write_atomically(path, render(content))
    return path


@functools.cache
def _template() -> Template:
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))


def _shown(value: Any) -> Any:
    """Every text that a template prints is made visible first; markup of our own passes as it is."""
    from markupsafe import Markup

    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


# ---------------------------------------------------------------- what the template asks for


@dataclass(frozen=True, slots=True)
class _Figure:
    """An `<svg>` (markup) and the words beneath it."""

    drawing: Markup
    title: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One department of the weights table."""

    name: str
    roles: str
    teachers: str
    alpha: str
    beta: str
    shared: int | None
    private: int | None


@dataclass
class _Page:
    """Answers to the template's questions about one content; each is asked once."""

    content: ReportContent
    _lines: dict[tuple[str, str], dict[str, dict[int, float]]] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = _lines(self.content)

    # ---- the answer

    @functools.cached_property
    def gains(self) -> list[Gain]:
        """One per department, by the metric that the report compares by, in the file's order."""
        by_name = {c.department: c for c in self.content.comparison if c.metric == self.content.metric}
        return [gain(by_name.get(n, Comparison(n, self.content.metric))) for n in self.content.settings.names]

    @functools.cached_property
    def shown_gains(self) -> list[Gain]:
        """Those measured in any way; of many, the largest losses (at most half), then the largest gains."""
        seen = [g for g in self.gains if _has_number(g.comparison)]
        if len(seen) <= MOST_ROWS:
            return seen
        ranked = sorted(seen, key=lambda g: g.value or 0.0)
        losers = [g for g in ranked if g.verdict == "loses"][: MOST_ROWS // 2]
        return losers + ranked[len(losers) - MOST_ROWS :]

    @property
    def silent(self) -> list[str]:
        """Departments nobody measured: no rows of their own, or never evaluated."""
        return [g.department for g in self.gains if not _has_number(g.comparison)]

    @property
    def statistics(self) -> Markup | str:
        """Table and histograms of all departments' rows; empty where the file asks for none."""
        if self.content.findings is None:
            return ""
        from lepton_fed.report.statistics import section

        return _markup(section(self.content.findings))

    @property
    def vectors(self) -> list[VectorGain]:
        """What entity vectors brought each department, by the metric that the report compares by."""
        return [one for one in self.content.vector_gains if one.metric == self.content.metric][:MOST_ROWS]

    def shown(self, value: float | None) -> str:
        """A measured value; a dash where there is none."""
        return "–" if value is None or value != value else f"{value:.4f}"

    @property
    def headline(self) -> str:
        return words.headline(self.gains)

    @property
    def verdicts(self) -> dict[str, int]:
        found = dict.fromkeys(("gains", "same", "loses", "unknown"), 0)
        for one in self.gains:
            found[one.verdict] += 1
        return found

    @functools.cached_property
    def bars(self) -> Markup:
        from lepton_fed.report import figures

        return _markup(figures.bars(self.shown_gains, self.content.metric))

    @functools.cached_property
    def spread(self) -> Markup | str:
        if len(self.gains) <= MOST_ROWS:
            return ""
        from lepton_fed.report import figures

        return _markup(figures.spread(self.gains, self.content.metric))

    @property
    def has_dots(self) -> bool:
        """Whether the bars became rows of dots, whose marks need an explanation."""
        from lepton_fed.report.figures import MOST_NAMED

        return len(self.shown_gains) > MOST_NAMED

    @functools.cached_property
    def others(self) -> list[tuple[str, list[Gain]]]:
        """The other metrics that were compared, each with its gains of the departments shown."""
        names = {g.department for g in self.shown_gains}
        found: dict[str, list[Gain]] = {}
        for one in self.content.comparison:
            if one.metric != self.content.metric and one.department in names and _has_number(one):
                found.setdefault(one.metric, []).append(gain(one))
        return list(found.items())

    # ---- over the rounds

    @functools.cached_property
    def curves(self) -> list[_Figure]:
        """Per metric the part that counts most: test, else validation, else train."""
        first = {metric: next(p for p in _PARTS if (metric, p) in self._lines) for metric in self._metrics}
        return self._figures(list(first.items()))

    @functools.cached_property
    def more_curves(self) -> list[_Figure]:
        """The remaining parts, train and validation."""
        rest = [(m, p) for m in self._metrics for p in _PARTS if (m, p) in self._lines]
        shown = {figure.title for figure in self.curves}
        return self._figures([(m, p) for m, p in rest if _curve_title(m, p) not in shown])

    @property
    def _metrics(self) -> list[str]:
        order = dict.fromkeys((*self.content.settings.report.metrics, *METRICS))
        return [m for m in order if any((m, p) in self._lines for p in _PARTS)]

    def _figures(self, wanted: Sequence[tuple[str, str]]) -> list[_Figure]:
        from lepton_fed.report import figures

        made = []
        for metric, part in wanted:
            lines = self._lines[metric, part]
            name = f"curve-{metric.replace('_', '-')}-{part}"
            if svg := figures.curves(name, metric, part, lines):
                made.append(_Figure(_markup(svg), _curve_title(metric, part), words.direction(metric)))
        return made

    @property
    def many_lines(self) -> bool:
        from lepton_fed.report.figures import MOST_NAMED

        return any(len(lines) > MOST_NAMED for lines in self._lines.values())

    @functools.cached_property
    def joint_loss(self) -> _Figure | None:
        line: dict[int, float] = {
            m.round: m.value for m in self.content.history if m.metric == "joint_loss" and m.department == FEDERATION
        }
        from lepton_fed.report import figures

        svg = figures.joint_loss(line)
        remark = "logarithmic scale" if figures.spans_decades(line) else ""
        return _Figure(_markup(svg), "Joint loss", remark) if svg else None

    # ---- who learns from whom

    @functools.cached_property
    def network(self) -> Markup:
        from lepton_fed.report.network import network

        return _markup(network(self.content))

    @property
    def through_mean(self) -> bool:
        """Whether the drawing has the mean in its middle."""
        from lepton_fed.report.network import through_one_mean

        return through_one_mean(self.content)

    @functools.cached_property
    def drawn(self) -> list[str]:
        from lepton_fed.report.network import drawn_departments

        return drawn_departments(self.content)

    @functools.cached_property
    def rows(self) -> list[_Row]:
        teachers: dict[str, list[str]] = {}
        for source, target in dict.fromkeys(self.content.edges):
            teachers.setdefault(target, []).append(source)
        models = {m.department: m for m in self.content.models}
        return [self._row(name, teachers.get(name, []), models.get(name)) for name in self.drawn]

    def _row(self, name: str, teachers: list[str], model: Any) -> _Row:
        one = self.content.settings.department(name)
        roles = " and ".join(("gives" if r == "source" else "receives") for r in one.roles)
        beta = words.weight(self.content.beta[name]) if name in self.content.beta else "–"
        return _Row(
            name,
            roles or "–",
            self._teachers(name, teachers),
            self._alpha(name),
            beta,
            model.shared if model else None,
            model.private if model else None,
        )

    def _teachers(self, name: str, teachers: list[str]) -> str:
        """Whom a department learns from, as a reader would say it; long lists are counted."""
        others = [t for t in teachers if t != name]
        if not others:
            return "nobody else" if teachers else "nobody"
        if len(others) > 6:
            return f"{len(others):,} departments"
        return ", ".join(others)

    def _alpha(self, name: str) -> str:
        """Its weight: one number, or one per hub that it writes to."""
        hubs = [(hub, weights[name]) for hub, weights in self.content.alpha.items() if name in weights]
        said = ["by its own count" if a is None else words.weight(a) for _, a in hubs]
        if len(set(said)) <= 1:
            return said[0] if said else "–"
        listed = [f"{hub}: {a}" for (hub, _), a in zip(hubs, said, strict=True)]
        return "; ".join(listed[:4]) + (f"; and {len(listed) - 4} more" if len(listed) > 4 else "")

    @property
    def denied(self) -> Sequence[Denied]:
        return self.content.denied[:MOST_ROWS]

    # ---- identity

    @functools.cached_property
    def times(self) -> Markup:
        from lepton_fed.report import figures

        return _markup(figures.times(self.content.timing))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was computed and how, in pairs of a word and its meaning."""
        s = self.content.settings
        t, o = s.training, s.training.optimiser
        much = f"{t.steps} steps" if t.steps else f"{t.epochs or 1} epoch{'s' if (t.epochs or 1) > 1 else ''}"
        shape = " × ".join(map(str, s.data.features))
        return [
            (
                "Model",
                f"{s.model.name}{_arguments(s.model.arguments)}, input {shape}, {s.data.outputs} output(s)",
            ),
            ("Label", f"{s.data.label.column}: {s.data.label.meaning}"),
            (
                "Local training",
                f"{much} a round, batch {t.batch}, {o.name} at learning rate {o.learning_rate:g}, loss {t.loss}",
            ),
            ("Correction", "SCAFFOLD control variates" if t.correction == "scaffold" else "none"),
            ("Rounds", self._rounds()),
            ("Coupling", _coupling(self.content)),
            ("Server optimiser", _server(self.content)),
            ("Test part", f"{s.data.split.test:.0%} of each department's own rows"),
            ("Seed", str(s.federation.seed)),
        ]

    def _rounds(self) -> str:
        rounds = self.content.settings.rounds
        done = max((m.round for m in self.content.history), default=None)
        said = f"{rounds.count}" if done is None or done == rounds.count else f"{done} of {rounds.count}"
        return said + (f", {rounds.participants} departments drawn for each" if rounds.participants else "")

    @property
    def last_round(self) -> str:
        return self._rounds().split(",")[0]

    def first(self, items: Iterable[Any]) -> list[Any]:
        """As many of a long list as the page names."""
        return list(items)[:MOST_ROWS]


def _curve_title(metric: str, part: str) -> str:
    name = words.metric_name(metric)
    return f"{name[0].upper()}{name[1:]}, {part} part"


def _has_number(one: Comparison) -> bool:
    return any(words.measured(v) is not None for v in (one.alone, one.federated, one.pooled))


def _markup(svg: str) -> Markup:
    """A drawing that the template prints as it is."""
    from markupsafe import Markup

    # Serialised from an element tree, which escapes whatever text is in it.
    return Markup(svg)  # noqa: S704


def _lines(content: ReportContent) -> dict[tuple[str, str], dict[str, dict[int, float]]]:
    """(metric, part) to department to round to value, of the metrics that departments were measured by."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for m in content.history:
        if m.department != FEDERATION and m.metric in METRICS and m.part in _PARTS:
            found.setdefault((m.metric, m.part), {}).setdefault(m.department, {})[m.round] = m.value
    return found


def _arguments(arguments: dict[str, Any]) -> str:
    said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return f" ({said})" if said else ""


def _coupling(content: ReportContent) -> str:
    c = content.settings.coupling
    if c.kind == "average":
        return "average: every round starts from the weighted mean (β infinite)"
    if c.kind == "proximal":
        return f"proximal ({c.method}): pulled to the weighted mean, λ {words.weight(c.lambda_)}"
    if c.kind == "clusters":
        return f"clusters: {c.hubs} hubs, {c.read} reading, λ {words.weight(c.lambda_)}"
    return f"distill: predictions on a common unlabelled set, {c.direction} KL, λ {words.weight(c.lambda_)}"


def _server(content: ReportContent) -> str:
    server = content.settings.server
    return "none: the mean is taken as it is" if server.optimiser == "none" else (
        f"{server.optimiser}, learning rate {server.learning_rate:g}, momentum {server.momentum:g}"
    )  # fmt: skip
