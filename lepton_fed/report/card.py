"""The model card of one target: what its model is, who taught it with which weight, for what it may be used.

Markdown under YAML front matter, in the shape that model hubs read. Values in the front matter are JSON
strings, which YAML reads as they are; text in the body is escaped, so that no name can start a heading, a
link or a tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from lepton_fed.report.content import Comparison, ReportContent
from lepton_fed.report.sentences import noise, updates
from lepton_fed.report.words import (
    gain,
    lower_is_better,
    measured,
    metric_name,
    number,
    sentence,
    visible,
    weight,
)
from lepton_fed.settings import Column

DIGEST_PLACEHOLDER = "<sha256 of the model file>"
"""Stands where the digest belongs while the model file is not written yet; replace it once it is."""

_MOST_NAMED = 30


def model_card(content: ReportContent, department: str, metrics: Mapping[str, float]) -> str:
    """The card of `department`'s model; `metrics` are its own, measured on that department's test part.

    Baselines come from `content.comparison`, file and digest from `content.models` (else a placeholder).
    """
    sections = (
        _front_matter(content, department, metrics),
        _what(content, department),
        _use(content),
        _results(content, department, metrics),
        _teachers(content, department),
        _data(content),
        _limits(content, department),
        _loading(content, department),
    )
    return "\n\n".join(sections) + "\n"


def _front_matter(content: ReportContent, department: str, metrics: Mapping[str, float]) -> str:
    task = _task(content)
    lines = [
        "---",
        "library_name: lepton-fed",
        f"pipeline_tag: {task}",
        "tags:",
        "- federated-learning",
        f"- {content.settings.coupling.kind}",
        "model-index:",
        f"- name: {_quoted(_name(content, department))}",
        "  results:",
        "  - task:",
        f"      type: {task}",
        "    dataset:",
        f"      name: {_quoted(f'test part of {department}')}",
        "      type: private",
        "    metrics:",
    ]
    known = {m: v for m, v in metrics.items() if measured(v) is not None}
    for metric, value in known.items():
        lines += [f"    - type: {_quoted(metric)}", f"      value: {value!r}"]
    if not known:
        lines[-1] += " []"
    return "\n".join([*lines, "---"])


def _task(content: ReportContent) -> str:
    data = content.settings.data
    if data.array is not None and len(data.array.shape) > 1 and data.label.classes:
        return "image-classification"
    return "tabular-classification" if data.label.classes else "tabular-regression"


def _name(content: ReportContent, department: str) -> str:
    return f"{content.federation} / {department}"


def _quoted(text: str) -> str:
    return json.dumps(visible(text), ensure_ascii=False)


def _what(content: ReportContent, department: str) -> str:
    s = content.settings
    own = s.department(department).model or s.model
    arguments = ", ".join(f"{key}={value!r}" for key, value in own.arguments.items())
    sizes = next((m for m in content.models if m.department == department), None)
    counted = f" {sizes.shared:,} of its parameters are shared, {sizes.private:,} are private." if sizes else ""
    description = s.department(department).description
    return _lines(
        f"# {escaped(_name(content, department))}",
        "",
        f"A model `{_code(own.name)}`{' with ' + escaped(arguments) if arguments else ''} that predicts "
        f"{escaped(s.data.label.meaning)} for {escaped(department)}, trained together with other departments "
        f"that showed each other no rows.{counted}",
        *(["", escaped(description)] if description else []),
        "",
        f"- Run: `{_code(content.run)}`, {escaped(content.status)}, "
        f"started {content.started.isoformat(timespec='seconds')}",
        f"- Federation's sha256: `{_code(content.fingerprint or 'not recorded')}`",
        f"- Coupling: {s.coupling.kind}, λ {weight(content.lambda_)}; rounds: {s.rounds.count}; "
        f"seed: {s.federation.seed}",
    )


def _use(content: ReportContent) -> str:
    return _lines(
        "## Intended use",
        "",
        f"{escaped(content.purpose)}",
        "",
        "The departments gave their part for this purpose; another purpose needs their consent.",
    )


def _results(content: ReportContent, department: str, metrics: Mapping[str, float]) -> str:
    mine = {c.metric: c for c in content.comparison if c.department == department}
    names = list(dict.fromkeys([*metrics, *mine]))
    if not names:
        return _lines("## Results", "", "Not measured.")
    rows = [_result(name, metrics.get(name), mine.get(name)) for name in names]
    primary = mine.get(content.metric)
    said = ["", f"Taking part: {escaped(department)} {escaped(sentence(gain(primary)))}"] if primary else []
    return _lines(
        "## Results",
        "",
        "On the department's own test part. *Alone*: trained on its own rows only. "
        "*Pooled*: trained on everybody's rows.",
        "",
        "| metric | this model | alone | pooled |",
        "|---|---:|---:|---:|",
        *rows,
        *said,
    )


def _result(metric: str, value: float | None, compared: Comparison | None) -> str:
    alone = number(compared.alone) if compared else number(None)
    pooled = number(compared.pooled) if compared else number(None)
    own = value if value is not None else compared.federated if compared else None
    better = "↓" if lower_is_better(metric) else "↑"
    return f"| {escaped(metric_name(metric))} {better} | {number(own)} | {alone} | {pooled} |"


def _teachers(content: ReportContent, department: str) -> str:
    sources = [s for s, t in dict.fromkeys(content.edges) if t == department]
    beta = (
        f"It was pulled to their mean with β {weight(content.beta[department])}." if department in content.beta else ""
    )
    if not sources:
        return _lines("## Who taught it", "", "Nobody else: it is the department's own work.")
    rows = [f"| {escaped(s)} | {escaped(_alpha(content, s))} |" for s in sources[:_MOST_NAMED]]
    more = [f"| and {len(sources) - _MOST_NAMED:,} more | |"] if len(sources) > _MOST_NAMED else []
    return _lines(
        "## Who taught it",
        "",
        "| department | weight α |",
        "|---|---|",
        *rows,
        *more,
        *(["", beta] if beta else []),
    )


def _alpha(content: ReportContent, source: str) -> str:
    found = [hub[source] for hub in content.alpha.values() if source in hub]
    said = dict.fromkeys("by its own count of examples" if a is None else weight(a) for a in found)
    return ", ".join(said) or "not recorded"


def _data(content: ReportContent) -> str:
    data = content.settings.data
    if data.array is not None:
        shape = " × ".join(map(str, data.array.shape))
        inputs = [f"- One array of shape {shape} per example, multiplied by {data.array.scale:g}"]
    else:
        inputs = [f"- {_column(c)}" for c in data.columns[:_MOST_NAMED]]
        if len(data.columns) > _MOST_NAMED:
            inputs.append(f"- and {len(data.columns) - _MOST_NAMED:,} more columns")
    classes = (
        f", one of {', '.join(escaped(c) for c in data.label.classes[:_MOST_NAMED])}"
        if data.label.classes
        else ", a number"
    )
    scaling = (
        "standardised with the training statistics of the department that uses it"
        if data.scale == "standard"
        else "not scaled"
    )
    return _lines(
        "## Data contract",
        "",
        "What an input must look like, at every department alike:",
        "",
        *inputs,
        "",
        f"Label: `{_code(data.label.column)}`, {escaped(data.label.meaning)}{classes}. Features are {scaling}. "
        f"{data.split.test:.0%} of each department's rows were held out as its test part.",
    )


def _column(column: Column) -> str:
    said = f"`{_code(column.name)}`: {column.type}"
    if column.range is not None:
        said += f" from {column.range[0]:g} to {column.range[1]:g}"
    if column.codes:
        codes = ", ".join(escaped(code) for code in column.codes[:_MOST_NAMED])
        said += f", {len(column.codes)} codes: {codes}{', …' if len(column.codes) > _MOST_NAMED else ''}"
    return said + (f"; missing values: {column.missing}" if column.missing != "refuse" else "")


def _limits(content: ReportContent, department: str) -> str:
    summed = " ".join(filter(None, (updates(content.sums), noise(content.sums))))
    return _lines(
        "## Limits",
        "",
        f"- The results hold for {escaped(department)} and rows like its test part, and for no others.",
        f"- {escaped(summed)}",
        "- A trained model can reveal something of its training rows; hand it on as carefully as those.",
        *(f"- {escaped(warning)}" for warning in content.warnings[:_MOST_NAMED]),
    )


def _loading(content: ReportContent, department: str) -> str:
    own = content.settings.department(department).model or content.settings.model
    model = next((m for m in content.models if m.department == department), None)
    file, digest = (model.file, model.sha256) if model else ("model.safetensors", DIGEST_PLACEHOLDER)
    return _lines(
        "## How to load it",
        "",
        f"sha256: `{_code(digest)}`",
        "",
        "```python",
        "from safetensors.torch import load_file",
        "",
        f"model = ...  # {_comment(own.name)}, arguments {_comment(repr(own.arguments))}",
        f"model.load_state_dict(load_file({visible(file)!r}))",
        "model.eval()",
        "```",
    )


def _comment(text: str) -> str:
    """Text on one line of a fenced block; only a fence at a line's start could end the block."""
    return visible(text)


def _code(text: str) -> str:
    """Text between backticks, of which it may have none itself."""
    return visible(text).replace("`", "ˋ")


def escaped(text: str) -> str:
    """Text of a person, with everything that Markdown or HTML would read as a sign escaped."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~$])", r"\\\1", visible(text)).replace("&", "&amp;")
    # Signs of lists and rules count at a line's beginning, where a name may stand; 0.5 is no list.
    return re.sub(r"^(\s*)(?:([-+=])|(\d+)([.)])(?=\s|$))", r"\1\3\\\2\4", text)


def _lines(*lines: str) -> str:
    return "\n".join(lines)
