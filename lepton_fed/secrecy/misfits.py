"""Settings that secure sums cannot do, whatever is summed; each a sentence that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import floor, sqrt

from lepton_fed.cohorts import HubPlan
from lepton_fed.secagg.roster import LARGEST
from lepton_fed.secrecy.phrases import or_plain
from lepton_fed.secrecy.rounds import turnouts
from lepton_fed.settings import Settings
from lepton_fed.sums import Scheme, colluders, enrolled, fewest, public_weight
from lepton_fed.translation import Sentence, sentence


def misfits(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[Sentence]:
    """What stands in the way, the worst first."""
    many = len(enrolled(settings))
    if not 2 <= many <= LARGEST:
        yield or_plain(
            sentence("secure sums are for 2 to {most} departments, and {many} take part", most=LARGEST, many=many)
        )
        return
    yield from _uncrowded(settings, plans)
    yield from _uncounted(settings, plans)
    if settings.aggregation.sealed:
        yield from _unsealed(settings, plans)


def widest(settings: Settings, plans: tuple[HubPlan, ...]) -> float:
    """How many times the smallest count the largest may be, for the smallest sum."""
    many = min(len(members) for turnout in turnouts(Scheme(settings, plans, 1)) for members in turnout.writes.values())
    soft = Fraction(str(settings.aggregation.crowd_soft)) - 1
    return floor(10 * sqrt((many - 1) / soft)) / 10 if soft > 0 else float(LARGEST)


def _uncrowded(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[Sentence]:
    """Too few departments for the thresholds."""
    scheme, c, everybody = Scheme(settings, plans, 1), colluders(settings), len(enrolled(settings))
    if c > everybody - 2:
        yield or_plain(
            sentence(
                "aggregation.colluders is {c}, and of {many} departments at most {most} may collude, or nobody would "
                "be left to protect",
                c=c,
                many=everybody,
                most=everybody - 2,
            )
        )
        return
    many = min(len(turnout.members) for turnout in turnouts(scheme))
    if fewest(scheme, many) <= many:
        return
    if everybody == 2:
        yield or_plain(
            sentence(
                "two departments can be protected from the coordinator only, since each finds the other's numbers by "
                "taking its own away: if that is enough, say aggregation.crowd = 1 here and crowd = 1 under [terms] in "
                "both departments' own files"
            )
        )
        return
    yield or_plain(_too_few(many, fewest(scheme, many), scheme.crowd(many), c))


def _too_few(many: int, least: int, crowd: int, c: int) -> Sentence:
    if not c:
        return sentence(
            "{many} departments take part in a round, and {least} are needed for a crowd of {crowd} beside none that "
            "may collude: let more be sources, or lower aggregation.crowd or aggregation.colluders",
            many=many, least=least, crowd=crowd,
        )  # fmt: skip
    return sentence(
        "{many} departments take part in a round, and {least} are needed for a crowd of {crowd} beside {c} that may "
        "collude: let more be sources, or lower aggregation.crowd or aggregation.colluders",
        many=many, least=least, crowd=crowd, c=c,
    )  # fmt: skip


def _uncounted(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[Sentence]:
    """Sources that weigh nothing; example counts without a public band, or under noise."""
    weights = settings.weights
    for department in settings.departments:
        if department.is_source and not public_weight(settings, department.name):
            yield or_plain(
                sentence(
                    "weights.alpha of {name} is 0, and in secure sums a department of weight 0 would hide nobody: give "
                    "it a weight, or only the role target",
                    name=department.name,
                )
            )
    if weights.alpha != "examples":
        return
    if settings.aggregation.noise is not None:
        yield sentence(
            "aggregation.noise needs public weights: say weights.alpha = 'uniform', or a number for each source"
        )
    if weights.counts is None:
        yield or_plain(_no_band(widest(settings, plans)))


def _no_band(most: float) -> Sentence:
    if most < 1:
        return sentence(
            "weights.counts is missing: example counts stay secret, so the file must say between which numbers they "
            "are brought, as counts = [smallest, largest]; or say alpha = 'uniform'"
        )
    return sentence(
        "weights.counts is missing: example counts stay secret, so the file must say between which numbers they are "
        "brought, as counts = [smallest, largest] with the largest at most {most:g} times the smallest; or say alpha = "
        "'uniform'",
        most=most,
    )


def _unsealed(settings: Settings, plans: tuple[HubPlan, ...]) -> Iterator[Sentence]:
    """Why departments could not keep the common model themselves."""
    if settings.coupling.kind == "clusters":
        yield sentence("coordinator_sees = 'nothing' needs one common model, and clusters has several")
    elif len(plans) > 1:
        yield sentence("coordinator_sees = 'nothing' needs one common model; here sources differ from target to target")
    strangers = [n for p in plans for n in p.writers if n not in p.may_read]
    if strangers:
        yield sentence(
            "coordinator_sees = 'nothing' needs sources that are targets too; {name} is none", name=strangers[0]
        )
