"""E and the hubs: who learns from whom is what flows, as far as the owners' rules let training use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed import cohorts
from lepton_fed.cohorts import Denied, Edge, HubPlan, denied, edges, home, hubs, sources
from lepton_fed.errors import ConfigError
from lepton_fed.policy import Decision, decide, names
from lepton_fed.settings import Coupling, DepartmentSettings, Flow, Grant, Settings
from tests.couplings.small import EVERYBODY, PERMIT, settings

FORBID = Grant(what="更新", who=("外科",), action="train", owner=("儿科",), effect="forbid")


def departments(**roles: tuple[str, ...]) -> tuple[DepartmentSettings, ...]:
    return tuple(DepartmentSettings(name=n, roles=r) for n, r in roles.items())  # type: ignore[arg-type]


SOURCE, TARGET, BOTH = ("source",), ("target",), ("source", "target")


def test_on_the_complete_graph_everybody_shares_one_hub() -> None:
    chosen = settings()
    assert edges(chosen) == tuple(Edge(i, j) for j in chosen.names for i in chosen.names)
    (plan,) = hubs(chosen)
    assert plan == HubPlan("内科、外科、儿科", chosen.names, chosen.names)
    assert denied(chosen) == ()


def test_without_a_rule_nothing_flows_into_training() -> None:
    chosen = settings(access=())
    assert sources(chosen) == {}
    assert hubs(chosen) == ()
    assert len(denied(chosen)) == 6
    assert denied(chosen)[0] == Denied("内科", "外科", "更新", "no rule of 内科 permits 外科 to train '更新'")


def test_a_rule_without_a_flow_lets_nothing_through() -> None:
    assert hubs(settings(sharing=())) == ()
    assert denied(settings(sharing=())) == ()


def test_a_permit_for_another_action_is_not_one_for_training() -> None:
    read = Grant(what="更新", who=("*",), action="读取")
    assert hubs(settings(access=(read,))) == ()


def test_a_forbid_takes_one_source_from_one_target_and_makes_a_cohort_of_its_own() -> None:
    chosen = settings(access=(*PERMIT, FORBID))
    assert sources(chosen) == {
        "内科": ("内科", "外科", "儿科"),
        "外科": ("内科", "外科"),
        "儿科": ("内科", "外科", "儿科"),
    }
    assert hubs(chosen) == (
        HubPlan("内科、儿科", ("内科", "外科", "儿科"), ("内科", "儿科")),
        HubPlan("外科", ("内科", "外科"), ("外科",)),
    )
    assert denied(chosen) == (Denied("儿科", "外科", "更新", "儿科 forbids 外科 to train '更新'"),)


def test_what_another_flow_lets_through_is_not_denied() -> None:
    flows = (*EVERYBODY, Flow(what="另外", from_=("儿科",), to=("外科",)))
    chosen = settings(sharing=flows, access=(*PERMIT, FORBID, Grant(what="另外", who=("*",), action="train")))
    assert Edge("儿科", "外科") in edges(chosen)
    assert denied(chosen) == ()


def test_a_target_that_is_a_source_learns_from_its_own_rows_too() -> None:
    chosen = settings(sharing=(Flow(what="更新", from_=("内科",), to=("外科",)),))
    assert sources(chosen) == {"外科": ("内科", "外科")}
    assert hubs(chosen) == (HubPlan("外科", ("内科", "外科"), ("外科",)),)


def test_learning_from_oneself_alone_is_not_learning_together() -> None:
    assert sources(settings(sharing=(Flow(what="更新", from_=("内科",), to=("内科",)),))) == {}


def test_a_target_only_department_is_in_no_sum_and_a_source_only_one_reads_none() -> None:
    chosen = settings(departments=departments(甲=SOURCE, 乙=BOTH, 丙=TARGET, 丁=()), sharing=EVERYBODY, access=PERMIT)
    assert sources(chosen) == {"乙": ("甲", "乙"), "丙": ("甲", "乙")}
    assert hubs(chosen) == (HubPlan("乙、丙", ("甲", "乙"), ("乙", "丙")),)


def test_a_department_starts_from_the_hub_it_reads_else_from_the_largest_it_writes_to() -> None:
    small, large = HubPlan("小", ("甲", "乙"), ("乙",)), HubPlan("大", ("甲", "丙", "丁"), ("丙", "丁"))
    assert home("乙", (large, small)) == small
    assert home("甲", (small, large)) == large
    assert home("丙", (small, large)) == large
    assert home("戊", (small, large)) is None


def test_hubs_are_named_after_their_readers_many_by_first_and_last() -> None:
    assert hubs(settings(tuple("甲乙丙丁")))[0].name == "甲…丁 (4)"


# ---------------------------------------------------------------- clusters


def test_under_clusters_every_teacher_may_write_to_every_hub_and_all_read_all() -> None:
    chosen = settings(
        departments=departments(甲=SOURCE, 乙=BOTH, 丙=TARGET, 丁=()),
        sharing=EVERYBODY,
        access=PERMIT,
        coupling=Coupling(kind="clusters", hubs=2),
    )
    assert hubs(chosen) == tuple(HubPlan(f"hub {r}", ("甲", "乙"), ("甲", "乙", "丙")) for r in (1, 2))


def test_clusters_are_refused_where_a_rule_keeps_one_department_from_another() -> None:
    """Everybody reads every hub, so a hub would carry 儿科's update to 外科 against its rule."""
    chosen = settings(access=(*PERMIT, FORBID), coupling=Coupling(kind="clusters", hubs=2))
    with pytest.raises(ConfigError, match="外科 may not learn from 儿科, but everybody reads every hub"):
        hubs(chosen)


