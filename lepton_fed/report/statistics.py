"""Federated statistics as a person reads them: lines for a terminal, tables and histograms for a page.

What too few rows stand behind is shown as `<10`, with the minimum's number; what there is not, as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from lepton_fed.report.words import ems, shortened, visible
from lepton_fed.statistics import Finding, Findings

HEADINGS = ("column", "class", "present", "missing", "mean", "deviation", "quantiles")

MOST_DRAWN = 40
"""Histograms on one page."""

MOST_LABELLED = 24
"""Categories that are drawn with their names."""


def lines(findings: Findings) -> list[str]:
    """A table and what is to be known of it."""
    from rich.cells import cell_len

    table = [HEADINGS, *(row(one, findings.minimum) for one in findings.findings)]
    widths = [max(cell_len(cells[k]) for cells in table) for k in range(len(HEADINGS))]
    padded = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    )
    return [*padded, *(f"note: {said}" for said in remarks(findings))]


def row(one: Finding, minimum: int) -> tuple[str, ...]:
    """A finding's cells, under `HEADINGS`."""
    few = f"<{minimum}"
    shown = "  ".join(f"{q.q:g}: {number(q.value)} ({number(q.low)} to {number(q.high)})" for q in one.quantiles)
    if one.present is None:
        return visible(one.column), visible(one.stratum), few, "", "", "", ""
    missing = few if one.missing is None else str(one.missing)
    return (
        visible(one.column),
        visible(one.stratum),
        str(one.present),
        missing,
        "" if one.mean is None else number(one.mean),
        "" if one.deviation is None else number(one.deviation),
        shown,
    )


def remarks(findings: Findings) -> Iterator[str]:
    """What is to be known of the numbers, sentence by sentence."""
    names = "、".join(visible(name) for name in findings.departments)
    yield f"over the rows of {names}, summed securely: nobody saw one department's counts"
    if findings.undercount:
        yield (
            f"a department lets no count of fewer than {findings.minimum} rows leave, so the counts of rows and values "
            f"may be off by {findings.undercount}, and bins may be empty that are not; means and quantiles are of the "
            "values that were counted"
        )
    if any(one.quantiles for one in findings.findings):
        yield "a quantile lies between the two numbers in brackets; within them straight lines are drawn"
    if findings.noisy:
        yield "every number carries noise, which the bounds do not know of"
    for name, why in findings.refused:
        yield f"{visible(name)} took no part: {visible(why)}"


def drawings(findings: Findings) -> list[tuple[str, str]]:
    """(title, `<svg>`) of each histogram, as many as a page holds."""
    drawn = [(one, k) for k, one in enumerate(findings.findings) if any(one.histogram)]
    return [(_title(one), histogram(one, f"histogram{k}")) for one, k in drawn[:MOST_DRAWN]]


def _title(one: Finding) -> str:
    return one.column if one.stratum == "" else f"{one.column}, class {one.stratum}"


def histogram(one: Finding, name: str) -> str:
    """A finding's counts as bars; a count that is not shown has none."""
    from lepton_fed.report import drawing

    counts = [float(count or 0) for count in one.histogram]
    with drawing.drawing():
        figure, axes = drawing.canvas(150, 56, 12, 8, 34)
        if one.edges:
            widths = [high - low or 1.0 for low, high in zip(one.edges, one.edges[1:], strict=False)]
            axes.bar(one.edges[:-1], counts, width=widths, align="edge", color=drawing.FEDERATED)
        else:
            axes.bar(range(len(counts)), counts, color=drawing.FEDERATED)
            if len(counts) <= MOST_LABELLED:
                longest = 40 / max(len(counts), 1)
                names = [shortened(visible(label), max(longest, 2.0)) for label in one.labels]
                axes.set_xticks(range(len(counts)), names, rotation=90 if max(map(ems, names)) > longest else 0)
            else:
                axes.set_xticks([])
        axes.set_ylabel("rows")
        said = ", ".join("too few" if count is None else str(count) for count in one.histogram)
        return drawing.svg(figure, name, f"Rows by value of {_title(one)}: {said}.")


def number(value: float) -> str:
    """Six digits, as many as a sum of whole columns deserves."""
    return f"{value:.6g}"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ findings.what }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d8dee6; vertical-align: top; }
figure { display: inline-block; margin: 1rem 1rem 0 0; } figure svg { width: 400px; }
</style></head><body>
<h1>Statistics of {{ findings.what }}</h1>
{% include "statistics" %}
</body></html>
"""

PART = """<div style="overflow-x: auto"><table>
<tr>{% for word in headings %}<th>{{ word }}</th>{% endfor %}</tr>
{% for cells in rows %}<tr>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
<ul>{% for said in remarks %}<li>{{ said }}</li>{% endfor %}</ul>
{% for title, drawing in drawings %}<figure>{{ drawing | safe }}<figcaption>{{ title }}</figcaption></figure>
{% endfor %}"""
"""The table, the remarks and the histograms, on a page of their own and in a run's report."""


def page(findings: Findings) -> str:
    """A whole page of HTML that asks nothing of any network."""
    return _rendered("page", findings)


def section(findings: Findings) -> str:
    """The part that belongs into a run's report."""
    return _rendered("statistics", findings)


def _rendered(name: str, findings: Findings) -> str:
    from jinja2 import DictLoader, Environment, StrictUndefined

    # `safe` is for drawings alone: they are serialised from an element tree, which escapes whatever text is in it.
    loader = DictLoader({"page": PAGE, "statistics": PART})
    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=loader)
    return environment.get_template(name).render(
        findings=findings,
        headings=HEADINGS,
        rows=[row(one, findings.minimum) for one in findings.findings],
        remarks=list(remarks(findings)),
        drawings=drawings(findings),
    )
