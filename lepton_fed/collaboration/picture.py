"""The collaboration graph drawn in layers: those that depend on nobody at the bottom, arrows lead to who is needed.

Dependencies are dashed, flows solid, and flows with which nothing is permitted red. Departments of one cycle share a
layer. Text stays text in the reader's own fonts, which is how Chinese names work everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from lepton_fed.collaboration.precedence import pairs
from lepton_fed.report import drawing
from lepton_fed.report.drawing import CARD, FEDERATED, INK, POOLED, WIDTH, WORSE
from lepton_fed.report.words import ems, shortened
from lepton_fed.translation import Sentence, joined, sentence

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph

MOST_DRAWN = 30
MOST_ABREAST = 5
"""Departments side by side, so that names of five Chinese characters do not touch; more take another row."""
MOST_LABELLED = 12
MOST_FLOWS = 60
"""Of more flows only those are drawn with which nothing is permitted, as far as there is room."""
ROW, MARGIN = 92.0, 42.0
"""Heights, in units of the drawing."""

Place = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class _Arrow:
    tail: str
    head: str
    label: str
    colour: str
    dashed: bool


def picture(graph: Graph) -> str:
    """One `<svg>` of the departments with the most edges, at most `MOST_DRAWN`; empty without any department."""
    shown = _shown(graph)
    if not shown:
        return ""
    arrows = _arrows(graph, shown)
    place, height = _places(graph, shown)
    with drawing.drawing():
        figure, axes = drawing.canvas(height, 0, 0, 0, 0)
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        for arrow in arrows:
            _draw(axes, arrow, place, labelled=len(arrows) <= MOST_LABELLED)
        for name, position in place.items():
            _department(axes, name, position, place)
        inline = drawing.svg(figure, "graph", _described(graph, shown))
    # Inside a page an svg needs no name space; as a file of its own it does.
    return inline.changed(lambda text: text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def _shown(graph: Graph) -> tuple[str, ...]:
    """All departments, or those with the most edges, in the graph's order."""
    degree = dict.fromkeys(graph.departments, 0)
    for edge in graph.edges:
        degree[edge.dependent] += 1
        degree[edge.on] += 1
    kept = set(sorted(degree, key=lambda name: -degree[name])[:MOST_DRAWN])
    return tuple(name for name in graph.departments if name in kept)


def _arrows(graph: Graph, shown: Sequence[str]) -> list[_Arrow]:
    """One arrow for each pair and kind, whose label lists all it is about."""
    merged: dict[tuple[str, str, str, bool], list[str]] = {}
    for tail, head, what, colour, dashed in _lines(graph, shown):
        merged.setdefault((tail, head, colour, dashed), []).append(what)
    return [_Arrow(tail, head, "、".join(listed), c, d) for (tail, head, c, d), listed in merged.items()]


def _lines(graph: Graph, shown: Sequence[str]) -> Iterator[tuple[str, str, str, str, bool]]:
    """Tail, head, what, colour, whether dashed."""
    for e in graph.edges:
        if e.dependent in shown and e.on in shown:
            yield e.dependent, e.on, e.what, POOLED, True
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    among = set(shown)
    flows = [p for p in graph.sharing.passages() if p.giver in among and p.taker in among]
    refused = [p for p in flows if not permitted(p.giver, p.taker, p.what)]
    for p in flows if len(flows) <= MOST_FLOWS else refused[:MOST_FLOWS]:
        yield p.giver, p.taker, p.what, FEDERATED if permitted(p.giver, p.taker, p.what) else WORSE, False


# ---------------------------------------------------------------- where things stand


def _places(graph: Graph, shown: Sequence[str]) -> tuple[Place, float]:
    """Rows from bottom to top, each evenly spread and each department above those it depends on; and the height."""
    rows = [row for layer in _layers(graph, shown) for row in _abreast(layer)]
    place: Place = {}
    for k, row in enumerate(rows):
        # A lone department stands aside in every second row, so that straight lines do not run through it.
        aside = (50.0 if k % 2 else -50.0) if len(row) == 1 and len(rows) > 2 else 0.0
        for n, name in enumerate(sorted(row, key=lambda name: _middle(graph, name, place))):
            place[name] = (WIDTH * (n + 0.5) / len(row) + aside, MARGIN + ROW * k)
    return place, ROW * (len(rows) - 1) + 2 * MARGIN


def _middle(graph: Graph, name: str, place: Place) -> float:
    """The mean of where those stand that a department depends on, as far as they stand; the middle without any."""
    across = [place[other][0] for other in graph.dependencies(name) if other in place]
    return sum(across) / len(across) if across else WIDTH / 2


