"""The figures of a report: bars of what taking part brings, curves over rounds, where the time went.

Each function returns one `<svg>` (a string), or an empty string where there is nothing to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from lepton_fed.report import drawing
from lepton_fed.report.drawing import ALONE, CARD, DASHES, FEDERATED, INK, LINES, MUTED, POOLED, RULE, WORSE
from lepton_fed.report.words import (
    Gain,
    direction,
    duration,
    ems,
    measured,
    metric_name,
    number,
    shortened,
    signed,
)
from lepton_fed.translation import Sentence, joined, sentence, term

MOST_NAMED = 8
"""Departments that can have a colour and a label each; beyond, a figure shows the spread and the extremes."""
MOST_POINTS = 240
"""Rounds drawn of one curve; a screen has no more columns to show."""

Curve = dict[int, float]
"""Round to value."""

_KINDS = (
    ("alone", "alone 单独", ALONE),
    ("federated", "together 联邦", FEDERATED),
    ("pooled", "pooled 合并", POOLED),
)
_LARGEST = 1e100
"""Beyond this Matplotlib's arithmetic overflows; such a value is drawn here, and written as it is."""


# ---------------------------------------------------------------- what taking part brings


def bars(gains: Sequence[Gain], metric: str) -> str:
    """Alone, federated and pooled per department; a few departments get bars, many a line with dots each."""
    if not gains:
        return ""
    return _grouped_bars(gains, metric) if len(gains) <= MOST_NAMED else _dots(gains, metric)


def _grouped_bars(gains: Sequence[Gain], metric: str) -> str:
    """Three bars under each department's name, every bar with its own words and number."""
    row, head, gap = 19.0, 24.0, 14.0
    kinds = _kinds(gains)
    height = len(gains) * (head + row * len(kinds) + gap) + 22
    with drawing.drawing():
        figure, axes = drawing.canvas(height, 4, 118, 2, 22)
        low, high = _extent(gains, metric)
        axes.set_xlim(low, high)
        axes.set_ylim(height - 24, 0)
        start = _bar_start(metric, low)
        y = 0.0
        for one in gains:
            _bar_heading(axes, one, y + head * 0.62)
            y += head
            for kind, label, colour in kinds:
                _bar(axes, y + row / 2, _clipped(getattr(one.comparison, kind)), start, kind, label, colour)
                y += row
            y += gap
        _value_axis(axes, start)
        return drawing.svg(figure, "gains", _described(gains, metric))


def _kinds(gains: Sequence[Gain]) -> list[tuple[str, str, str]]:
    """The kinds of training that anybody was measured by; pooled is missing outside a simulation."""
    present = [k for k in _KINDS if any(measured(getattr(g.comparison, k[0])) is not None for g in gains)]
    return present or [_KINDS[1]]


