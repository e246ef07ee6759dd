"""Drawings of the report, fit for a page of the portal: only shapes and text, and no style that its pages forbid.

    Matplotlib ──► report.drawing ──► <svg style="fill: var(--ink)"> ──fit──► <svg fill="var(--ink)">

The portal's pages allow no style inline, which an attribute `style` is; SVG has attributes of its own for the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from xml.etree import ElementTree

from lepton_fed.report.described import Drawing

ELEMENTS = frozenset(
    ("svg", "title", "g", "path", "rect", "circle", "line", "polygon", "text", "tspan", "use", "defs", "clipPath")
)
PRESENTATION = frozenset(
    ("fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
     "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity", "clip-rule",
     "font-size", "font-weight", "text-anchor", "dominant-baseline")
)  # fmt: skip
"""Properties of a style that are attributes as well."""
ATTRIBUTES = PRESENTATION | frozenset(
    ("id", "d", "x", "y", "x1", "y1", "x2", "y2", "r", "cx", "cy", "points", "width", "height", "transform", "viewBox",
     "clip-path", "href", "role", "aria-labelledby", "preserveAspectRatio")
)  # fmt: skip

_PLAIN = re.compile(r"[^<>\"'\\;{}]*")
_WITHIN = re.compile(r"url\(#[\w.-]+\)")
_DRAWING = threading.Lock()
"""Matplotlib keeps its style in one place for the whole process."""


def drawn(figure: Callable[[], str]) -> str:
    """What the figure draws, fit for a page; empty where it draws nothing."""
    with _DRAWING:
        made = figure()
    return made.changed(fit) if isinstance(made, Drawing) else fit(made) if made else ""


def fit(text: str) -> str:
    """An `<svg>` with nothing in it but shapes and text; what it does not know is left out."""
    # What the report draws is our own; and this parser fetches nothing, nor resolves what a document type declares.
    root = ElementTree.fromstring(text)  # noqa: S314
    _keep_known(root)
    return ElementTree.tostring(root, encoding="unicode")


def _keep_known(element: ElementTree.Element) -> None:
    element.tag = _local(element.tag)
    given = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in (*_of_style(given.pop("style", "")), *given.items()):
        if name in ATTRIBUTES and _stays_here(name, value):
            element.set(name, value)
    for child in list(element):
        if isinstance(child.tag, str) and _local(child.tag) in ELEMENTS:
            _keep_known(child)
        else:
            element.remove(child)


def _of_style(style: str) -> list[tuple[str, str]]:
    declared = [part.partition(":") for part in style.split(";")]
    return [(name.strip(), value.strip()) for name, _, value in declared if name.strip() in PRESENTATION]


def _stays_here(name: str, value: str) -> bool:
    """Whether an attribute refers to nothing but this page."""
    if name == "href":
        return value.startswith("#")
    if not _PLAIN.fullmatch(value):
        return False
    return "url" not in value.lower() or _WITHIN.fullmatch(value) is not None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
