"""Parts of the audit's sentences: which round is meant, what can be done instead."""

from __future__ import annotations

from lepton_fed.secagg.plan import Plan
from lepton_fed.sums import Scheme
from lepton_fed.translation import Sentence, joined, sentence, some


def when(scheme: Scheme, plan: Plan) -> str:
    """Which round is meant, where not all are alike: to stand before the rest of a sentence."""
    writes = scheme.turnout_of(plan).writes
    drawn = frozenset[str]().union(*writes.values())
    if drawn != frozenset[str]().union(*scheme.everybody().writes.values()):
        names = some(n for n in scheme.settings.names if n in drawn)
        return sentence("in a round that draws {names}, ", names=names)
    if scheme.settings.coupling.kind == "clusters" and len(writes) > 1:
        sizes = joined(" and ", (str(len(members)) for members in writes.values()))
        return sentence("in a round with hubs of {sizes}, ", sizes=sizes)
    return ""


def or_plain(why: Sentence) -> Sentence:
    """What is in the way of secure sums, and that there are others."""
    return sentence("{why}; or say aggregation.secure = false, and the report will say so", why=why)
