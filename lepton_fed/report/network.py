"""The collaboration graph drawn: who depends on whom (dashed), who learns from whom by which weight (solid).

Where every source teaches every target through one mean, the drawing has that mean in the middle: sources
reach it with their α, targets are pulled to it with their β. It says what n·m arrows say, and can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from lepton_fed.report import drawing
from lepton_fed.report.content import ReportContent
from lepton_fed.report.drawing import CARD, FEDERATED, INK, MUTED, POOLED, WIDTH
from lepton_fed.report.words import ems, shortened, weight

MOST_DRAWN = 30
MOST_ON_A_RING = 8
_MEAN = object()
"""The node of the mean; an object of its own, since a department may have any name."""

Place = dict[object, tuple[float, float]]
"""Node to its position, in units of the drawing."""


@dataclass(frozen=True, slots=True)
class _Arrow:
    tail: object
    head: object
    label: str
    dashed: bool = False
    both: bool = False


def network(content: ReportContent) -> str:
    """The graph of the largest departments by weight, at most `MOST_DRAWN` of them; empty without any."""
    shown = drawn_departments(content)
    if not shown:
        return ""
    arrows = _arrows(content, shown)
    with_mean = any(_MEAN in (a.tail, a.head) for a in arrows)
    place, height = _places(shown, arrows, with_mean)
    with drawing.drawing():
        figure, axes = drawing.canvas(height, 0, 0, 0, 0)
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        for arrow in arrows:
            _draw(axes, arrow, place)
        for node, position in place.items():
            _node(axes, node, position, content, place)
        return drawing.svg(figure, "network", _described(content, shown))


def drawn_departments(content: ReportContent) -> list[str]:
    """All departments, or the `MOST_DRAWN` with the largest weights, in the file's order."""
    names = list(content.settings.names)
    if len(names) <= MOST_DRAWN:
        return names
    degree: dict[str, int] = dict.fromkeys(names, 0)
    for source, target in content.edges:
        for one in (source, target):
            degree[one] = degree.get(one, 0) + 1
    ranked = sorted(names, key=lambda who: (-_largest_alpha(content, who), -degree[who]))
    kept = set(ranked[:MOST_DRAWN])
    return [name for name in names if name in kept]


def _largest_alpha(content: ReportContent, who: str) -> float:
    return max((hub[who] or 0.0 for hub in content.alpha.values() if who in hub), default=0.0)


def all_learn_from_all(edges: Sequence[tuple[str, str]]) -> bool:
    """Whether E joins every source to every target (edges to oneself aside), and so is one mean."""
    others = {(s, t) for s, t in edges if s != t}
    sources, targets = {s for s, _ in others}, {t for _, t in others}
    return len(others) > 2 and len(others) == len(sources) * len(targets) - len(sources & targets)


def through_one_mean(content: ReportContent) -> bool:
    """Whether one mean of all sources serves all targets, so that it can be drawn as a node."""
    return len(content.alpha) <= 1 and all_learn_from_all(content.edges)


def _arrows(content: ReportContent, shown: Sequence[str]) -> list[_Arrow]:
    known = set(shown)
    needs = [
        _Arrow(d.from_, d.to, d.needs, dashed=True)
        for d in content.settings.graph
        if {d.from_, d.to} <= known and d.from_ != d.to
    ]
    edges = [(s, t) for s, t in dict.fromkeys(content.edges) if s in known and t in known]
    if through_one_mean(content):
        return needs + _through_the_mean(content, edges)
    return needs + _directly(content, [(s, t) for s, t in edges if s != t])


def _through_the_mean(content: ReportContent, edges: Sequence[tuple[str, str]]) -> list[_Arrow]:
    """One line per department to the mean, with an arrow head for each direction that it takes part in."""
    sources = list(dict.fromkeys(s for s, _ in edges))
    targets = dict.fromkeys(t for _, t in edges)
    alpha = next(iter(content.alpha.values()), {})
    arrows = []
    for who in dict.fromkeys([*sources, *targets]):
        gives, receives = who in sources, who in targets
        said = [_alpha_words(alpha, who)] if gives else []
        said += [_beta_words(content.beta, who)] if receives else []
        label = " ".join(s for s in said if s)
        arrows.append(_Arrow(who, _MEAN, label, both=gives and receives) if gives else _Arrow(_MEAN, who, label))
    return arrows


def _directly(content: ReportContent, edges: Sequence[tuple[str, str]]) -> list[_Arrow]:
    """An arrow per edge; labels only while they can be told apart."""
    labelled = len(edges) <= 6
    return [_Arrow(s, t, _edge_words(content, s, t) if labelled else "") for s, t in edges]


