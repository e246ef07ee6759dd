"""What `explain` says is what the plan does, and nobody needs to know the words beforehand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lepton_fed.secagg.audit import Finding, Released, Rule, verdict
from lepton_fed.secagg.explain import explain, exposed
from lepton_fed.secagg.fixedpoint import FixedPoint
from lepton_fed.secagg.plan import Cohort, Group, Plan
from lepton_fed.secagg.skellam import Noise, variance_for
from tests.secagg.federation import LENGTH, Federation, group
from tests.speaking import in_chinese


def said(plan: Plan) -> str:
    """All of it in a row; each sentence is said in Chinese too."""
    names = {*plan.members, *(g.name for g in plan.groups), *(c.name for g in plan.groups for c in g.cohorts)}
    for one in explain(plan):
        in_chinese(one, names)
    return " ".join(explain(plan))


def of(federation: Federation, **cohorts: tuple[str, ...]) -> Plan:
    sums = tuple(Cohort.of(name, dict.fromkeys(members, 1)) for name, members in cohorts.items())
    return federation.plan((group(federation.names, cohorts=sums),))


def test_three_departments_are_told_what_they_learn_and_that_nobody_may_be_absent() -> None:
    text = said(Federation.of(3).plan())
    assert "no drop-outs can be survived, so one absence fails the round" in text
    assert "each learns the sum of the other two, and two together learn the third's" in text


def test_more_departments_are_told_how_many_may_be_absent() -> None:
    text = said(Federation.of(7).plan())
    assert "7 departments take part, 2 of whom may collude with the coordinator" in text
    assert "must involve at least 5, so that a crowd of 3 is left when 2 that collude take" in text
    assert "5 of 7 must deliver in every round, and 5 must then help to open its sums: 2 drop-outs" in text


def test_one_sum_is_one_atom_and_the_words_are_explained() -> None:
    text = said(Federation.of(7).plan())
    assert "atom mode: all 7 departments are in the same sums, which makes them one atom, departments that no" in text
    assert "an atom needs 5" in text
    assert "each department sends 1 masked vector; the smallest sum can lose 2 departments" in text
    assert "at most 14% of what sums tell (its leverage; 80% are accepted)" in text
    assert "and 20% or more once 2 that collude take their own part away" in text


def test_several_atoms_are_counted_with_the_smallest() -> None:
    federation = Federation.of(8, colluders=1)
    text = said(of(federation, everybody=federation.names, some=federation.names[:4]))
    assert "atom mode" in text
    assert "there are 2, the smallest has 4 departments, 4 are needed" in text


def test_cohort_mode_says_why_combinations_hide_everybody() -> None:
    federation = Federation.of(9, colluders=0)
    text = said(of(federation, a=federation.names[:6], b=federation.names[1:]))
    assert "cohort mode: departments differ in the sums they are in" in text
    assert "no combination of them involves fewer than 4 departments (" in text
    assert "each department sends 2 masked vectors" in text


def test_a_refusal_names_who_is_exposed_by_which_combination_and_the_way_out() -> None:
    federation = Federation.of(7)
    text = said(of(federation, everybody=federation.names, friends=federation.names[1:]))
    assert "who sees the sums can compute 'everybody' - 'friends', which involves only d00" in text
    assert "and 5 departments are needed" in text
    assert "it passes with everybody+friends as one sum" in text


def test_a_sum_over_too_few_is_named_and_has_no_way_out() -> None:
    federation = Federation.of(5, colluders=1)
    text = said(of(federation, everybody=federation.names, pair=federation.names[:2]))
    assert "the sum 'pair' involves only d00, d01, and 3 departments are needed" in text


def test_factors_of_a_combination_are_said() -> None:
    names = ("a", "b", "c", "d", "e", "f")
    halves = Released.of("half", names[1:], [Fraction(1, 2)] * 5)
    finding = verdict((Released.of("whole", names), halves), Rule.of(2, 0)).finding
    text = exposed(finding, Rule.of(2, 0))
    assert "'whole' - 2 x 'half', which involves only a" in text
    assert "可以算出汇总“whole”减去汇总“half”的 2 倍，结果只涉及a" in in_chinese(text, ("whole", "half"))


def test_dominance_is_said_with_what_is_accepted() -> None:
    rule = Rule.of(2, 0, band=Fraction(5))
    finding = verdict((Released.of("all", ("a", "b", "c", "d")),), rule).finding
    text = exposed(finding, rule)
    assert text.startswith("a can make up 89.3% of what sums tell (its leverage), and 80% are accepted")
    assert text.endswith("when its weight is 5 times the others'")


def test_what_could_not_be_proved_is_said_as_that() -> None:
    text = exposed(Finding(False, "too hard"), Rule.of(2, 1))
    assert "could not be proved" in text
    assert in_chinese(text) == "无法证明汇总的每种组合都涉及 3 个部门"


def test_two_departments_are_protected_from_the_coordinator_only() -> None:
    federation = Federation.of(2, colluders=0)
    plan = federation.plan(crowd=1)
    assert "protects from the coordinator only" in said(plan)
    assert "2 departments take part, none of whom may collude" in said(plan)
    assert "a crowd of 1 is left when whoever reads a sum takes its own numbers away" in said(plan)


def test_without_noise_sums_are_said_to_be_exact() -> None:
    assert "no noise is added: sums are exact to the fixed point" in said(Federation.of(4).plan())


def test_noise_is_said_with_epsilon_delta_and_what_they_mean() -> None:
    federation = Federation.of(4)
    noise = Noise(norm=1.0, variance=variance_for(2.0, 1.0, 2.0**10), honest=2)
    one = Group(
        "model", LENGTH, (), (Cohort.of("all", dict.fromkeys(federation.names, 1)),), FixedPoint(1.0, 2.0**10), noise
    )
    text = said(federation.plan((one,)))
    assert "one round is (" in text
    assert ", 1e-05)-differentially private for one department's contribution set to zero" in text
    assert "no noise" not in text


def test_a_sum_that_can_overflow_is_said() -> None:
    federation = Federation.of(4)
    wide = group(federation.names, fixed=FixedPoint(clip=8.0, scale=2.0**28))
    assert "can overflow" in said(federation.plan((wide,)))
    assert "no sum of honest contributions can overflow" in said(federation.plan())


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 10])
def test_every_sentence_is_one_line(count: int) -> None:
    plan = Federation.of(count, colluders=0).plan(crowd=1)
    assert all(sentence and "\n" not in sentence for sentence in explain(plan))
