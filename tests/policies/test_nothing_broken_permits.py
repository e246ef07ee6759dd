"""No input turns a missing or broken rule into a permit: rules cut short, requests of any shape, names of any kind."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lepton_fed.policies import CedarFile, Context, Policies, Request, book, engine
from lepton_fed.policies.engine import Verdict, prepared, translated, uid
from lepton_fed.settings import Flow, Grant
from tests.policies.asking import NAMES, NIGHT, RESEARCH, WORKSHOP, ask, policies, request
from tests.thoroughness import at_most

OPEN = CedarFile("open.cedar", "permit (principal, action, resource);")
"""Lets everything through, so that only what forbids stands between a request and a permit."""

FORBID = """@id("never") forbid (principal, action in [Action::"读取", Action::"train"], resource)
when { context.crowd < 5 && !(context.purpose like "周*") }
unless { principal.role == "质量负责人" || [1, 2].contains(context.round) && context.round > 7 };
"""
DENIED: dict[str, Any] = {"crowd": 3, "purpose": "别的"}


def with_own(*files: CedarFile) -> Policies:
    return policies(own={WORKSHOP: files})


def test_the_forbid_that_is_broken_here_forbids_and_nothing_else_does() -> None:
    whole = with_own(OPEN, CedarFile("f.cedar", FORBID))
    assert whole.problems == ()
    assert not ask(whole, **DENIED)
    assert ask(whole, crowd=5)
    assert ask(with_own(OPEN), **DENIED)


SIGNS = ('"', ";", "//", "/*", "(", ")", "{", "}", "!", "&&", "||", "::", "\n", "\\", "\u200b")
WORDS = ("permit", "forbid", "when", "unless", "true", "false", "context", "resource", "?principal", "0", "9" * 30)
pieces = st.sampled_from(SIGNS + WORDS)


@given(st.integers(0, len(FORBID) - 1), st.integers(0, 12), st.lists(pieces, max_size=3))
@example(0, 0, ["//"])
@example(0, len(FORBID), [])
@effort(max_examples=at_most(100), deadline=None)
def test_a_forbid_with_a_slip_in_it_permits_nothing_that_the_whole_one_did_not(
    at: int, gone: int, put: list[str]
) -> None:
    """Cut, overwritten, commented out: it still forbids, or the file is refused, or it says another thing in so many
    words. Whether it does is asked of Cedar alone: a policy that parses and fits is what its author wrote."""
    text = FORBID[:at] + " ".join(put) + FORBID[at + gone :]
    broken = with_own(OPEN, CedarFile("f.cedar", text))
    decision = ask(broken, **DENIED)
    if not decision:
        return
    assert broken.problems == ()
    for policy in translated(text):
        assert policy != translated(FORBID)[0]
        applies = verdict_of(prepared({"f": {**policy, "effect": "permit"}}, [])).permitted
        assert policy["effect"] == "permit" or not applies


def verdict_of(ready: engine.Prepared) -> Verdict:
    asked = request(**DENIED)
    owner, who = uid("Department", WORKSHOP), uid("Department", RESEARCH)
    about = [
        {"uid": who, "attrs": {"role": asked.role}, "parents": []},
        {"uid": owner, "attrs": {"role": "owner"}, "parents": []},
        {"uid": uid("DataSet", "d"), "attrs": {"owner": {"__entity": owner}, "name": asked.what}, "parents": []},
    ]
    return ready.verdict(who, uid("Action", "read"), uid("DataSet", "d"), about, asked.context.attributes())


@given(st.text(st.characters(), max_size=80))
@effort(max_examples=at_most(100), deadline=None)
def test_a_file_of_anything_else_denies_everything_the_owner_has(text: str) -> None:
    broken = with_own(OPEN, CedarFile("f.cedar", text))
    assert broken.problems
    decision = ask(broken)
    assert not decision
    assert "生产车间's policies cannot be used: f.cedar:" in decision.reasons[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// forbid (principal, action, resource);",
        "forbid (principal, action, resource)",
        "forbid (principal == ?principal, action, resource);",
        "forbid (principal, action, resource == ?resource); permit (principal, action, resource);",
        'forbid (principal, action == Action::"读取", resource);',
        'forbid (principal, action == Action::"reed", resource);',
        "forbid (principal, action, resource) when { context.croud < 3 };",
        "forbid (principal, action, resource) when { context has croud && context.croud < 3 };",
        "forbid (principal, action, resource) unless { context has crowd };",
        'forbid (principal, action, resource) when { context.crowd == "3" };',
        'forbid (principal, action, resource) when { principal == DataSet::"生产车间/生产线数据" };',
        'forbid (principal == Department::"研发部", action, resource);',
        'forbid (principal, action, resource) when { principal == Department::"研发部" };',
        'forbid (principal, action, resource == DataSet::"生产线数据");',
        'forbid (principal, action, resource in DataSet::"供应链部门/物料管理");',
        'forbid (principal, action, resource) when { Rule::"access[1]".what == resource.name };',
        "forbid (principal, action, resource is Table);",
        "forbid (principal, action, resource) when { " + "(" * 100_000 + "true" + ")" * 100_000 + " };",
        "forbid (principal, action, resource) when { " + '")" != "" && (' * 40 + "true" + ")" * 40 + " };",
        "forbid (principal, action, resource) when { " + "if context.crowd > 1 then true else " * 9_000 + "true };",
        "forbid (principal, action, resource) when { " + "context.crowd > 1 && " * 100_000 + "true };",
        "forbid (principal, action, resource) when { " + "context.crowd > 1 && " * 1_000 + "true };",
        '@id("a") forbid (principal, action, resource); @id("a") forbid (principal, action, resource);',
        '@id("policy 2") forbid (principal, action, resource); forbid (principal, action, resource);',
        '@id("a\\n") forbid (principal, action, resource); @id("\'a\\\\n\'") forbid (principal, action, resource);',
        "forbid (principal, action, resource) when { \ud800 };",
    ],
)
def test_a_forbid_that_would_forbid_nothing_denies_everything(text: str) -> None:
    broken = with_own(OPEN, CedarFile("f.cedar", text))
    assert len(broken.problems) == 1
    assert not ask(broken)
    assert not ask(broken, verb="publish", who="供应链部门")
    assert ask(broken, owner="供应链部门", what="物料管理")


@pytest.mark.parametrize(
    "condition",
    [
        "context.crowd * 9223372036854775807 > 0",
        "context.epsilonMicro + 9223372036854775807 > 0",
        '[1].contains(context.crowd) && context.hour * 9223372036854775807 > 0 || unknown("x")',
        'unknown("x")',
    ],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_rule_that_fails_while_it_is_asked_denies(effect: str, condition: str) -> None:
    """Cedar would leave it aside and permit."""
    failing = CedarFile("f.cedar", f"{effect} (principal, action, resource) when {{ {condition} }};")
    found = with_own(OPEN, failing)
    assert found.problems == ()
    decision = ask(found, crowd=7)
    assert not decision
    assert "cannot decide" in decision.reasons[0]


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text(), max_size=2)
)
FIELDS = [f.name for f in fields(Context)]


@given(st.dictionaries(st.sampled_from(FIELDS), anything, min_size=1, max_size=3))
@effort(max_examples=at_most(100), deadline=None)
def test_circumstances_of_any_shape_permit_only_where_each_is_said_and_has_its_type(changes: dict[str, Any]) -> None:
    decision = ask(with_own(OPEN), **changes)
    types = {"epsilon_spent": (int, float), "crowd": int, "hour": int, "round": int, "rounds": int}
    if decision:
        for key, value in changes.items():
            assert isinstance(value, types.get(key, str)) and not isinstance(value, bool)  # type: ignore[arg-type]


@given(st.dictionaries(st.sampled_from(["who", "role", "verb", "what", "owner", "kind", "of"]), anything, min_size=1))
@effort(max_examples=at_most(100), deadline=None)
def test_requests_of_any_shape_are_answered_and_permit_only_departments(changes: dict[str, Any]) -> None:
    decision = ask(with_own(OPEN), **changes)
    assert decision.reasons
    if decision:
        assert decision.request.who in NAMES
        assert decision.request.owner in NAMES
        assert all(isinstance(value, str) or (key, value) == ("of", None) for key, value in changes.items())


@pytest.mark.parametrize("nonsense", [None, 3, {}, "研发部门"])
def test_what_is_no_request_is_denied(nonsense: Any) -> None:
    assert not with_own(OPEN).decide(nonsense)
    assert not with_own(OPEN).decide(replace(request(), context=nonsense))


def test_whatever_the_engine_fails_with_is_a_denial(monkeypatch: pytest.MonkeyPatch) -> None:
    import cedarpy

    found = with_own(OPEN)
    assert ask(found)

    def fail(*_: object, **__: object) -> object:
        raise RuntimeError("no")

    monkeypatch.setattr(cedarpy, "is_authorized", fail)
    assert ask(found).reasons[0].endswith("the policies of 生产车间 cannot decide: RuntimeError: no")
    monkeypatch.setattr(book, "_kept", fail)
    assert ask(found).reasons == ("denied, since deciding failed: RuntimeError",)


class Answer:
    """What Cedar might answer, made up."""

    def __init__(self, decision: object, reasons: list[str], errors: list[str]) -> None:
        self.decision, self.reasons, self.errors, self.diagnostics = decision, reasons, errors, self


@pytest.mark.parametrize(
    ("decision", "reasons", "errors"),
    [("NoDecision", [], []), ("Allow", [], []), ("Allow", ["policy 1 of open.cedar"], ["x"]), ("Allow", ["?"], [])],
)
def test_an_answer_that_makes_no_sense_is_a_denial(
    monkeypatch: pytest.MonkeyPatch, decision: str, reasons: list[str], errors: list[str]
) -> None:
    import cedarpy

    found = with_own(OPEN)
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: Answer(cedarpy.Decision[decision], reasons, errors))
    assert not ask(found, verb="publish")


# ---------------------------------------------------------------- names are data

HOSTILE = [
    '"); permit (principal, action, resource); //',
    '" || true || "',
    "a\nb",
    "a\n} permit (principal, action, resource); //",
    'Department::"研发部门"',
    "::",
    "\\",
    '\\"',
    "\u2028",
    "*/",
    "${principal}",
    '{"__entity": {"type": "Department", "id": "研发部门"}}',
    "研发部门\u200b",
    "研发部門",
    "ＡＢ",
    "",
]


def hostile(name: str) -> Policies:
    """Rules that name it wherever a name can stand, without the checks of the settings."""
    grant, flow = Grant(what="x", who=("x",), action="read"), Flow(what="x", from_=("x",), to=("x",))
    for one, names in ((grant, ("what", "who", "owner")), (flow, ("what", "from_", "to"))):
        for field in names:
            object.__setattr__(one, field, name if field == "what" else (name,))
    return policies(access=(grant,), sharing=(flow,), own={})


@given(st.text(max_size=20).filter(lambda text: text != "*"))
@effort(max_examples=at_most(60), deadline=None)
def test_a_name_never_becomes_policy(name: str) -> None:
    never_becomes_policy(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_becomes_policy(name: str) -> None:
    never_becomes_policy(name)


def never_becomes_policy(name: str) -> None:
    """Rules that hold it are those that hold a harmless one; they permit nobody; and what people read is what holds."""
    found = hostile(name)
    assert [rule.policy for rule in found.shared] == [rule.policy for rule in hostile("无害").shared]
    for verb in ("read", "receive", "train"):
        assert not ask(found, verb=verb, what=name)
        assert not ask(found, verb=verb)
    assert not ask(policies(own={WORKSHOP: (CALLED,)}), what=name, verb="publish")
    assert translated(found.text(WORKSHOP)) == tuple(rule.policy for rule in found.rules(WORKSHOP))


CALLED = CedarFile("f.cedar", 'permit (principal, action, resource) when { resource.name == "只此一个" };')


@pytest.mark.parametrize("name", [n for n in HOSTILE if n.isprintable() and n.strip() and not set(n) & set("/\\:")])
def test_a_department_with_a_hostile_name_has_its_own_rights_and_no_others(name: str) -> None:
    from lepton_fed.settings import DepartmentSettings

    members = tuple(DepartmentSettings(name=n) for n in (*NAMES, name))
    grants = (Grant(what=name, who=(name,), action="read", owner=(WORKSHOP,)),)
    found = policies(departments=members, access=grants, own={WORKSHOP: (NIGHT,)})
    assert ask(found, who=name, what=name)
    assert not ask(found, what=name)
    assert not ask(found, who=name, owner=RESEARCH, what=name)
    assert not ask(found, who=name, owner=name, what=name)


def test_what_cannot_be_asked_is_not_a_request() -> None:
    with pytest.raises(TypeError):
        Request(who=RESEARCH)  # type: ignore[call-arg]
