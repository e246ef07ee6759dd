"""From a Matplotlib figure to SVG that lives inside the page, in the page's own colours and fonts.

Figures are drawn with the light palette. Afterwards every colour of a style becomes `var(--name, colour)`, so
one drawing serves light, dark and print; text stays text (`svg.fonttype: none`) in the reader's own fonts,
which is how Chinese names work everywhere; ids get the figure's name in front, since a page has one space of
ids.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lepton_fed.report.described import Drawing, drawing_of
from lepton_fed.report.words import visible

INK, MUTED, RULE, CARD = "#1b2430", "#5b6673", "#d8dee6", "#ffffff"
ALONE, FEDERATED, POOLED, WORSE = "#848d98", "#0b63b5", "#b8670f", "#b23a2e"
LINES = ("#0072b2", "#c8500a", "#00815f", "#a8508a", "#8a6d00", "#3c8fc4", "#4a4f57", "#7d5533")
"""Okabe and Ito's colours, darkened until each has 3:1 against white; labels say the same."""

PALETTE: dict[str, str] = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    CARD: "card",
    ALONE: "alone",
    FEDERATED: "federated",
    POOLED: "pooled",
    WORSE: "worse",
    **{colour: f"line{i}" for i, colour in enumerate(LINES)},
}
"""Colour of a drawing to the page's variable."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lepton-fed",
    "text.parse_math": False,  # a department may be called $x^2$
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "font.size": 11.0,
    "font.family": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 1.0,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "hatch.linewidth": 1.0,
    "path.simplify": True,
}

WIDTH = 400.0
"""Units of every drawing's width: about a phone's, so that text is as readable there as on a wide screen."""


@contextmanager
def drawing() -> Iterator[None]:
    """The style that every figure is made and saved in; the process's own settings are left as they were."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Matplotlib measures text with its own font, which has no Chinese; the reader's browser sets it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font\(s\)", category=UserWarning)
        # Widths of Arabic or Devanagari are only estimated then; the browser shapes the text itself.
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support", category=UserWarning)
        yield


def canvas(height: float, left: float, right: float, top: float, bottom: float) -> tuple[Figure, Axes]:
    """An empty figure `WIDTH` wide with one pair of axes; all lengths in units of the drawing."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
    FigureCanvasSVG(figure)
    box = (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH, (height - top - bottom) / height)
    axes = figure.add_axes(box, facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def svg(figure: Figure, name: str, description: str) -> Drawing:
    """The figure as an `<svg>` element: described for those who do not see it, the same bytes every time."""
    written = StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # Written two lines above by Matplotlib; its document type is not fetched.
    root = ElementTree.fromstring(written.getvalue())  # noqa: S314
    _strip(root)
    for element in root.iter():
        _adapt(element, name)
    root.attrib.pop("version", None)
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    # The page's own rule may shrink it; printed without the page's rules it keeps its size.
    root.set("style", f"max-width: {_scaled(width)}px; aspect-ratio: {_plain(width)} / {_plain(height)}")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title")
    title = ElementTree.Element("title", {"id": f"{name}-title"})
    title.text = visible(description)
    root.insert(0, title)
    return drawing_of(ElementTree.tostring(root, encoding="unicode"), description)


def _plain(length: str) -> str:
    return length.removesuffix("pt")


def _scaled(width: str) -> str:
    """Widest size on a screen: a third larger than drawn keeps text near the page's own size."""
    return f"{float(_plain(width)) * 1.35:.0f}"


def _strip(root: ElementTree.Element) -> None:
    """Remove what would reach outside the drawing: metadata, and style rules that hold for the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Tags without namespaces (HTML needs none), the figure's name in front of ids, the page's colours."""
    element.tag = _local(element.tag)
    attributes = {_local(key): value for key, value in element.attrib.items()}
    element.attrib.clear()
    for key, value in attributes.items():
        if key == "id":
            value = f"{name}-{value}"
        elif key == "href":
            value = f"#{name}-{value.removeprefix('#')}"
        elif key == "style":
            value = _style(value)
        elif key in ("fill", "stroke") and value in PALETTE:
            key, value = "style", f"{key}: {_variable(value)}"
        element.set(key, re.sub(r"url\(#", f"url(#{name}-", value))


def _style(style: str) -> str:
    """A style in the page's variables and fonts. Only styles are touched: text may contain anything."""
    style = re.sub(r"#[0-9a-f]{6}\b", lambda m: _variable(m.group()), style)
    kept = [_font(part.strip()) for part in style.split(";") if part.strip()]
    return "; ".join(part for part in kept if part)


def _variable(colour: str) -> str:
    return f"var(--{PALETTE[colour]}, {colour})" if colour in PALETTE else colour


def _font(declaration: str) -> str:
    """`font: 700 11px 'DejaVu Sans', …` reduced to its size and weight; the family is the page's."""
    if not declaration.startswith("font:"):
        return "" if declaration.startswith("font-family:") else declaration
    size = re.search(r"([\d.]+)px", declaration)
    weight = "; font-weight: 700" if re.search(r"\b(bold|700)\b", declaration) else ""
    return f"font-size: {size.group(1)}px{weight}" if size else ""
