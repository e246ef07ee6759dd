"""A workshop, its neighbours and their rules, and a way to ask them that is short to write."""

from __future__ import annotations

from typing import Any

from lepton_fed.policies import CedarFile, Context, Decision, Policies, Request
from lepton_fed.settings import Flow, Grant, Settings
from tests.couplings import small

WORKSHOP, RESEARCH, SUPPLY, QUALITY, FINANCE = "生产车间", "研发部门", "供应链部门", "质检部门", "财务部门"
NAMES = (WORKSHOP, RESEARCH, SUPPLY, QUALITY, FINANCE)
LINE, MATERIALS, MODEL = "生产线数据", "物料管理", "质检模型"
SOURCE = "工厂.toml"
CODE = "sha256:aa11"

ACCESS = (
    Grant(what=LINE, who=(RESEARCH,), action="读取", owner=(WORKSHOP,)),
    Grant(what=LINE, who=(RESEARCH, QUALITY), action="train"),
    Grant(what=MATERIALS, who=(RESEARCH,), action="read"),
    Grant(what=LINE, who=("*",), action="评估"),
    Grant(what=LINE, who=(FINANCE,), action="evaluate", owner=(WORKSHOP,), effect="forbid"),
    Grant(what=MODEL, who=("*",), action="聚合", owner=(QUALITY,)),
    Grant(what=MODEL, who=(SUPPLY,), action="发布", owner=(QUALITY, WORKSHOP)),
)
SHARING = (
    Flow(what=LINE, from_=(WORKSHOP, SUPPLY), to=(RESEARCH, QUALITY)),
    Flow(what=MATERIALS, from_=(SUPPLY,), to=("*",)),
)

NIGHT = CedarFile(
    "night.cedar",
    """
    @id("night") @reason("白天机器忙")
    forbid (principal, action == Action::"train", resource) unless { context.hour >= 20 || context.hour < 6 };
    @id("crowd")
    forbid (principal, action in [Action::"训练", Action::"aggregate"], resource) when { context.crowd < 3 };
    @id("budget")
    forbid (principal, action in [Action::"train", Action::"evaluate"], resource is DataSet)
    when { context.epsilonMicro > 8000000 };
    @id("code")
    forbid (principal, action == Action::"train", resource)
    unless { ["sha256:aa11", "sha256:bb22"].contains(context.code) };
    """,
)
MODELS = CedarFile(
    "模型.cedar",
    """
    @id("发布")
    permit (principal == Department::"研发部门", action in Action::"发布", resource == Part::"质检部门/质检模型")
    when { principal.role == "质量负责人" };
    @id("last round")
    permit (principal, action == Action::"read", resource is Part in DataSet::"质检部门/检验记录")
    when { context.round == context.rounds && context.rounds > 0 && context.part == "encoder" };
    permit (principal in Department::"研发部门", action in [Action::"聚合", Action::"评估"], resource is Part)
    when { context.plan == "sha256:0f" && context.federation == "sha256:fe" };
    """,
)
FIGURES = CedarFile(
    "figures.cedar",
    """
    @id("means") permit (principal, action in Action::"读取", resource is Statistic in DataSet::"供应链部门/物料管理")
    when { context.purpose == "周报" && context.crowd >= 10 };
    @id("own") permit (principal, action, resource) when { resource.owner == principal };
    """,
)
OWN = {WORKSHOP: (NIGHT,), QUALITY: (MODELS,), SUPPLY: (FIGURES,)}

CONTEXT: dict[str, Any] = {
    "purpose": "预测性维护",
    "crowd": 3,
    "epsilon_spent": 1.5,
    "code": CODE,
    "federation": "sha256:fe",
    "plan": "",
    "part": "",
    "hour": 22,
    "round": 1,
    "rounds": 20,
}
ASK: dict[str, Any] = {"who": RESEARCH, "role": "工程师", "verb": "读取", "what": LINE, "owner": WORKSHOP}


def settings(**tables: Any) -> Settings:
    return small.settings(NAMES, **({"access": ACCESS, "sharing": SHARING} | tables))


def policies(**tables: Any) -> Policies:
    """The rules above; `own` replaces the departments' own files."""
    own = tables.pop("own", OWN)
    return Policies.of(settings(**tables), own, SOURCE)


def request(**changes: Any) -> Request:
    """研发部门 asks to read 生产车间's 生产线数据 at night; keys of the context may be changed as well."""
    context = CONTEXT | {key: changes.pop(key) for key in tuple(changes) if key in CONTEXT}
    return Request(**(ASK | changes), context=Context(**context))


def ask(among: Policies, **changes: Any) -> Decision:
    return among.decide(request(**changes))
