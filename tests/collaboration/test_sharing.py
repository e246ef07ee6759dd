"""Data sets, flows and rules: what is permitted, in both languages, and bad input in one clear sentence."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given

from lepton_fed.collaboration import DataSet, DataSharing, Graph
from lepton_fed.errors import ConfigError
from lepton_fed.policy import CHINESE, decide
from lepton_fed.settings import Grant
from tests.collaboration.graphs import RESEARCH, SUPPLY, WORKSHOP, graph_of, plant, shared


def test_it_registers_itself_once_on_its_graph() -> None:
    graph, sharing = plant()
    assert graph.sharing is sharing
    with pytest.raises(ConfigError, match=r"already has its data sharing; go on with graph\.sharing"):
        DataSharing(graph)
    assert graph.sharing is sharing


@pytest.mark.parametrize("word", get_args(get_type_hints(Grant)["action"]))
def test_every_action_is_understood_in_both_languages(word: str) -> None:
    graph = graph_of(names="甲乙")
    sharing = DataSharing(graph)
    sharing.add_node("甲", "表")
    sharing.add_edge("甲", "乙", "表")
    sharing.add_access_control("表", "乙", word)
    english = CHINESE.get(word, word)
    assert sharing.permitted("甲", "乙", "表") == (english,)
    for asked in (english, *(chinese for chinese, other in CHINESE.items() if other == english)):
        assert sharing.decide("乙", asked, "表", "甲").permitted
    assert sharing.decide("甲", word, "表", "甲").reason == f"no rule of 甲 permits 甲 to {english} '表'"


def test_nothing_is_permitted_without_a_rule_and_a_forbid_beats_a_permit() -> None:
    _, sharing = plant()
    assert sharing.permitted(WORKSHOP, SUPPLY, "生产线数据") == ()
    sharing.add_access_control("生产线数据", "*", "训练")
    assert sharing.permitted(WORKSHOP, SUPPLY, "生产线数据") == ("train",)
    sharing.add_access_control("生产线数据", [SUPPLY], "train", owner=WORKSHOP, effect="forbid")
    assert sharing.permitted(WORKSHOP, SUPPLY, "生产线数据") == ()
    assert (
        sharing.decide(SUPPLY, "训练", "生产线数据", WORKSHOP).reason
        == "生产车间 forbids 供应链部门 to train '生产线数据'"
    )


@given(shared())
def test_deciding_many_at_once_is_deciding_each(graph: Graph) -> None:
    assert graph.sharing is not None
    permitted = graph.sharing.permissions()
    for i in graph.departments:
        for j in graph.departments:
            for what in "xyz":
                asked = (a for a in CHINESE.values())
                expected = [
                    a for a in asked if decide(graph.sharing.grants, owner=i, who=j, verb=a, what=what).permitted
                ]
                assert list(permitted(i, j, what)) == expected


def test_everybody_is_one_line_and_many_pairs() -> None:
    graph = graph_of(names="甲乙丙")
    sharing = DataSharing(graph)
    sharing.add_node("甲", "表")
    sharing.add_node("丙", "表")
    sharing.add_edge("甲", "乙", "表", purpose="先说的")
    sharing.add_edge("*", "*", "表")
    assert len(sharing.flows) == 2
    found = list(sharing.passages())
    assert [(p.giver, p.taker) for p in found] == [("甲", "乙"), ("甲", "丙"), ("丙", "甲"), ("丙", "乙")]
    assert [p.named for p in found] == [True, False, False, False]
    assert found[0].terms.purpose == "先说的"
    assert sharing.owners("表") == ("甲", "丙")
    assert sharing.data_sets == (DataSet("甲", "表"), DataSet("丙", "表"))


READ = (RESEARCH, "读取")


@pytest.mark.parametrize(
    ("call", "arguments", "sentence"),
    [
        ("add_node", ("生产", "x"), "'生产' is no department of the graph; did you mean '生产车间'?"),
        ("add_node", (WORKSHOP, "生产线数据"), "'生产车间' already has a data set '生产线数据'; say it once"),
        ("add_node", (WORKSHOP, ""), "what may not be blank"),
        ("add_node", (WORKSHOP, 7), "a data set is named by a text, not by 7"),
        ("add_edge", ("车间", SUPPLY, "生产线数据"), "'车间' is no department of the graph; did you mean '生产车间'?"),
        ("add_edge", (WORKSHOP, "采购", "生产线数据"), "'采购' is no department of the graph; add_node makes it one"),
        ("add_edge", (WORKSHOP, WORKSHOP, "生产线数据"), "'生产线数据' flows from '生产车间' to itself; name another"),
        ("add_edge", (WORKSHOP, RESEARCH, "生产线数据"), "already flows from '生产车间' to '研发部门'; say it once"),
        ("add_edge", (WORKSHOP, SUPPLY, "生产线數据"), "has no data set '生产线數据'; did you mean '生产线数据'?"),
        ("add_edge", (SUPPLY, RESEARCH, "图纸"), "'供应链部门' has no data set '图纸'; add_node says who"),
        ("add_edge", ("*", RESEARCH, "图纸"), "nobody has a data set '图纸'; add_node says who has it"),
        ("add_edge", (WORKSHOP, [], "生产线数据"), "a list of departments is empty; name one, or '*' for all"),
        ("add_edge", (WORKSHOP, [SUPPLY, SUPPLY], "生产线数据"), "'供应链部门' is listed twice; once is enough"),
        ("add_edge", (WORKSHOP, [SUPPLY, "*"], "生产线数据"), "'*' alone already means every department"),
        ("add_access_control", ("生产线数据", RESEARCH, "读"), "action is '读', and must be one of 读取 "
            "read, 训练 train, 评估 evaluate, 聚合 aggregate, 发布 publish; did you mean '读取'?"),
        ("add_access_control", ("生产线数据", RESEARCH, "trian"), "did you mean 'train'?"),
        ("add_access_control", ("生产线数据", RESEARCH, None), "action is None, and must be one of"),
        ("add_access_control", ("生产线", *READ), "about '生产线', which nobody has; did you mean '生产线数据'?"),
        ("add_access_control", ("图纸", *READ), "a rule is about '图纸', which nobody has; add_node says who has it"),
        ("add_access_control", ("生产线数据", "研究部门", "读取"), "'研究部门' is no department of the graph"),
        ("add_access_control", ("生产线数据", RESEARCH, "read"), "may read '生产线数据' is there already; say it once"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    call: str, arguments: tuple[Any, ...], sentence: str
) -> None:
    _, sharing = plant()
    before = sharing.data_sets, sharing.flows, sharing.grants
    with pytest.raises(ConfigError) as told:
        getattr(sharing, call)(*arguments)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
    assert (sharing.data_sets, sharing.flows, sharing.grants) == before


def test_whose_rule_it_is_and_its_effect_are_checked() -> None:
    _, sharing = plant()
    with pytest.raises(ConfigError, match="which 研发部门 never said to have; add_node says who has it"):
        sharing.add_access_control("生产线数据", SUPPLY, "读取", owner=RESEARCH)
    with pytest.raises(ConfigError, match="effect is 'deny', and must be one of permit, forbid"):
        sharing.add_access_control("生产线数据", SUPPLY, "读取", effect="deny")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="action is '看'"):
        sharing.decide(RESEARCH, "看", "生产线数据", WORKSHOP)
    with pytest.raises(ConfigError, match="unknown key `expire`; did you mean `expires`"):
        sharing.add_edge(WORKSHOP, SUPPLY, "生产线数据", expire="2026-01-01")