def _bar_heading(axes: Axes, one: Gain, y: float) -> None:
    axes.annotate(
        shortened(one.department, 21),
        (0, y),
        xycoords=("axes fraction", "data"),
        va="center",
        weight="bold",
        fontsize=12,
    )
    if one.value is not None:
        colour = {"gains": FEDERATED, "loses": WORSE}.get(one.verdict, MUTED)
        said = signed(one.value) if one.verdict != "same" else "as alone"
        axes.annotate(
            said, (1, y), xytext=(114, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", ha="right", weight="bold", fontsize=12, color=colour,
        )  # fmt: skip


def _bar(axes: Axes, y: float, value: float | None, start: float, kind: str, label: str, colour: str) -> None:
    weight = "bold" if kind == "federated" else "normal"
    x = start if value is None else value
    if value is not None:
        drawn = axes.barh(y, value - start, left=start, height=14, linewidth=1, color=colour)
        if kind == "pooled":
            drawn.patches[0].set(facecolor=CARD, edgecolor=colour, hatch="////")
    axes.annotate(
        f"{number(value)}  {label}", (max(x, start), y), xytext=(5, 0), textcoords="offset points",
        va="center", fontsize=10.5, weight=weight, color=INK if value is not None else MUTED,
    )  # fmt: skip


def _bar_start(metric: str, low: float) -> float:
    """Where bars begin: nothing; for AUC a half, which guessing reaches."""
    return 0.5 if metric == "auc" and low >= 0.3 else 0.0


def _extent(gains: Sequence[Gain], metric: str) -> tuple[float, float]:
    values = _values(gains)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    start = _bar_start(metric, low)
    low, high = min(low, start), max(high, start)
    if metric in ("auc", "accuracy", "balanced_accuracy", "average_precision", "f1"):
        high = max(high, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _values(gains: Sequence[Gain]) -> list[float]:
    found = (_clipped(getattr(g.comparison, kind)) for g in gains for kind, _, _ in _KINDS)
    return [v for v in found if v is not None]


def _clipped(value: float | None) -> float | None:
    known = measured(value)
    return None if known is None else max(-_LARGEST, min(_LARGEST, known))


def _value_axis(axes: Axes, start: float) -> None:
    axes.axvline(start, color=MUTED, linewidth=1)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)


def _dots(gains: Sequence[Gain], metric: str) -> str:
    """A row per department: a hollow dot alone, a full one together, a bar between, a tick for pooled.

    The page explains the marks beside the figure.
    """
    row = 23.0
    height = len(gains) * row + 36
    longest = min(12.0, max(ems(g.department) for g in gains))
    with drawing.drawing():
        figure, axes = drawing.canvas(height, 10 + longest * 10.5, 52, 4, 26)
        values = _values(gains) or [0.0, 1.0]
        margin = 0.05 * (max(values) - min(values)) or 0.05
        axes.set_xlim(min(values) - margin, max(values) + margin)
        axes.set_ylim(len(gains) - 0.4, -0.6)
        for y, one in enumerate(gains):
            _dot_row(axes, y, one, longest)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="x", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        return drawing.svg(figure, "gains", _described(gains, metric))


def _dot_row(axes: Axes, y: int, one: Gain, longest: float) -> None:
    alone, federated = _clipped(one.comparison.alone), _clipped(one.comparison.federated)
    pooled = _clipped(one.comparison.pooled)
    colour = WORSE if one.verdict == "loses" else FEDERATED
    if alone is not None and federated is not None:
        axes.plot([alone, federated], [y, y], color=colour, linewidth=2.5, solid_capstyle="butt")
    if pooled is not None:
        axes.plot([pooled], [y], marker="|", markersize=13, markeredgewidth=2, color=POOLED)
    if alone is not None:
        axes.plot(
            [alone],
            [y],
            marker="o",
            markersize=7,
            markerfacecolor=CARD,
            markeredgecolor=ALONE,
            markeredgewidth=2,
        )
    if federated is not None:
        axes.plot([federated], [y], marker="o", markersize=7.5, color=colour, markeredgecolor=colour)
    axes.annotate(
        shortened(one.department, longest + 0.5), (0, y), xytext=(-8, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="center", fontsize=10,
    )  # fmt: skip
    axes.annotate(
        "–" if one.value is None else signed(one.value), (1, y), xytext=(48, 0),
        xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", va="center",
        fontsize=10, weight="bold", color=MUTED if one.verdict in ("same", "unknown") else colour,
    )  # fmt: skip


def _described(gains: Sequence[Gain], metric: str) -> str:
    said = [
        f"{g.department}: alone {number(g.comparison.alone)}, together {number(g.comparison.federated)}, "
        f"pooled {number(g.comparison.pooled)}"
        for g in gains
    ]
    return f"{metric_name(metric)} of each department ({direction(metric)}). " + "; ".join(said) + "."


def spread(gains: Sequence[Gain], metric: str) -> str:
    """How the gains of many departments are distributed, losers left of the line and winners right of it."""
    values = np.array([_clipped(g.value) for g in gains if g.value is not None], dtype=np.float64)
    if len(values) == 0:
        return ""
    lose, same, win = (sum(g.verdict == verdict for g in gains) for verdict in ("loses", "same", "gains"))
    with drawing.drawing():
        figure, axes = drawing.canvas(190, 34, 14, 30, 34)
        axes.hist(values, bins=_bins(values).tolist(), color=FEDERATED, edgecolor=CARD, linewidth=0.6)
        axes.axvline(0, color=INK, linewidth=1.2)
        _tick(axes)
        axes.set_xlabel(f"gain in {metric_name(metric)}", fontsize=10)
        said = ((0, "left", f"{lose:,} lose", WORSE), (0.5, "center", f"{same:,} stay the same", MUTED))
        for x, align, words, colour in (*said, (1, "right", f"{win:,} gain", FEDERATED)):
            axes.annotate(
                words, (x, 1), xytext=(0, 10), xycoords="axes fraction", textcoords="offset points",
                fontsize=11, weight="bold", ha=align, color=colour,
            )  # fmt: skip
        median = signed(float(np.median(values)))
        counted = f"{lose:,} lose, {same:,} stay the same, {win:,} gain"
        described = f"Gains of {len(values):,} departments: {counted}; the median is {median}."
        return drawing.svg(figure, "spread", described)


def _bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bins with an edge at zero, so that no bar holds losers and winners together."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = (high - low) / 32 or 0.01
    return np.arange(math.floor(low / step), math.ceil(high / step) + 1, dtype=np.float64) * np.float64(step)


# ---------------------------------------------------------------- over the rounds


def curves(name: str, metric: str, part: str, lines: Mapping[str, Curve]) -> str:
    """One metric of one part over the rounds, per department, labelled at the lines' right ends."""
    finite = {who: kept for who, line in lines.items() if (kept := _finite(line))}
    if not finite:
        return ""
    with drawing.drawing():
        shown = list(finite) if len(finite) <= MOST_NAMED else _extremes(finite)
        widest = max(ems(shortened(who, 9)) for who in shown)
        figure, axes = drawing.canvas(240, 46, 16 + widest * 10.5, 10, 34)
        if len(finite) > MOST_NAMED:
            _spread_over_rounds(axes, finite)
        for i, who in enumerate(shown):
            _line(axes, finite[who], i)
        _round_axis(axes, list(finite.values()))
        _end_labels(axes, {who: (finite[who], LINES[i % len(LINES)]) for i, who in enumerate(shown)})
        ends = {who: _last(finite[who]) for who in shown}
        return drawing.svg(figure, name, _ending(metric, part, ends))


def _ending(metric: str, part: str, ends: Mapping[str, float]) -> Sentence:
    """Curves in words: where each ends."""
    return sentence(
        "{metric} on the {part} part over the rounds ({direction}). {ends}.",
        metric=term(metric_name(metric)),
        part=term(part),
        direction=term(direction(metric)),
        ends=joined(
            "; ", (sentence("{who} ends at {value}", who=who, value=number(value)) for who, value in ends.items())
        ),
    )


def _finite(line: Curve) -> Curve:
    """The measured rounds in order, thinned to what a screen can show, the first and the last kept."""
    rounds = [r for r in sorted(line) if measured(line[r]) is not None]
    stride = max(1, math.ceil(len(rounds) / MOST_POINTS))
    kept = rounds[::stride] + (rounds[-1:] if rounds and (len(rounds) - 1) % stride else [])
    return {r: _clipped(line[r]) or 0.0 for r in kept}


def _last(line: Curve) -> float:
    return line[max(line)]


def _extremes(lines: Mapping[str, Curve]) -> list[str]:
    """The departments that ended highest and lowest, and one in the middle."""
    ranked = sorted(lines, key=lambda who: _last(lines[who]))
    return list(dict.fromkeys([ranked[-1], ranked[-2], ranked[len(ranked) // 2], ranked[1], ranked[0]]))


def _spread_over_rounds(axes: Axes, lines: Mapping[str, Curve]) -> None:
    """Where nine of ten and half of the departments are, and the median; all their lines would be a blot."""
    rounds = sorted({r for line in lines.values() for r in line})
    rounds = rounds[:: max(1, math.ceil(len(rounds) / MOST_POINTS))]
    columns = [np.array([line[r] for line in lines.values() if r in line]) for r in rounds]
    levels = np.array([np.quantile(column, (0.05, 0.25, 0.5, 0.75, 0.95)) for column in columns]).T
    axes.fill_between(rounds, levels[0], levels[4], color=RULE, alpha=0.55, linewidth=0)
    axes.fill_between(rounds, levels[1], levels[3], color=MUTED, alpha=0.3, linewidth=0)
    axes.plot(rounds, levels[2], color=INK, linewidth=2.2)


def _line(axes: Axes, line: Curve, i: int) -> None:
    colour, dash = LINES[i % len(LINES)], DASHES[i % len(DASHES)]
    axes.plot(list(line), list(line.values()), color=colour, linestyle=dash, linewidth=1.9)
    axes.plot([max(line)], [_last(line)], marker="o", markersize=4.5, color=colour, clip_on=False)


def _round_axis(axes: Axes, lines: Sequence[Curve]) -> None:
    _tick(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    first, last = min(min(line) for line in lines), max(max(line) for line in lines)
    axes.set_xlim(first, last if last > first else first + 1)
    axes.set_xlabel("round 轮次", fontsize=10)


def _tick(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.spines["left"].set_visible(False)
    axes.set_axisbelow(True)


def _end_labels(axes: Axes, ends: Mapping[str, tuple[Curve, str]]) -> None:
    """A name at every line's end, pushed apart where lines end together."""
    low, high = axes.get_ylim()
    height = axes.figure.get_figheight() * 72 * axes.get_position().height  # type: ignore[union-attr]
    wanted = {who: (_last(line) - low) / (high - low) * height for who, (line, _) in ends.items()}
    for who, y in apart(wanted, 13.0, 4.0, height - 2).items():
        axes.annotate(
            shortened(who, 9), (1, y / height), xytext=(7, 0), xycoords="axes fraction",
            textcoords="offset points", va="center", fontsize=10.5, color=ends[who][1], annotation_clip=False,
        )  # fmt: skip


def apart(wanted: Mapping[str, float], least: float, low: float, high: float) -> dict[str, float]:
    """Positions near the wanted ones, in their order, `least` or more apart; in low..high if all fit."""
    order = sorted(wanted, key=lambda who: wanted[who])
    placed: list[float] = []
    for who in order:
        placed.append(max(wanted[who], placed[-1] + least if placed else low))
    ceiling = high
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - least
    return dict(zip(order, placed, strict=True))


def joint_loss(line: Curve) -> str:
    """The federation's joint loss over the rounds; on a logarithmic scale where it spans decades."""
    finite = _finite(line)
    if not finite:
        return ""
    with drawing.drawing():
        figure, axes = drawing.canvas(200, 58, 18, 10, 34)
        axes.plot(list(finite), list(finite.values()), color=FEDERATED, linewidth=2.2)
        axes.plot([max(finite)], [_last(finite)], marker="o", markersize=5, color=FEDERATED, clip_on=False)
        _round_axis(axes, [finite])
        if spans_decades(finite):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(10, numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.minorticks_off()
        described = f"Joint loss over the rounds, from {number(finite[min(finite)])} to {number(_last(finite))}."
        return drawing.svg(figure, "joint-loss", described)


def spans_decades(line: Curve) -> bool:
    """Whether a curve needs a logarithmic scale to be read."""
    values = [v for v in map(measured, line.values()) if v is not None]
    return bool(values) and min(values) > 0 and max(values) / min(values) > 50


# ---------------------------------------------------------------- where the time went


def times(timing: Mapping[str, float]) -> str:
    """Seconds per phase, the longest first, each bar with its own number."""
    known = {phase: _clipped(s) or 0.0 for phase, s in timing.items() if measured(s) is not None and s >= 0}
    known = dict(sorted(known.items(), key=lambda item: -item[1])[:20])
    total = sum(known.values())
    if not known or total <= 0:
        return ""
    row = 27.0
    widest = min(15.0, max(ems(phase) for phase in known))
    with drawing.drawing():
        figure, axes = drawing.canvas(len(known) * row + 10, 10 + widest * 10.5, 84, 4, 4)
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlim(0, max(known.values()))
        axes.axis("off")
        for y, (phase, seconds) in enumerate(known.items()):
            axes.barh(y, seconds, height=0.6, color=FEDERATED)
            axes.annotate(
                shortened(phase, widest + 0.5), (0, y), xytext=(-7, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", va="center", fontsize=10.5,
            )  # fmt: skip
            axes.annotate(
                f"{duration(seconds)} · {seconds / total:.0%}", (seconds, y), xytext=(6, 0),
                textcoords="offset points", va="center", fontsize=10.5, color=MUTED,
            )  # fmt: skip
        described = "Time by phase: " + "; ".join(f"{phase} {duration(s)}" for phase, s in known.items()) + "."
        return drawing.svg(figure, "times", described)
