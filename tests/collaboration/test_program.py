"""The program with which the project began, as far as it draws the graph and says what is shared, word for word."""

from __future__ import annotations

from lepton_fed.policy import Decision

PROGRAM = """
from lepton_fed import Graph, DataSharing
graph = Graph()
graph.add_node('研发部门'); graph.add_node('生产车间'); graph.add_node('供应链部门')
graph.add_edge('研发部门', '生产车间', '生产线数据')
graph.add_edge('研发部门', '供应链部门', '物料管理')
data_sharing = DataSharing(graph)
data_sharing.add_node('生产车间', '生产线数据')
data_sharing.add_node('供应链部门', '物料管理')
data_sharing.add_edge('生产车间', '研发部门', '生产线数据')
data_sharing.add_edge('供应链部门', '研发部门', '物料管理')
data_sharing.add_access_control('生产线数据', '研发部门', '读取')
data_sharing.add_access_control('物料管理', '研发部门', '读取')
"""


def test_the_program_runs_and_means_what_it_says() -> None:
    names: dict[str, object] = {}
    exec(PROGRAM, names)
    from lepton_fed import DataSharing, Graph

    graph, sharing = names["graph"], names["data_sharing"]
    assert isinstance(graph, Graph)
    assert isinstance(sharing, DataSharing)
    assert graph.sharing is sharing
    assert graph.dependencies("研发部门") == ("生产车间", "供应链部门")
    assert [str(edge) for edge in graph.edges] == [
        "研发部门 depends on 生产车间 for 生产线数据",
        "研发部门 depends on 供应链部门 for 物料管理",
    ]
    assert graph.stages() == (("生产车间", "供应链部门"), ("研发部门",))
    assert [str(one) for one in sharing.passages()] == [
        "生产线数据 flows from 生产车间 to 研发部门",
        "物料管理 flows from 供应链部门 to 研发部门",
    ]
    assert sharing.permitted("生产车间", "研发部门", "生产线数据") == ("read",)
    assert sharing.decide("研发部门", "读取", "生产线数据", "生产车间") == Decision(
        True, "生产车间 permits 研发部门 to read '生产线数据'"
    )
    assert graph.balance().sound


def test_to_read_is_not_to_train_so_nobody_learns_from_anybody() -> None:
    names: dict[str, object] = {}
    exec(PROGRAM, names)
    assert names["graph"].training() == {}  # type: ignore[attr-defined]