def _edge_words(content: ReportContent, source: str, target: str) -> str:
    mine = {s for s, t in content.edges if t == target}
    holding = [hub for hub in content.alpha.values() if source in hub]
    exact = [hub for hub in holding if set(hub) == mine]
    said = _alpha_words((exact or holding)[0], source) if exact or len(holding) == 1 else ""
    return " ".join(s for s in (said, _beta_words(content.beta, target)) if s)


def _alpha_words(alpha: Mapping[str, float | None], who: str) -> str:
    if who not in alpha:
        return ""
    value = alpha[who]
    return "α by count" if value is None else f"α {weight(value)}"


def _beta_words(beta: Mapping[str, float], who: str) -> str:
    return f"β {weight(beta[who])}" if who in beta else ""


# ---------------------------------------------------------------- where things stand


def _places(shown: Sequence[str], arrows: Sequence[_Arrow], with_mean: bool) -> tuple[Place, float]:
    """Positions on a ring, or in two columns once names would collide; and the drawing's height."""
    if len(shown) <= MOST_ON_A_RING:
        return _ring(_neighbourly(shown, arrows), with_mean)
    return _columns(shown, with_mean)


def _neighbourly(shown: Sequence[str], arrows: Sequence[_Arrow]) -> Sequence[str]:
    """The order around the ring with the shortest dependencies; among those the one closest to the file's."""
    pairs = [(a.tail, a.head) for a in arrows if a.dashed]
    if not pairs:
        return shown

    def length(order: Sequence[str]) -> int:
        at: dict[object, int] = {who: i for i, who in enumerate(order)}
        steps = [abs(at[tail] - at[head]) for tail, head in pairs]
        return sum(min(step, len(order) - step) for step in steps)

    # At most 7! orders of 8 departments, the first staying where it is; min keeps the first of equals.
    return min(((shown[0], *rest) for rest in permutations(shown[1:])), key=length)


def _ring(shown: Sequence[str], with_mean: bool) -> tuple[Place, float]:
    """networkx's shells, turned so that the first department is on top and the order runs clockwise."""
    height = 330.0 if len(shown) > 2 else 170.0
    graph: nx.DiGraph[object] = nx.DiGraph()
    graph.add_nodes_from([*shown, _MEAN] if with_mean else shown)
    shells: list[list[object]] = [[_MEAN], list(shown)] if with_mean else [list(shown)]
    layout = nx.shell_layout(graph, nlist=shells, rotate=0)
    # Beside an inner shell the outer one is set at half the size; the drawing's size is ours to choose.
    reach = max(abs(float(c)) for position in layout.values() for c in position) or 1.0
    # Two stand side by side; more begin a quarter turn back.
    turned = _sideways if len(shown) <= 2 else _upright
    wide, tall = (WIDTH / 2 - 66) / reach, (height / 2 - 46) / reach
    return {n: (WIDTH / 2 + x * wide, height / 2 + 6 + y * tall) for n, (x, y) in _turned(layout, turned)}, height


def _upright(x: float, y: float) -> tuple[float, float]:
    return y, x


def _sideways(x: float, y: float) -> tuple[float, float]:
    return -x, y


def _turned(
    layout: Mapping[object, NDArray[np.float64]], how: Callable[[float, float], tuple[float, float]]
) -> list[tuple[object, tuple[float, float]]]:
    return [(node, how(float(position[0]), float(position[1]))) for node, position in layout.items()]


def _columns(shown: Sequence[str], with_mean: bool) -> tuple[Place, float]:
    """The file's order down the left column, then down the right one; names stand outside."""
    half = (len(shown) + 1) // 2
    row, width = 25.0, 140.0
    height = half * row + 40
    place: Place = {
        who: (WIDTH / 2 + (width if i >= half else -width) / 2, height - 20 - row * (i % half + 0.5))
        for i, who in enumerate(shown)
    }
    if with_mean:
        place[_MEAN] = (WIDTH / 2, height / 2)
    return place, height


# ---------------------------------------------------------------- ink