# ---------------------------------------------------------------- against the definition, and at scale

listed = st.lists(st.sampled_from(["甲", "乙", "丙", "*"]), min_size=1, max_size=2).map(tuple)
roles = st.sampled_from([SOURCE, TARGET, BOTH, ()])
federations = st.builds(
    lambda r, sharing, access: settings(
        departments=departments(甲=r[0], 乙=r[1], 丙=r[2]), sharing=sharing, access=access
    ),
    st.tuples(roles, roles, roles),
    st.lists(st.builds(Flow, what=st.sampled_from("xy"), from_=listed, to=listed), max_size=3).map(tuple),
    st.lists(
        st.builds(
            Grant,
            what=st.sampled_from("xy"),
            who=listed,
            owner=listed,
            action=st.sampled_from(["train", "训练", "read"]),
            effect=st.sampled_from(["permit", "permit", "forbid"]),
        ),
        max_size=4,
    ).map(tuple),
)


def allowed(chosen: Settings, i: DepartmentSettings, j: DepartmentSettings) -> bool:
    return any(
        names(f.from_, i.name)
        and names(f.to, j.name)
        and decide(chosen.access, owner=i.name, who=j.name, verb="train", what=f.what).permitted
        for f in chosen.sharing
    )


@given(federations)
def test_e_is_what_its_definition_says(chosen: Settings) -> None:
    expected = set()
    for j in chosen.departments:
        teachers = {i.name for i in chosen.departments if i.is_source and j.is_target and allowed(chosen, i, j)}
        if teachers - {j.name}:
            expected |= {Edge(i, j.name) for i in teachers}
            expected |= {Edge(j.name, j.name)} if j.is_source else set()
    assert set(edges(chosen)) == expected
    for plan in hubs(chosen):
        assert {Edge(i, j) for i in plan.writers for j in plan.readers} <= expected
    assert sum(len(p.writers) * len(p.readers) for p in hubs(chosen)) == len(expected)
    inside = {(e.source, e.target) for e in expected}
    assert all((d.source, d.target) not in inside for d in denied(chosen))


def test_a_thousand_departments_under_one_rule_need_one_decision_not_a_million(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def counted(*args: object, **named: object) -> Decision:
        asked.append(named)
        return decide(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(cohorts, "decide", counted)
    many = settings(tuple(f"科{k}" for k in range(1000)))
    (plan,) = hubs(many)
    assert len(plan.writers) == len(plan.readers) == 1000
    assert denied(many) == ()
    # One for hubs, two for denied, which asks for the sources as well.
    assert len(asked) == 3