def _layers(graph: Graph, shown: Sequence[str]) -> list[list[str]]:
    """Departments by the longest chain of others that they wait for; a cycle is one step of such a chain."""
    components = nx.condensation(pairs(graph.needs))
    layers = []
    for generation in nx.topological_generations(components.reverse(copy=False)):
        members = set().union(*(components.nodes[c]["members"] for c in generation))
        layer = [name for name in shown if name in members]
        if layer:
            layers.append(layer)
    return layers


def _abreast(layer: list[str]) -> Iterator[list[str]]:
    rows = -(-len(layer) // MOST_ABREAST)
    width = -(-len(layer) // rows)
    for k in range(0, len(layer), width):
        yield layer[k : k + width]


# ---------------------------------------------------------------- ink


def _department(axes: Axes, name: str, position: tuple[float, float], place: Place) -> None:
    x, y = position
    axes.plot([x], [y], marker="o", markersize=13, color=INK, markeredgecolor=CARD)
    abreast = sum(1 for other in place.values() if other[1] == y)
    text = shortened(name, WIDTH / abreast / 11.5 - 0.5 if abreast > 1 else 11.0)
    heights = {other[1] for other in place.values()}
    if abreast == 1 and min(heights) < y < max(heights):
        # Arrows come from above and go on below; beside it there is room.
        aside = ems(text) * 5.5 + 14
        position = (x - aside if x < WIDTH / 2 else x + aside, y)
    else:
        position = (x, y + (-19 if y <= min(heights) else 19))
    _write(axes, text, position, INK, fontsize=11, weight="bold")


def _draw(axes: Axes, arrow: _Arrow, place: Place, *, labelled: bool) -> None:
    tail, head = place[arrow.tail], place[arrow.head]
    bend = _bend(arrow, tail, head)
    patch = FancyArrowPatch(
        tail,
        head,
        arrowstyle="-|>",
        connectionstyle=f"arc3,rad={bend}",
        mutation_scale=11,
        shrinkA=10,
        shrinkB=10,
        linewidth=1.4 if labelled else 0.9,
        linestyle=(0, (4, 3)) if arrow.dashed else "-",
        color=arrow.colour,
    )
    axes.add_patch(patch)
    if labelled and (arrow.dashed or arrow.colour == WORSE):
        _label(axes, arrow, tail, head, bend)


def _bend(arrow: _Arrow, tail: tuple[float, float], head: tuple[float, float]) -> float:
    """How far an arrow curves to its right, in parts of its length.

    Between rows everything curves to its own right, so that a dependency and the flow that serves it part. Within a
    row arrows go over the departments between, in one direction higher than in the other.
    """
    if tail[1] != head[1]:
        return 0.18 if arrow.dashed else 0.12
    higher = 0.1 if arrow.dashed else 0.0
    return -0.25 - higher if tail[0] < head[0] else 0.4 + higher


def _label(axes: Axes, arrow: _Arrow, tail: tuple[float, float], head: tuple[float, float], bend: float) -> None:
    """A label outside the curve of its arrow, inside the drawing."""
    dx, dy = head[0] - tail[0], head[1] - tail[1]
    length = math.hypot(dx, dy) or 1.0
    side = math.copysign(1.0, bend)
    normal = (side * dy / length, -side * dx / length)
    # A long arrow is labelled near its tail, where fewer others pass.
    along = 0.5 if abs(dy) <= ROW else 0.3
    text = shortened(arrow.label, 12)
    half = ems(text) * 10 / 2
    # The curve is a parabola, `bend` times the length off the line at its control point; the box just touches it.
    off = 2 * along * (1 - along) * abs(bend) * length + 3 + abs(normal[0]) * half + abs(normal[1]) * 6
    x, y = tail[0] + along * dx + normal[0] * off, tail[1] + along * dy + normal[1] * off
    _write(axes, text, (min(max(x, half + 2), WIDTH - half - 2), y), arrow.colour, fontsize=10)


def _write(axes: Axes, text: str, position: tuple[float, float], colour: str, **font: Any) -> None:
    """Text on a ground of the card's colour, so that no line runs through it."""
    half = ems(text) * font["fontsize"] / 2
    ground = Rectangle((position[0] - half, position[1] - 7), 2 * half, 14, color=CARD, linewidth=0, zorder=2.5)
    axes.add_patch(ground)
    axes.annotate(text, position, ha="center", va="center", color=colour, **font)


def _described(graph: Graph, shown: Sequence[str]) -> Sentence:
    """The drawing in words, short enough to be read aloud."""
    count, said = len(graph.departments), [e.sentence for e in graph.edges if e.dependent in shown and e.on in shown]
    edges = joined(". ", said[:30])
    if len(shown) == count:
        return sentence("Collaboration graph of {count:,} departments. {edges}", count=count, edges=edges)
    return sentence(
        "Collaboration graph of {count:,} departments, {drawn} of them drawn. {edges}",
        count=count, drawn=len(shown), edges=edges,
    )  # fmt: skip
