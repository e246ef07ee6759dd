"""What the federation says is said in Chinese too, with the same values; where no words are, it stays in English."""

from __future__ import annotations

import ast
import pickle
import re
from collections import defaultdict
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lepton_fed
from lepton_fed.audit.entries import KINDS
from lepton_fed.config.spelling import one_line
from lepton_fed.errors import ConfigError, ContractError, PeerError, PolicyError
from lepton_fed.policies.remedies import _COUNTS, _WORDS
from lepton_fed.policies.request import WORDS
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.roster import check_name
from lepton_fed.translation import again, always, joined, recalled, said_by, sentence, speaks, spelt, term, translated
from lepton_fed.translation.catalogue import TERMS, tables, templates
from lepton_fed.translation.recalling import MOST, Reading

HOME = Path(lepton_fed.__file__).parent
CHINESE = tables("zh")


SAYS = ("lepton_fed.translation", "lepton_fed.translation.sentence")
"""Where `sentence` is imported from."""


def said_in(path: Path) -> set[str]:
    """The templates that a module says."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    taken = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module in SAYS]
    if not any(alias.name == "sentence" for node in taken for alias in node.names):
        return set()
    called = (node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    firsts = [node.args[0] for node in called if node.func.id == "sentence"]  # type: ignore[attr-defined]
    assert all(isinstance(one, ast.Constant) for one in firsts), f"{path}: a template is not written out"
    return {str(one.value) for one in firsts if isinstance(one, ast.Constant)}


def said_by_module() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in HOME.rglob("*.py"):
        name = ".".join(path.relative_to(HOME.parent).with_suffix("").parts)
        if said := said_in(path):
            found[name] = said
    return found


def fields(template: str) -> list[str]:
    return sorted({name for _, name, _, _ in Formatter().parse(template) if name})


def test_every_sentence_has_a_chinese_one_and_none_is_left_over() -> None:
    assert {name: set(table) for name, table in CHINESE.items() if name != TERMS} == said_by_module()


@pytest.mark.parametrize("module", sorted(set(CHINESE) - {TERMS}))
def test_the_chinese_has_the_same_values(module: str) -> None:
    for english, chinese in CHINESE[module].items():
        assert fields(chinese) == fields(english), english
        assert re.search(r"[\u4e00-\u9fff]", chinese) or not re.search("[a-z]", re.sub("{[^}]*}", "", english)), english
        assert chinese.strip() == chinese, english


def test_one_template_has_one_translation() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for table in CHINESE.values():
        for english, chinese in table.items():
            found[english].add(chinese)
    assert [english for english, several in found.items() if len(several) > 1] == []


def test_every_word_of_a_request_has_a_chinese_one() -> None:
    asked = {
        *WORDS.values(),
        *(name.replace("_", " ") for name in (*_WORDS, *_COUNTS)),
        "hour",
        "role",
        "epsilon spent",
    }
    assert asked <= set(CHINESE[TERMS])


def test_every_kind_of_entry_of_the_log_has_a_chinese_name() -> None:
    assert {kind.TITLE for kind in KINDS} <= set(CHINESE[TERMS])


def test_a_sentence_is_said_with_the_sentences_in_it_and_stays_the_text_that_it_was() -> None:
    why = sentence("no rule of {owner} permits it", owner="生产车间")
    whole = sentence(
        "{who} may not {verb} {what} of {owner}: {why}",
        who="研发部门", verb=term("read"), what="生产线数据", owner="生产车间", why=why,
    )  # fmt: skip
    assert whole == "研发部门 may not read 生产线数据 of 生产车间: no rule of 生产车间 permits it"
    assert translated(whole, "zh") == "研发部门不可以读取生产车间的生产线数据：生产车间没有规则允许"
    assert translated(whole, "en") == whole
    assert translated(joined("; ", (whole, why)), "zh") == f"{translated(whole, 'zh')}；生产车间没有规则允许"
    again = pickle.loads(pickle.dumps(whole))
    assert type(again) is str
    assert again == whole


def test_a_sentence_is_spoken_only_as_far_as_those_in_it_are() -> None:
    unknown = sentence("nobody has translated this")
    change = sentence("{field} {then} instead of {now}", field=term("crowd"), then="3", now="2")
    assert speaks(sentence("It would pass with {what}", what=joined(" and ", (change, change))), "zh")
    assert not speaks(sentence("It would pass with {what}", what=joined(" and ", (change, unknown))), "zh")
    assert not speaks(sentence("It would pass with {what}", what=unknown), "zh")


def test_names_and_numbers_in_a_sentence_are_what_they_are_in_each_language() -> None:
    found = sentence("It may {verb} it: rule {rules}", verb=term("train"), rules=joined(", ", ("access[0]", "夜")))
    assert speaks(found, "zh")
    assert translated(found, "zh") == "可以训练：规则 access[0]、夜"


@pytest.mark.parametrize("name", ["甲\u202e乙", "甲\n乙", "\x1b[31m"])
def test_a_name_that_is_refused_for_a_character_of_no_shape_is_shown_with_its_number_instead(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_name(name)
    said = translated(refused.value.args[0], "zh")
    assert repr(name) in said
    assert said.isprintable()


@given(st.text())
def test_a_sentence_that_is_spelt_on_one_line_is_so_in_each_language(owner: str) -> None:
    why = sentence("no rule of {owner} permits it", owner=owner)
    said = spelt(why, one_line)
    assert said == one_line(why)
    assert translated(said, "zh") == one_line(translated(why, "zh"))
    assert speaks(said, "zh")
    assert not speaks(spelt(str(why), one_line), "zh")
    assert not speaks(spelt(sentence("nobody has translated {this}", this=owner), one_line), "zh")


def test_an_error_says_what_was_put_together_where_it_was_raised() -> None:
    why = sentence("no rule of {owner} permits it", owner="生产车间")
    assert translated(said_by(ConfigError(why)), "zh") == "生产车间没有规则允许"
    assert translated(said_by(PeerError("质检部门", why)), "zh") == "质检部门：生产车间没有规则允许"
    assert said_by(ConfigError()) == ""
    assert said_by(OSError(2, "No such file or directory", "x")) == "[Errno 2] No such file or directory: 'x'"


@given(st.text(), st.text())
def test_a_text_is_put_together_again_as_the_sentence_that_it_was_and_no_other_is(owner: str, text: str) -> None:
    no, nobody = (
        (lambda who: sentence("no rule of {owner} permits it", owner=who)),
        sentence("two departments have none"),
    )
    assert translated(again(str(no(owner)), [always(nobody), no]), "zh") == translated(no(owner), "zh")
    assert again(str(nobody), [no, always(nobody)]) is nobody
    assert type(again(text, [always(nobody)])) is str or text == nobody


NAMES = st.text("甲乙丙ab1-_/", min_size=1)


@given(NAMES, NAMES, st.integers(1, 9))
def test_a_stored_text_is_read_as_the_sentence_that_it_was(owner: str, column: str, times: int) -> None:
    line, flaw = sentence("column {name!r}", name=column), term("are not numbers")
    rows = sentence("{line}: {count} of {rows} rows {flaw}", line=line, count=1, rows=9, flaw=flaw)
    bare = sentence("minimum_rows {least}: it has {rows} rows", least=times, rows=0)
    why = ContractError(owner, (rows, bare)).args[0]
    for one in (why, PolicyError(owner, sentence("no rule of {owner} permits it", owner=owner)).args[0]):
        tried = sentence("{reason} (tried {times} times)", reason=one, times=times)
        assert translated(recalled(str(tried)), "zh") == translated(tried, "zh")
        assert recalled(str(tried)) == tried
        assert speaks(recalled(str(tried)), "zh")


@pytest.mark.parametrize(
    "text",
    [
        *("", "甲", "甲: 乙", "甲 (乙)", "too early", "甲 in 乙", "train again in spring: no rule of 甲 permits it"),
        *(
            "ValueError",
            "甲 refused: the quality of it is too low",
            "somebody wrote this; and that",
            "no rule of " * 500,
        ),
    ],
)
def test_a_text_that_is_no_sentence_of_ours_as_a_whole_stays_as_it_is(text: str) -> None:
    assert type(recalled(text)) is str
    assert recalled(text) == text


@given(st.text("甲 ab'():;{}\\\"", max_size=60))
def test_whatever_a_text_is_read_as_it_says_the_same_in_english(text: str) -> None:
    assert recalled(text) == text
    assert translated(recalled(text), "en") == text
    translated(recalled(text), "zh")


@given(st.text(), st.text())
def test_what_there_are_no_words_for_stays_in_english(text: str, filled: str) -> None:
    unknown = sentence("nobody has translated {this}", this=filled)
    for one in (text, unknown, joined("; ", (text, unknown)), term(f"no term: {filled}")):
        assert translated(one, "fr") == one
    assert translated(unknown, "zh") == unknown
    assert translated(text, "zh") == text
    assert not speaks(unknown, "zh")
    assert not speaks(joined("; ", (unknown, sentence("no rule of {owner} permits it", owner=filled))), "zh")


LITERALS = sorted({piece for one in templates() for piece, *_ in Formatter().parse(one) if piece.strip()})


@pytest.mark.parametrize(
    "text",
    [
        "质检部门 refused: weight at most anybody",
        "round 3 has no update to aggregate (质检部门: at least everybody)",
        "质检部门 refused: at least Departments",
    ],
)
def test_a_word_where_a_number_belongs_is_shown_as_it_is(text: str) -> None:
    assert recalled(text) == text
    assert translated(recalled(text), "zh")


@pytest.mark.parametrize("quoted", [r"'\x'", "'\\'", "'\0'", "'甲\n'", r"'\N{no such}'", "'a' 'b'", '"a"', "'''"])
def test_what_is_not_quoted_as_python_quotes_is_shown_as_it_is(quoted: str) -> None:
    text = f"column {quoted}: 1 of 9 rows are not numbers"
    assert recalled(text) == text
    assert f"column {quoted}" in translated(recalled(text), "zh")
    assert "不是数" in translated(recalled(text), "zh")


OTHERS = ["a", "甲 乙", "'a'", r"'\x'", "'\n'", "; ", ": "]


@given(st.lists(st.sampled_from(LITERALS) | st.sampled_from(OTHERS), max_size=80).map("".join))
def test_a_text_made_of_pieces_of_ours_is_read_in_a_bounded_number_of_steps_and_says_the_same(text: str) -> None:
    reading = Reading()
    assert reading.sentence(text, 0) in (None, text)
    assert len(reading.known) <= MOST
    assert recalled(text) == text
    translated(recalled(text), "zh")


def test_what_would_take_too_many_steps_to_read_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = sentence("no rule of {owner} permits it", owner="甲")
    text = str(sentence("{reason} (tried {times} times)", reason=PolicyError("甲", inner).args[0], times=2))
    assert Reading().sentence(text, 0) == text
    monkeypatch.setattr("lepton_fed.translation.recalling.MOST", 2)
    assert Reading().sentence(text, 0) is None
