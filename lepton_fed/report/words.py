"""Numbers as a reader's words: how a metric is called, which way is better, what a department gained.

A gain is counted so that positive is better: federated - alone where more is better, alone - federated for
losses and errors. Whether it is worth a sentence is decided here and nowhere else.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

from lepton_fed.report.content import Comparison

NOT_MEASURED = "not measured"

_NAMES = {
    "auc": "AUC",
    "f1": "F1",
    "r2": "R²",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "log_loss": "log loss",
}
_LOWER_IS_BETTER = frozenset({"loss", "log_loss", "mse", "mae", "joint_loss"})
_SHARES = frozenset({"accuracy", "balanced_accuracy", "auc", "average_precision", "f1"})

Verdict = Literal["gains", "same", "loses", "unknown"]


def metric_name(metric: str) -> str:
    """A metric as a reader writes it: `auc` is AUC, `balanced_accuracy` is balanced accuracy."""
    return _NAMES.get(metric, metric.replace("_", " "))


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of this metric is the better one."""
    return metric in _LOWER_IS_BETTER


def direction(metric: str) -> str:
    """Which way is better, as a short remark."""
    return "lower is better" if lower_is_better(metric) else "higher is better"


def measured(value: float | None) -> float | None:
    """The value where it is a finite number, else None."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None) -> str:
    """A metric's value at the precision a reader can use; "not measured" for None, NaN and infinities."""
    known = measured(value)
    if known is None:
        return NOT_MEASURED
    size = abs(known)
    if size >= 1e6 or 0 < size < 5e-4:
        return _minus(f"{known:.2e}")
    if size >= 100:
        return _minus(f"{known:,.0f}")
    return _minus(f"{known:.2f}" if size >= 10 else f"{known:.3f}")


def amount(value: float) -> str:
    """The size of a difference, without its sign: two decimals, more where two would say 0.00."""
    size = abs(value)
    return f"{size:.2f}" if 0.00995 <= size < 100 else number(size)


def signed(value: float | None) -> str:
    """A difference with its sign (a real minus, not a hyphen)."""
    known = measured(value)
    if known is None:
        return NOT_MEASURED
    return ("+" if known > 0 else "−" if known < 0 else "±") + amount(known)


def weight(value: float | None) -> str:
    """An α, β or λ; infinite is a legitimate β."""
    if value is None or math.isnan(value):
        return NOT_MEASURED
    return "∞" if math.isinf(value) else f"{value:.3g}"


def count(value: int | None) -> str:
    """A number of things, with thousands separated."""
    return NOT_MEASURED if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """Seconds in the units a reader would say them."""
    known = measured(seconds)
    if known is None or known < 0:
        return NOT_MEASURED
    if known < 1:
        return f"{known * 1000:.0f} ms"
    if known < 100:
        return f"{known:.1f} s"
    if known < 5940:
        return f"{known / 60:.0f} min"
    return f"{known / 3600:.1f} h" if known < 1e9 else f"{known / 3600:.1e} h"


def visible(text: str) -> str:
    """Text with every character that could not be seen, or could reorder its neighbours, made visible as �.

    Line ends and tabs become spaces, so that a name stays on its line. Characters of no assigned meaning in
    XML (controls, lone surrogates, U+FFFE) would make a figure unreadable.
    """
    return "".join(_seen(character) for character in text)


def _seen(character: str) -> str:
    if character in "\t\n\r\x0b\x0c\x85\u2028\u2029":
        return " "
    if (
        unicodedata.category(character) in ("Cc", "Cs")
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ):
        return "\ufffd"
    return "\ufffd" if character in "\ufffe\uffff" else character


def shortened(text: str, widest: float) -> str:
    """Text that fits into `widest` ems, ended by an ellipsis where it did not; for figures only."""
    text = visible(text)
    if ems(text) <= widest:
        return text
    kept = ""
    for character in text:
        if ems(kept + character) > widest - 0.8:
            break
        kept += character
    return kept.rstrip() + "…"


def ems(text: str) -> float:
    """About how wide text is set, in ems: a Chinese character is 1, a Latin one somewhat over a half."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)


@dataclass(frozen=True, slots=True)
class Gain:
    """What taking part brought one department, by one metric."""

    comparison: Comparison
    value: float | None
    """Positive is better; None where either side was not measured."""

    @property
    def department(self) -> str:
        return self.comparison.department

    @property
    def verdict(self) -> Verdict:
        """Half a hundredth of a share, or half a percent of an unbounded metric, is nothing to act on."""
        if self.value is None:
            return "unknown"
        least = 0.005 if self.comparison.metric in _SHARES else 0.005 * abs(measured(self.comparison.alone) or 0.0)
        if abs(self.value) < least or self.value == 0:
            return "same"
        return "gains" if self.value > 0 else "loses"

    @property
    def may_be_chance(self) -> bool:
        """Whether so few test examples can show such a difference by luck.

        The standard error of a share of n examples is at most 1 / (2 √n); twice that is the rule of thumb.
        It is no test of significance: rare classes make an AUC less certain than this.
        """
        n = self.comparison.examples
        if self.value is None or not n or self.verdict == "same" or self.comparison.metric not in _SHARES:
            return False
        return abs(self.value) < 1 / math.sqrt(n)


def gain(comparison: Comparison) -> Gain:
    """The gain of one comparison."""
    alone, federated = measured(comparison.alone), measured(comparison.federated)
    if alone is None or federated is None:
        return Gain(comparison, None)
    difference = federated - alone
    return Gain(comparison, -difference if lower_is_better(comparison.metric) else difference)


def sentence(one: Gain, brief: bool = False) -> str:
    """What a department's people should know, without the department's name; `brief` in long lists."""
    metric = metric_name(one.comparison.metric)
    federated = measured(one.comparison.federated)
    if federated is None:
        return "its result in the federation was not measured."
    if one.value is None:
        return f"reaches {number(federated)} {metric}; training alone was not measured."
    said = _verdict_words(one, metric)
    pooled = measured(one.comparison.pooled)
    if pooled is not None and not brief:
        said += f" Pooling everybody's rows would reach {number(pooled)}."
    if one.may_be_chance:
        said += f" With {count(one.comparison.examples)} test examples this can be chance."
    return said


def _verdict_words(one: Gain, metric: str) -> str:
    value, verdict = one.value or 0.0, one.verdict
    reached = f"from {number(one.comparison.alone)} alone to {number(one.comparison.federated)} together"
    if verdict == "gains":
        return f"gains {amount(value)} {metric}, {reached}."
    if verdict == "loses":
        return f"loses {amount(value)} {metric}, {reached}: consider beta or private parts."
    return f"stays as it is alone, {number(one.comparison.federated)} {metric}."


def headline(gains: list[Gain]) -> str:
    """The whole run in one sentence."""
    known = [g for g in gains if g.value is not None]
    if not known:
        return "What taking part brings was not measured in this run."
    better = sum(g.verdict == "gains" for g in known)
    worse = sum(g.verdict == "loses" for g in known)
    kept = len(known) - better - worse
    do = "does" if better == 1 else "do"
    who = f"{better:,} of {len(known):,} departments {do} better together than alone"
    rest = [f"{worse:,} {'does' if worse == 1 else 'do'} worse"] if worse else []
    rest += [f"{kept:,} {'stays' if kept == 1 else 'stay'} the same"] if kept else []
    return "; ".join([who, *rest]) + ("." if rest else ", and none does worse.")


def _minus(text: str) -> str:
    return text.replace("-", "−") if "e" not in text else text
