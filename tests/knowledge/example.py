"""Two departments' facts, and policies: 研发部门 may read who supplies what to 供应链部门, and not at what price."""

from __future__ import annotations

from pathlib import Path

from lepton_fed.knowledge import Access, Asker, Fact, KnowledgeGraph, Literal, Provenance
from lepton_fed.policies import Context, Policies
from lepton_fed.settings import (
    Column,
    DataContract,
    DepartmentSettings,
    Grant,
    Identity,
    Label,
    ModelSettings,
    Settings,
)

SUPPLY, RESEARCH, QUALITY = "供应链部门", "研发部门", "质检部门"

CONTEXT = Context.outside_training(purpose="选型", hour=9)

SUPPLIES = [
    Fact("华东钢铁", "rdf:type", "供应商"),
    Fact("南方轴承", "rdf:type", "供应商"),
    Fact("齿轮箱", "rdf:type", "零件"),
    Fact("轴承", "rdf:type", "零件"),
    Fact("王芳", "rdf:type", "人员"),
    Fact("华东钢铁", "供应", "齿轮箱"),
    Fact("南方轴承", "供应", "轴承"),
    Fact("王芳", "供应", "轴承"),
    Fact("华东钢铁", "报价", Literal("125.5", "decimal")),
    Fact("王芳", "负责", "华东钢铁"),
]

RESEARCHES = [Fact("齿轮箱", "用于", "电机"), Fact("电机", "功率", Literal("15", "integer"))]


RELATIONS = {"供应", "rdf:type", "报价", "负责", "交付", "x"}


def grant(what: str, who: str = RESEARCH, action: str = "读取", owner: str = SUPPLY, effect: str = "permit") -> Grant:
    """About a relation of the examples, or else about a type."""
    kind = "relation" if what in RELATIONS else "type"
    return Grant(what=what, who=(who,), action=action, owner=(owner,), effect=effect, kind=kind)  # type: ignore[arg-type]


GRANTS = tuple(grant(what) for what in ("供应", "rdf:type", "供应商", "零件"))


def federation(*grants: Grant) -> Settings:
    """A federation of three with these grants."""
    return Settings(
        federation=Identity(name="制造", purpose="选型"),
        departments=tuple(DepartmentSettings(name=name) for name in (SUPPLY, RESEARCH, QUALITY)),
        data=DataContract(label=Label(meaning="x"), columns=(Column(name="x"),)),
        model=ModelSettings(name="linear"),
        access=grants,
    )


def policies(*grants: Grant) -> Policies:
    """Those of a federation of three with these grants."""
    return Policies.of(federation(*grants))


def access(department: str, *grants: Grant) -> Access:
    """Of a department, under the grants; by default those of the example."""
    return Access(policies(*(grants or GRANTS)), Asker(department=department, context=CONTEXT))


def provenance(department: str, by: str = "王芳") -> Provenance:
    return Provenance(department=department, source="测试", by=by)


def filled(folder: Path) -> KnowledgeGraph:
    """A graph with both departments' facts."""
    graph = KnowledgeGraph(folder / "知识.sqlite")
    graph.add(SUPPLIES, provenance(SUPPLY))
    graph.add(RESEARCHES, provenance(RESEARCH))
    return graph
