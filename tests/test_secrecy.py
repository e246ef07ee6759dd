"""What secure sums promise for a federation file, and each sentence with which they are refused, in Chinese too."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lepton_fed.cohorts import hubs
from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.plan import verdicts
from lepton_fed.secagg.review import Terms
from lepton_fed.secrecy import Audit, audit, require_safe
from lepton_fed.settings import (
    Aggregation,
    Coupling,
    DepartmentSettings,
    Flow,
    Grant,
    NoiseSettings,
    Rounds,
    Settings,
    Weights,
)
from lepton_fed.sums import Scheme, enrolled, roster_of
from lepton_fed.translation import translated
from tests.configs.test_examples import examples
from tests.couplings.small import PERMIT, settings
from tests.federations import COUPLINGS, write
from tests.speaking import in_chinese
from tests.thoroughness import at_most

NAMES = ("内科", "外科", "儿科", "骨科", "药房", "急诊", "眼科", "皮肤科", "口腔科", "康复科")
UNIFORM = Weights(alpha="uniform")
CLUSTERS = Coupling(kind="clusters", hubs=2)


def of(count: int, **tables: Any) -> Settings:
    """So many departments that all learn from each other, with equal weights, but for the tables given."""
    return settings(NAMES[:count], **({"aggregation": Aggregation(), "weights": UNIFORM} | tables))


def asking(**keys: Any) -> Aggregation:
    return Aggregation(**keys)


def noisy(multiplier: float = 2.0) -> Aggregation:
    return Aggregation(noise=NoiseSettings(norm=1.0, multiplier=multiplier))


def forbidden(count: int) -> Settings:
    """The third does not let the second learn from it."""
    rule = Grant(what="更新", who=(NAMES[1],), action="train", owner=(NAMES[2],), effect="forbid")
    return of(count, access=(*PERMIT, rule))


def flows(*pairs: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Flow, ...]:
    return tuple(Flow(what="更新", from_=givers, to=takers) for givers, takers in pairs)


def audited(chosen: Settings, *args: Any, **keys: Any) -> Audit:
    """What the audit finds, all of which is said in Chinese too."""
    found = audit(chosen, *args, **keys)
    names = (*chosen.names, *(hub.name for hub in hubs(chosen)))
    for one in (*found.sentences, *([] if found.refused is None else [found.refused])):
        in_chinese(one, names)
    return found


OVERLAPPING = flows((NAMES[:6], NAMES[:3]), (NAMES[3:9], NAMES[6:9]))
"""Two crowds of nine, some of whom are in both."""


def said(found: Audit) -> str:
    return " ".join(found.sentences)


def refusal(chosen: Settings, **keys: Any) -> str:
    found = audited(chosen, **keys)
    assert found.refused is not None
    assert "\n" not in found.refused
    return found.refused


# ---------------------------------------------------------------- what is promised


def test_plain_sums_are_said_to_be_plain_and_are_never_refused() -> None:
    found = audited(of(1, aggregation=Aggregation(secure=False)))
    assert (found.secure, found.refused, found.modes) == (False, None, {})
    assert found.sentences == ("sums are plain: the coordinator could see single updates",)


def test_one_crowd_is_summed_by_atoms() -> None:
    found = audited(of(4))
    assert found.refused is None
    assert found.modes == {"updates": "atom", "measurements": "atom"}


def test_overlapping_crowds_that_pass_are_summed_by_cohorts() -> None:
    first, second, both = NAMES[:3], NAMES[6:9], NAMES[3:6]
    departments = tuple(
        DepartmentSettings(name=n, roles=("source",) if n in both else ("source", "target")) for n in NAMES[:9]
    )
    chosen = of(
        9,
        aggregation=asking(colluders=0),
        sharing=flows((first + both, first), (NAMES[1:9], second)),
        departments=departments,
    )
    found = audited(chosen)
    assert found.refused is None
    assert found.modes["updates"] == "cohort"
    assert "cohort mode: departments differ in the sums they are in" in said(found)


def test_three_departments_are_told_what_they_disclose() -> None:
    text = said(audited(of(3)))
    assert "one absence fails the round" in text
    assert "each learns the sum of the other two, and two together learn the third's" in text
    assert "each can find how far apart the other two's models are" in text
    assert "spread and the joint loss tell how far apart a crowd's models are" in text


def test_more_departments_are_told_what_they_learn() -> None:
    text = said(audited(of(4)))
    assert "and so the sum of the others by taking their own numbers away" in text
    assert "1 drop-out can be survived" in text
    assert "the other two" not in text


def test_a_band_of_counts_is_said() -> None:
    found = audited(of(5, weights=Weights(counts=(100.0, 300.0))))
    assert found.refused is None
    assert "example counts are secret, and brought between 100 and 300 before they weigh" in said(found)
    assert "accepted), where its secret weight is 3 times the others'" in said(found)


def test_a_report_without_enough_who_have_rows_is_said() -> None:
    departments = tuple(
        DepartmentSettings(name=n, roles=("source",) if k < 3 else ("source", "target"))
        for k, n in enumerate(NAMES[:5])
    )
    found = audited(of(5, departments=departments))
    assert set(found.modes) == {"updates"}
    assert "joint loss are not reported: too few targets have rows" in said(found)


@pytest.mark.parametrize(
    ("across", "words"),
    [("off", "are not compared"), ("warn", "and warn where"), ("enforce", "and take no part where")],
)
def test_what_is_done_across_rounds_is_said(across: Any, words: str) -> None:
    assert words in said(audited(of(4, aggregation=asking(across_rounds=across))))


# ---------------------------------------------------------------- settings that do not fit


def test_more_departments_than_a_complete_graph_takes_are_refused() -> None:
    names = tuple(f"部门 {k}" for k in range(101))
    text = refusal(settings(names, aggregation=Aggregation(), weights=UNIFORM))
    assert "secure sums are for 2 to 100 departments, and 101 take part; or say aggregation.secure = false" in text


def test_two_departments_must_say_that_the_coordinator_alone_is_enough() -> None:
    text = refusal(of(2))
    assert "two departments can be protected from the coordinator only" in text
    assert "aggregation.crowd = 1 here and crowd = 1 under [terms] in both departments' own files" in text
    found = audited(of(2, aggregation=asking(crowd=1)))
    assert found.refused is None
    assert "protects from the coordinator only" in said(found)


def test_two_departments_of_whom_one_colludes_leave_nobody_to_protect() -> None:
    text = refusal(of(2, aggregation=asking(crowd=1, colluders=1)))
    assert "aggregation.colluders is 1, and of 2 departments at most 0 may collude" in text


def test_too_few_for_the_crowd_beside_those_that_collude_are_told_how_many_are_needed() -> None:
    text = refusal(of(4, aggregation=asking(crowd=3, colluders=2)))
    assert "4 departments take part in a round, and 5 are needed for a crowd of 3 beside 2 that may collude" in text


@pytest.mark.parametrize(
    ("count", "widest"),
    [(3, "2.8"), (4, "3.4"), (5, "4"), (10, "6")],
)
def test_missing_counts_are_refused_with_the_widest_band_that_passes(count: int, widest: str) -> None:
    text = refusal(of(count, weights=Weights()))
    assert text.startswith("weights.counts is missing")
    assert f"with the largest at most {widest} times the smallest; or say alpha = 'uniform'; or say" in text
    assert audited(of(count, weights=Weights(counts=(1.0, float(widest))))).refused is None
    wider = refusal(of(count, weights=Weights(counts=(1.0, float(widest) + 0.1))))
    assert f"bring weights.counts closer together, the largest at most {widest} times the smallest" in wider


def test_the_widest_band_goes_by_the_smallest_sum_that_can_come() -> None:
    assert "at most 4 times" in refusal(of(10, weights=Weights(), rounds=Rounds(participants=5)))
    # A hub of ten with three that collude has six or more, so two are never kept; with one, four do.
    assert "at most 6 times" in refusal(of(10, weights=Weights(), coupling=CLUSTERS))
    few = of(10, weights=Weights(), coupling=CLUSTERS, aggregation=asking(colluders=1))
    assert "at most 3.4 times" in refusal(few)


def test_a_crowd_soft_that_no_band_meets_gives_no_number() -> None:
    text = refusal(of(3, weights=Weights(), aggregation=asking(crowd_soft=9.0)))
    assert "counts = [smallest, largest]; or say alpha" in text
    both = of(3, weights=Weights(counts=(1.0, 2.0)), aggregation=asking(crowd_soft=9.0))
    assert "lower aggregation.crowd_soft" in refusal(both)


def test_noise_needs_public_weights() -> None:
    text = refusal(of(6, weights=Weights(), aggregation=noisy()))
    assert "aggregation.noise needs public weights" in text


def test_sealed_sums_need_one_common_model_and_sources_that_are_targets() -> None:
    sealed = asking(coordinator_sees="nothing")
    assert "needs one common model; here sources differ from target to target" in refusal(
        of(8, aggregation=sealed, access=forbidden(8).access)
    )
    assert "needs one common model, and clusters has several" in refusal(of(8, aggregation=sealed, coupling=CLUSTERS))
    departments = tuple(DepartmentSettings(name=n, roles=("source",) if k == 4 else ("source", "target"))
                        for k, n in enumerate(NAMES[:5]))  # fmt: skip
    assert "needs sources that are targets too; 药房 is none" in refusal(
        of(5, aggregation=sealed, departments=departments)
    )


def test_sealed_sums_say_who_opens_them_and_what_a_colluding_recipient_does() -> None:
    found = audited(of(4, aggregation=asking(coordinator_sees="nothing")))
    assert found.refused is None
    text = said(found)
    assert "the coordinator sees no sum, only the report's totals: sums are sealed for 内科, 外科, 儿科, 骨科" in text
    assert "one of them that colludes could open the seal" in text
    assert "sealed" not in said(audited(of(4)))
    assert "the joint loss leaves out" not in text
    targets = (*of(4).departments, DepartmentSettings(name="研发部门", roles=("target",)))
    with_a_reader = audited(of(4, departments=targets, aggregation=asking(coordinator_sees="nothing")))
    assert "the joint loss leaves out 研发部门, who have no rows" in said(with_a_reader)


# ---------------------------------------------------------------- who would be exposed


def test_a_source_that_one_target_may_not_learn_from_is_exposed_by_a_difference() -> None:
    text = refusal(forbidden(4))
    assert "who sees the sums can compute '内科、儿科、骨科' - '外科', which involves only 儿科" in text
    assert "the smallest change that passes: let 内科, 外科, 儿科, 骨科 all learn from 内科, 外科, 儿科, 骨科" in text
    found = audited(forbidden(4))
    assert found.modes == {"updates": "refused", "measurements": "atom"}
    assert "updates: refused: who sees the sums can compute" in said(found)


def test_the_change_that_is_proposed_passes() -> None:
    assert audited(of(4)).refused is None


def test_a_ring_of_three_is_refused_with_the_merge_of_all() -> None:
    one, two, three = ((name,) for name in NAMES[:3])
    text = refusal(of(3, sharing=flows((one, two), (two, three), (three, one))))
    assert "which involves only" in text
    assert "let 内科, 外科, 儿科 all learn from 内科, 外科, 儿科" in text


def test_who_dominates_is_named() -> None:
    text = refusal(of(3, weights=Weights(alpha={"内科": 1.0, "外科": 9.0, "儿科": 1.0})))
    assert "外科 can make up 97.6% of what sums tell (its leverage), and 80% are accepted" in text
    assert "make weights.alpha more even" in text


def test_a_source_of_weight_0_hides_nobody_and_is_refused_however_many_there_are() -> None:
    for many in (3, 6):
        weights = Weights(alpha=dict.fromkeys(NAMES[:many], 1.0) | {NAMES[2]: 0.0})
        assert f"weights.alpha of {NAMES[2]} is 0" in refusal(of(many, weights=weights))
        targets = tuple(replace(d, roles=("target",)) if d.name == NAMES[2] else d for d in of(many).departments)
        if many == 6:
            assert audited(of(many, weights=weights, departments=targets)).refused is None


# ---------------------------------------------------------------- drawn participants, clusters


def test_a_draw_that_is_too_small_is_refused_with_who_is_in_it() -> None:
    text = refusal(of(6, rounds=Rounds(participants=3)))
    assert "in a round that draws" in text
    assert "and 5 departments are needed" in text
    assert audited(of(6, rounds=Rounds(participants=5))).refused is None
    assert audited(of(6, rounds=Rounds(participants=6))).refused is None


def test_rounds_without_a_report_have_fewer_members_and_are_audited_too() -> None:
    chosen = {"aggregation": asking(colluders=0, crowd=2), "rounds": Rounds(participants=2)}
    assert "in a round that draws" in refusal(of(4, **chosen))
    chosen["rounds"] = Rounds(participants=2, evaluate_every=2)
    assert "2 departments take part in a round, and 3 are needed" in refusal(of(4, **chosen))


def test_the_least_even_draw_is_audited() -> None:
    alpha = dict.fromkeys(NAMES[:6], 10.0) | {"内科": 25.0, "外科": 1.0, "儿科": 1.0, "骨科": 1.0}
    weights, rounds = Weights(alpha=alpha), Rounds(participants=4)
    chosen = {"weights": weights, "aggregation": asking(colluders=1, crowd=2)}
    assert audited(of(6, **chosen)).refused is None
    text = refusal(of(6, **chosen, rounds=rounds))
    assert "in a round that draws 内科, 外科, 儿科, 骨科, 内科 can make up 99.5%" in text


def test_a_draw_that_leaves_one_alone_in_a_hub_is_refused() -> None:
    chosen = of(8, sharing=flows((NAMES[:4], NAMES[:4]), (NAMES[4:8], NAMES[4:8])), aggregation=asking(colluders=1))
    assert audited(chosen).refused is None
    halves = {"sharing": chosen.sharing, "aggregation": chosen.aggregation}
    text = refusal(of(8, **halves, rounds=Rounds(participants=5)))
    assert "involves only 骨科, and 4 departments are needed" in text


def test_hubs_that_are_declared_are_never_too_small() -> None:
    found = audited(of(8, coupling=CLUSTERS))
    assert found.refused is None
    assert "who declares one that fewer than 5 do writes to the largest" in said(found)
    assert "spread tells how far" in said(found)


def test_the_smallest_hub_that_is_kept_must_hide_its_heaviest() -> None:
    few = {"coupling": CLUSTERS, "aggregation": asking(colluders=1)}
    assert audited(of(8, **few, weights=Weights(counts=(100.0, 340.0)))).refused is None
    text = refusal(of(8, **few, weights=Weights(counts=(100.0, 400.0))))
    assert "in a round with hubs of 4 and 4, " in text


# ---------------------------------------------------------------- noise


def test_epsilon_is_of_the_whole_run_with_its_delta() -> None:
    found = audited(of(6, aggregation=noisy()), 1000)
    assert found.refused is None
    assert found.epsilon is not None and found.delta is not None
    assert found.epsilon > 1
    assert 1e-5 < found.delta < 1.1e-5  # what the sampler leaves out is added
    assert f"the whole run of 20 rounds is ({found.epsilon:.3g}, 1e-05)-differentially private" in said(found)
    assert "metrics and joint loss are not reported: they would cost privacy" in said(found)
    assert set(found.modes) == {"updates"}


def test_epsilon_grows_with_rounds_and_falls_with_the_multiplier() -> None:
    def epsilon(rounds: int, multiplier: float) -> float:
        found = audited(of(6, aggregation=noisy(multiplier), rounds=Rounds(count=rounds)), 1000).epsilon
        assert found is not None
        return found

    assert epsilon(1, 2.0) < epsilon(10, 2.0) < epsilon(100, 2.0)
    assert epsilon(10, 1.0) > epsilon(10, 2.0) > epsilon(10, 8.0)


def test_without_the_length_of_an_update_epsilon_is_left_open() -> None:
    found = audited(of(6, aggregation=noisy()))
    assert (found.epsilon, found.delta) == (None, None)
    assert "depends on the length of an update" in said(found)
    assert audited(of(6), 1000).epsilon is None


# ---------------------------------------------------------------- departments' own terms


def test_two_departments_must_say_so_in_their_own_files_too() -> None:
    chosen = of(2, aggregation=asking(crowd=1))
    text = refusal(chosen, terms={"内科": Terms(crowd=1), "外科": Terms()})
    assert text.startswith("外科 would take no part: this department hides among at least 2, the plan offers 1")
    assert "its own file must say crowd = 1 under [terms]" in text
    assert audited(chosen, terms=dict.fromkeys(NAMES[:2], Terms(crowd=1))).refused is None


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(crowd=4), "hides among at least 4, the plan offers 2; if that is enough"),
        (Terms(crowd_soft=Fraction(2)), "k_soft of 2, the plan offers 5/4; say aggregation.crowd_soft = 2"),
        (Terms(coordinator_sees="nothing"), "the plan is not sealed; say aggregation.coordinator_sees = 'nothing'"),
        (Terms(noise_multiplier=1.0), "a noise multiplier of 1, found 0; ask for as much under [aggregation.noise]"),
        (Terms(recipients=frozenset({"内科"})), "may not learn sums that contain this department; change [terms]"),
    ],
)
def test_who_would_take_no_part_is_named_with_the_reason(terms: Terms, words: str) -> None:
    text = refusal(of(4), terms={"儿科": terms, "骨科": terms, "内科": Terms()})
    assert text.startswith("儿科, 骨科 would take no part: ")
    assert words in text


def test_terms_of_who_is_in_no_sum_do_not_matter() -> None:
    departments = (*(DepartmentSettings(name=n) for n in NAMES[:4]), DepartmentSettings(name="院长", roles=()))
    assert audited(of(4, departments=departments), terms={"院长": Terms(crowd=9)}).refused is None


def test_terms_of_who_is_not_drawn_at_first_matter() -> None:
    departments = tuple(DepartmentSettings(name=n, roles=("source",)) for n in NAMES[:7])
    head = DepartmentSettings(name="院长", roles=("target",))
    chosen = of(7, rounds=Rounds(participants=5), departments=(*departments, head))
    assert audited(chosen, terms=dict.fromkeys(NAMES[:7], Terms())).refused is None
    for name in NAMES[:7]:
        text = refusal(chosen, terms={name: Terms(crowd=5)})
        assert text.startswith(f"{name} would take no part: this department hides among at least 5")


def test_the_audit_comes_before_departments_terms() -> None:
    text = refusal(forbidden(4), terms=dict.fromkeys(NAMES[:4], Terms(crowd=9)))
    assert "involves only 儿科" in text


def test_a_run_is_refused_with_the_same_sentence() -> None:
    require_safe(of(4))
    require_safe(of(2, aggregation=Aggregation(secure=False)))
    with pytest.raises(ConfigError) as caught:
        require_safe(forbidden(4))
    assert str(caught.value) == audit(forbidden(4)).refused
    with pytest.raises(ConfigError, match="外科 would take no part"):
        require_safe(of(4), {"外科": Terms(crowd=3)})


# ---------------------------------------------------------------- in Chinese


@examples
def test_what_is_said_of_an_example_is_said_in_chinese(path: Path) -> None:
    assert audited(Federation.load(path).settings, 1000).sentences


@pytest.mark.parametrize("name", COUPLINGS)
def test_what_is_said_of_each_coupling_is_said_in_chinese(name: str, tmp_path: Path) -> None:
    assert audited(Federation.load(write(tmp_path, COUPLINGS[name])).settings, 1000).sentences


def test_a_refusal_is_said_in_chinese_with_all_that_is_in_it() -> None:
    assert translated(refusal(forbidden(4)), "zh") == (
        "更新汇总不能隐藏所有部门：看到这些汇总的人可以算出汇总“内科、儿科、骨科”减去汇总“外科”，"
        "结果只涉及儿科，而需要 3 个部门；能够通过的最小改动：让内科、外科、儿科、骨科都从内科、外科、儿科、骨科学习；"
        "或者写 aggregation.secure = false，报告会如实注明"
    )
    text = refusal(of(2, aggregation=asking(crowd=1)), terms={"内科": Terms(crowd=1), "外科": Terms()})
    assert translated(text, "zh").startswith(
        "外科不会参与：本部门要求隐藏在至少 2 个部门的群体中，而轮次计划只提供 1 个；"
    )


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"aggregation": Aggregation(noise=NoiseSettings(norm=1e-20, multiplier=1.0))}, "实际为 1e-20 和"),
        ({"aggregation": noisy(1e-7)}, "无法进行安全汇总：更新汇总中儿科所在的原子可能溢出：数值可达"),
        (
            {"aggregation": noisy(1e-7), "sharing": OVERLAPPING},
            "无法进行安全汇总：更新汇总“内科、外科、儿科”可能溢出：",
        ),
    ],
)
def test_numbers_that_no_plan_can_be_made_of_are_refused_in_chinese(tables: dict[str, Any], words: str) -> None:
    assert words in translated(refusal(of(9, **tables)), "zh")


def test_a_name_that_no_roster_takes_is_refused_in_chinese() -> None:
    found = audit(settings(tuple(f"{k}{'x' * 101}" for k in range(4)), aggregation=Aggregation(), weights=UNIFORM))
    assert found.refused is not None
    assert in_chinese(found.refused, ["x" * 99]).startswith("无法进行安全汇总：名称须为 1 至 100 个可打印字符")


def test_noise_that_a_small_sum_does_not_carry_is_refused_in_chinese() -> None:
    halves = flows((NAMES[:5], NAMES[:5]), (NAMES[5:], NAMES[5:]))
    chosen = of(10, sharing=halves, aggregation=replace(noisy(), colluders=1))
    text = refusal(chosen, terms=dict.fromkeys(NAMES, Terms()))
    assert "and 2 more would take no part: too few survivors carry the noise of 'updates'; change [terms]" in text
    assert "及另外 2 个不会参与：提交的部门太少，承担不了更新汇总的噪声；" in translated(text, "zh")


# ---------------------------------------------------------------- any sharing graph


@st.composite
def graphs(draw: st.DrawFn) -> Settings:
    """Up to seven departments, each of which learns from some of the others."""
    names = NAMES[: draw(st.integers(2, 7))]
    pairs = [(one, other) for one, other in itertools.permutations(names, 2)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    everybody = draw(st.booleans())
    sharing = flows(*(((one,), (other,)) for one, other in chosen), *([(names, names)] if everybody else []))
    taught = {other for _, other in chosen} if not everybody else set(names)
    departments = tuple(
        DepartmentSettings(name=n, roles=("source", "target") if n in taught else ("source",)) for n in names
    )
    few = asking(colluders=draw(st.integers(0, 1)), crowd=draw(st.integers(1, 2)))
    return settings(names, departments=departments, sharing=sharing, aggregation=few, weights=UNIFORM)


@effort(deadline=None, max_examples=at_most(150))
@given(graphs())
def test_a_file_is_refused_exactly_where_the_plan_of_its_round_is(chosen: Settings) -> None:
    scheme = Scheme(chosen, hubs(chosen), 1)
    try:
        roster = roster_of(chosen, {n: n.encode().ljust(32)[:32] for n in enrolled(chosen)})
        plan = scheme.plan(roster, scheme.everybody(), model=bytes(32), round=1)
        accepted = all(verdict.mode != "refused" for _, verdict in verdicts(plan))
    except Malformed:
        accepted = False
    found = audited(chosen)
    assert (found.refused is None) == accepted
    assert ("refused" in found.modes.values()) <= (not accepted)
    assert all("\n" not in sentence for sentence in found.sentences)
