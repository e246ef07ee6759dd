"""Parts of the audit's sentences: names in a row, which round is meant, what can be done instead."""

from __future__ import annotations

from collections.abc import Iterable

from lepton_fed.secagg.plan import Plan
from lepton_fed.sums import Scheme
from lepton_fed.translation import Sentence, joined, sentence


def few(names: Iterable[str], most: int = 8) -> Sentence:
    """Names in a row; of a long row its beginning and how many more there are."""
    listed = list(names)
    shown = joined(", ", listed[:most])
    return shown if len(listed) <= most else sentence("{names} and {more} more", names=shown, more=len(listed) - most)


def when(scheme: Scheme, plan: Plan) -> str:
    """Which round is meant, where not all are alike: to stand before the rest of a sentence."""
    writes = scheme.turnout_of(plan).writes
    drawn = frozenset[str]().union(*writes.values())
    if drawn != frozenset[str]().union(*scheme.everybody().writes.values()):
        names = few(n for n in scheme.settings.names if n in drawn)
        return sentence("in a round that draws {names}, ", names=names)
    if scheme.settings.coupling.kind == "clusters" and len(writes) > 1:
        sizes = joined(" and ", (str(len(members)) for members in writes.values()))
        return sentence("in a round with hubs of {sizes}, ", sizes=sizes)
    return ""


def or_plain(why: Sentence) -> Sentence:
    """What is in the way of secure sums, and that there are others."""
    return sentence("{why}; or say aggregation.secure = false, and the report will say so", why=why)
