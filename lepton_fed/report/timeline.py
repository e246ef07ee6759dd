"""The timeline of a pipeline's run: a lane for each department, a bar for each time that a step was worked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes

from lepton_fed.report import drawing
from lepton_fed.report.drawing import FEDERATED, INK, MUTED, POOLED, RULE, WORSE
from lepton_fed.report.words import duration, ems, shortened
from lepton_fed.translation import Sentence, joined, sentence, term

Ending = Literal["done", "again", "failed", "manual", "running"]

_COLOURS: dict[Ending, str] = {
    "done": FEDERATED,
    "again": POOLED,
    "failed": WORSE,
    "manual": MUTED,
    "running": RULE,
}

_ROW = 24.0
"""Height of a bar and its name, in units of the drawing."""


@dataclass(frozen=True)
class Bar:
    """A step worked at from `begin` to `end`, in seconds after the run began."""

    lane: str
    label: str
    begin: float
    end: float
    ending: Ending


def timeline(bars: Sequence[Bar]) -> str:
    """The bars as an `<svg>`, lane under lane in the order of their first bar; "" where there are none."""
    if not bars:
        return ""
    lanes = tuple(dict.fromkeys(bar.lane for bar in bars))
    rows = [(lane, label) for lane in lanes for label in dict.fromkeys(b.label for b in bars if b.lane == lane)]
    last = max(bar.end for bar in bars) or 1.0
    widest = min(13.0, max(ems(name) for row in rows for name in row))
    heads = {lane: k for k, lane in reversed([(k, lane) for k, (lane, _) in enumerate(rows)])}
    height = (len(rows) + len(lanes)) * _ROW + 50
    with drawing.drawing():
        figure, axes = drawing.canvas(height, 18 + widest * 11, 16, 6, 42)
        axes.set_ylim(len(rows) + len(lanes) - 0.4, -0.6)
        axes.set_xlim(0, last)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("seconds after the beginning 开始后的秒数")
        lane_of: dict[tuple[str, str], float] = {}
        for k, (lane, label) in enumerate(rows):
            y = k + lanes.index(lane) + 1
            lane_of[lane, label] = y
            if heads[lane] == k:
                _name(axes, shortened(lane, widest), y - 1, INK, bold=True)
            _name(axes, shortened(label, widest), y, MUTED)
        for bar in bars:
            # What took no time at all would else be invisible.
            long = max(bar.end - bar.begin, last / 200)
            axes.barh(lane_of[bar.lane, bar.label], long, left=bar.begin, height=0.62, color=_COLOURS[bar.ending])
        return drawing.svg(figure, "timeline", _described(bars))


def _name(axes: Axes, text: str, y: float, colour: str, bold: bool = False) -> None:
    axes.annotate(
        text, (0, y), xytext=(-7, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="center", fontsize=10.5, color=colour, fontweight=700 if bold else 400,
    )  # fmt: skip


def _described(bars: Sequence[Bar]) -> Sentence:
    return sentence("Timeline: {bars}.", bars=joined("; ", map(_told, bars[:30])))


def _told(bar: Bar) -> Sentence:
    took, ending = term(duration(bar.end - bar.begin)), term(bar.ending)
    return sentence("{lane} {label} {took}, {ending}", lane=bar.lane, label=bar.label, took=took, ending=ending)
