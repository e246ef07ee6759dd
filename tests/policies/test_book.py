"""The rules as a whole: their text, their digest, their files, and Cedar in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

import lepton_fed
from lepton_fed.errors import ConfigError
from lepton_fed.policies import CedarFile, Context, Policies, book
from lepton_fed.policies.engine import schema_text, translated
from lepton_fed.policies.request import KINDS, VERBS, WORDS
from lepton_fed.policy import CHINESE
from lepton_fed.settings import Grant
from lepton_fed.translation import speaks
from lepton_fed.translation import translated as in_language
from tests.policies.asking import ACCESS, FIGURES, LINE, NIGHT, SUPPLY, WORKSHOP, ask, policies, request, settings

ROOT = Path(lepton_fed.__file__).parent


def test_cedar_is_imported_in_one_file_and_only_where_it_is_used() -> None:
    using = [path for path in ROOT.rglob("*.py") if "import cedarpy" in path.read_text("utf-8")]
    assert using == [ROOT / "policies" / "engine.py"]
    assert "\nimport cedarpy" not in using[0].read_text("utf-8")


def test_the_schema_has_every_action_kind_and_circumstance() -> None:
    text = schema_text()
    assert all(f'action "{verb}" in ["{word}"]' in text for word, verb in WORDS.items())
    assert all(f"entity {kind} " in text for kind in KINDS)
    said = Context.outside_training(purpose="x", hour=1).attributes()
    assert all(f"    {name}: {'String' if isinstance(value, str) else 'Long'}," in text for name, value in said.items())
    assert {**CHINESE}.items() <= WORDS.items()
    assert len(VERBS) == 6


def test_the_text_is_what_cedar_was_given_with_a_sentence_above_each_rule() -> None:
    found = policies()
    text = found.text(SUPPLY)
    assert translated(text) == tuple(rule.policy for rule in found.rules(SUPPLY))
    assert "// every owner permits 研发部门 to read 物料管理\n" in text
    assert "生产车间 permits" not in text
    assert text.index("// figures.cedar") < text.index('@id("means")')
    assert FIGURES.text.strip() in text
    assert "生产车间 forbids 财务部门 to evaluate 生产线数据" in found.text(WORKSHOP)


def test_long_lists_are_cut_in_sentences_and_whole_in_the_rules() -> None:
    many = Grant(what=LINE, who=tuple(f"部门{k}" for k in range(9)), action="read")
    found = policies(access=(many,))
    assert "permits 部门0, 部门1, 部门2, 部门3 and 5 more to read" in found.text(WORKSHOP)
    assert found.shared[0].entity is not None
    assert len(found.shared[0].entity["attrs"]["who"]) == 9


def test_the_digest_follows_every_rule_that_counts_for_the_owner_and_no_other() -> None:
    base = policies().digest(WORKSHOP)
    assert base == policies().digest(WORKSHOP)
    assert base.startswith("sha256:")
    changes = [
        policies(access=ACCESS[:-1]),
        policies(access=(*ACCESS, Grant(what=LINE, who=("药房",), action="read"))),
        policies(sharing=()),
        policies(own={WORKSHOP: (CedarFile(NIGHT.name, NIGHT.text.replace(">= 20", ">= 21")),)}),
        policies(own={}),
        policies(departments=settings().departments[:-1], access=ACCESS[:3], sharing=()),
        policies(departments=settings().departments[:-2], access=ACCESS[:3], sharing=(), own={WORKSHOP: (NIGHT,)}),
    ]
    assert len({base, *(other.digest(WORKSHOP) for other in changes)}) == 8
    assert policies(own={WORKSHOP: (NIGHT,)}).digest(WORKSHOP) == base


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ((CedarFile("a.txt", NIGHT.text),), "a.txt: a file of policies is called something.cedar"),
        ((NIGHT, NIGHT), "night.cedar: two files are called so; give each its own name"),
    ],
)
def test_files_have_names_of_their_own(files: tuple[CedarFile, ...], problem: str) -> None:
    found = policies(own={WORKSHOP: files})
    assert found.problems == (f"生产车间: {problem}",)
    assert speaks(found.own[WORKSHOP].problems[0], "zh")
    assert not ask(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "没有任何策略；请写一条，或移走该文件"),
        ("forbid (principal, action, resource) when { context.x };", "policy 1: attribute `x` in context not found"),
        ('permit (principal == Department::"生产车问", action, resource);',
         "提到 Department::'生产车问'，而该联邦没有这个部门"),
        ('permit (principal, action == Action::"读取", resource);',
         '中文动作是一个组：请写 `action in Action::"读取"`'),
        ("permit (principal, action, resource) when { context has croud };",
         "策略 1 永远不会适用：模式中没有任何内容能满足其条件"),
        ("permit (principal, action, resource in ?resource);",
         "含有模板（?principal、?resource），模板本身既不允许也不禁止任何事"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_in_chinese_and_what_cedar_says_as_it_says_it(
    text: str, problem: str
) -> None:
    (found,) = policies(own={WORKSHOP: (CedarFile("b.cedar", text),)}).own[WORKSHOP].problems
    said = in_language(found, "zh")
    assert said.startswith("文件 b.cedar：")
    assert said.endswith(problem)


def test_files_of_nobody_are_an_error_and_not_left_aside() -> None:
    with pytest.raises(ConfigError, match="'生产车问', which is no department"):
        policies(own={"生产车问": (NIGHT,)})


def test_two_rules_of_one_name_are_never_mistaken_for_one() -> None:
    twice = CedarFile("b.cedar", '@id("x of a.cedar") permit (principal, action, resource);')
    odd = CedarFile("a.cedar of b.cedar", '@id("x") forbid (principal, action, resource);')
    assert not ask(policies(own={WORKSHOP: (twice, odd)}))


def test_a_thousand_policies_keep_their_order_and_their_numbers() -> None:
    text = "".join(f"permit (principal, action, resource) when {{ context.crowd == {k} }};\n" for k in range(12, 132))
    found = policies(own={WORKSHOP: (CedarFile("n.cedar", text),)}, access=())
    for crowd in (12, 22, 111, 131):
        assert ask(found, crowd=crowd).rules == (f"policy {crowd - 11} of n.cedar",)


def test_a_long_list_of_names_in_a_policy_is_fine() -> None:
    listed = ", ".join(f'"sha256:{k:064x}"' for k in range(300))
    code = f"forbid (principal, action, resource) unless {{ [{listed}].contains(context.code) }};"
    found = policies(own={WORKSHOP: (CedarFile("code.cedar", code),)})
    assert found.problems == ()
    assert ask(found, code=f"sha256:{299:064x}")
    assert not ask(found)


def test_few_sets_of_rules_stay_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "_KEPT", 2)
    found = policies()
    for verb in ("读取", "训练", "评估", "读取", "聚合"):
        ask(found, verb=verb)
    assert len(found._prepared) == 2
    assert ask(found)


def test_a_budget_is_rounded_up_to_a_millionth() -> None:
    spent = {4.03: 4_030_000, 0.3: 300_000, 8.0: 8_000_000, 1e-7: 1, 0: 0, 8.0000001: 8_000_001}
    for amount, micro in spent.items():
        assert request(epsilon_spent=amount).context.attributes()["epsilonMicro"] == micro


def test_rules_need_no_own_files() -> None:
    found = Policies.of(settings())
    assert found.problems == ()
    assert ask(found).rules == ("access[1] of the federation file",)