def _node(axes: Axes, node: object, position: tuple[float, float], content: ReportContent, place: Place) -> None:
    x, y = position
    if node is _MEAN:
        axes.plot([x], [y], marker="D", markersize=13, color=FEDERATED, markeredgecolor=CARD)
        return
    name = str(node)
    one = content.settings.department(name)
    face = INK if one.is_source and one.is_target else CARD
    crowded = len(place) > MOST_ON_A_RING + 1
    shape = "s" if one.is_target and not one.is_source else "o"
    axes.plot(
        [x],
        [y],
        marker=shape,
        markersize=9 if crowded else 15,
        color=face,
        markeredgecolor=INK,
        markeredgewidth=2,
    )
    if not crowded:
        below = y < max(p[1] for p in place.values()) - 1
        axes.annotate(
            shortened(name, 11), (x, y + (-20 if below else 20)), ha="center", va="center", fontsize=11.5,
            weight="bold",
        )  # fmt: skip
        return
    side = -1 if x < WIDTH / 2 else 1
    axes.annotate(shortened(name, 11), (x + 11 * side, y), ha="right" if side < 0 else "left", va="center", fontsize=10)


def _draw(axes: Axes, arrow: _Arrow, place: Place) -> None:
    tail, head = place[arrow.tail], place[arrow.head]
    through_mean = _MEAN in (arrow.tail, arrow.head)
    bend = 0.0 if through_mean else _bend(arrow, tail, head, place)
    crowded = len(place) > MOST_ON_A_RING + 1
    colour = POOLED if arrow.dashed else FEDERATED
    axes.add_patch(
        FancyArrowPatch(
            tail,
            head,
            arrowstyle="<|-|>" if arrow.both else "-|>",
            connectionstyle=f"arc3,rad={bend}",
            mutation_scale=8 if crowded else 12,
            shrinkA=8 if crowded else 12,
            shrinkB=8 if crowded else 12,
            linewidth=1.0 if crowded else 1.6,
            linestyle=(0, (4, 3)) if arrow.dashed else "-",
            color=colour,
        )
    )
    if arrow.label and not crowded:
        _label(axes, arrow, tail, head, bend, colour)


def _bend(arrow: _Arrow, tail: tuple[float, float], head: tuple[float, float], place: Place) -> float:
    """How far an arrow curves: a dependency away from the middle; training a little, so that two differ."""
    if not arrow.dashed:
        return 0.16
    middle = (WIDTH / 2, sum(y for _, y in place.values()) / len(place))
    # The cross product tells on which side of the arrow the middle lies.
    side = (head[0] - tail[0]) * (middle[1] - tail[1]) - (head[1] - tail[1]) * (middle[0] - tail[0])
    length = math.dist(tail, head)
    off_middle = abs(side) / length if length else 0.0
    return math.copysign(0.32 if off_middle > 40 else 0.5, side if off_middle > 1 else 1.0)


def _label(
    axes: Axes, arrow: _Arrow, tail: tuple[float, float], head: tuple[float, float], bend: float, colour: str
) -> None:
    """A label beside the middle of the arrow: outside its curve, above or right of a straight one."""
    dx, dy = head[0] - tail[0], head[1] - tail[1]
    length = math.hypot(dx, dy) or 1.0
    # The curve's control point is off the middle by bend times the length; the curve passes at half of it.
    x, y = (tail[0] + head[0]) / 2 + bend / 2 * dy, (tail[1] + head[1]) / 2 - bend / 2 * dx
    side = math.copysign(1.0, bend) if bend else (1.0 if (dy, -dx) > (-1e-6, 0.0) else -1.0)
    normal = (side * dy / length, -side * dx / length)
    text = shortened(arrow.label, 13)
    half = ems(text) * 10 / 2
    # How far a box of this width and height reaches along the normal, so that it just touches the line.
    off = 4 + abs(normal[0]) * half + abs(normal[1]) * 6
    x, y = x + normal[0] * off, y + normal[1] * off
    axes.annotate(
        text, (min(max(x, half + 2), WIDTH - half - 2), y), ha="center", va="center", fontsize=10,
        color=colour if arrow.dashed else MUTED,
    )  # fmt: skip


def _described(content: ReportContent, shown: Sequence[str]) -> str:
    """The drawing in words, short enough to be read aloud; the table beside it has every weight."""
    known = set(shown)
    needs = [f"{d.from_} depends on {d.to} for {d.needs}" for d in content.settings.graph if {d.from_, d.to} <= known]
    pairs = {(s, t) for s, t in content.edges if s != t}
    if all_learn_from_all(content.edges):
        sources, targets = {s for s, _ in pairs}, {t for _, t in pairs}
        learning = f"{len(sources):,} sources teach {len(targets):,} targets through one weighted mean"
    else:
        learning = f"{len(pairs):,} training edges"
    return f"Collaboration graph of {len(content.settings.departments):,} departments. {learning}. " + ". ".join(
        needs[:30]
    )
