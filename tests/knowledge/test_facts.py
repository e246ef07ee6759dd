"""Names are known by one spelling and kept as written; literals are of their type; facts know themselves apart."""

from __future__ import annotations

import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.errors import DataError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.addresses import is_address
from lepton_fed.knowledge.facts import DATATYPES, Fact, Literal, name_of


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("ＡＢＣ　公司", "ABC 公司"),
        ("  华东\t钢铁\n公司 ", "华东 钢铁 公司"),
        ("（北京）", "(北京)"),
        ("①号线", "1号线"),
        ("https://example.com/a b", "https://example.com/a b"),
        ("urn:ex:Ａ", "urn:ex:Ａ"),
        ("urn:lepton:entity:甲", "甲"),
        ("urn:lepton:relation:报价", "报价"),
        ("urn:lepton:type:ＡＢＣ%20%20公司", "ABC 公司"),
        ("urn:lepton:entity:urn:lepton:entity:http://x/", "http://x/"),
        ("urn:lepton:node:1-0", "_:1-0"),
        ("ｕrn:lepton:entity:甲", "甲"),
    ],
)
def test_a_name_is_normalised_and_an_address_stays(written: str, known: str) -> None:
    assert name_of(written) == known


@given(st.text(max_size=30))
def test_a_known_name_is_known_by_itself(text: str) -> None:
    for written in (text, f"urn:lepton:entity:{text}", f"urn:lepton:relation:{iris.escaped(text)}"):
        try:
            known = name_of(written)
        except DataError:
            continue
        assert name_of(known) == known


@pytest.mark.parametrize("wrong", ["", "  ", "a\0b", "x" * 1001, "\u200b"])
def test_what_is_no_name_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match="a name has 1 to 1000 visible characters"):
        name_of(wrong)


@pytest.mark.parametrize(
    "wrong", ["http://x/100%", "ｈttp://x/100%", "http://x:port/", "urn:a[b]", "_:a%zz", "http://x/\ufffd"]
)
def test_an_address_that_rdf_does_not_take_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match=r"is no address that RDF takes"):
        Fact("a", "r", wrong)


def test_a_type_or_language_that_rdf_does_not_take_is_refused() -> None:
    for datatype in ("http://x/100%", "_:x", "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"):
        with pytest.raises(DataError, match="is no type of literals that RDF takes"):
            Literal("1", datatype)
    for language in ("zh-a", "en-x"):
        with pytest.raises(DataError, match="is no language such as zh"):
            Literal("价", "string", language)
    assert Literal("价", "string", "zh-Hant-TW").language == "zh-Hant-TW"


def test_what_was_written_differently_is_kept() -> None:
    fact = Fact("ＡＢＣ", "类型", "供应商 ")
    assert (fact.head, fact.relation, fact.tail) == ("ABC", "rdf:type", "供应商")
    assert (fact.head_written, fact.tail_written) == ("ＡＢＣ", "供应商 ")
    assert Fact("ABC", "供应", "轴承").head_written is None


@pytest.mark.parametrize(
    ("datatype", "right", "wrong"),
    [
        ("integer", "-12", "1.5"),
        ("decimal", "12.50", "1e3"),
        ("double", "1e3", "eins"),
        ("boolean", "true", "ja"),
        ("date", "2026-02-28", "2026-02-30"),
        ("dateTime", "2026-02-28T08:00:00Z", "2026-02-28"),
        ("gYear", "2026", "26"),
    ],
)
def test_a_literal_is_what_its_type_says(datatype: str, right: str, wrong: str) -> None:
    assert Literal(right, datatype).text == right
    with pytest.raises(DataError, match=f"is no {datatype}"):
        Literal(wrong, datatype)


def test_there_is_no_literal_of_an_unknown_type_or_language() -> None:
    with pytest.raises(DataError, match="there is no type 'int'"):
        Literal("1", "int")
    with pytest.raises(DataError, match="a string may have a language"):
        Literal("1", "integer", "zh")
    assert "integer" in DATATYPES
    for text in ("a\0b", "\udcff", "x" * 100_001):
        with pytest.raises(DataError, match="a literal has at most 100000 characters"):
            Literal(text)


@pytest.mark.parametrize("confidence", [0, -1, 1.5, float("nan")])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(DataError, match="a confidence lies above 0"):
        Fact("a", "r", "b", confidence)


def test_facts_that_say_different_things_have_different_keys() -> None:
    facts = [
        Fact("a", "r", "b"),
        Fact("a", "r", Literal("b")),
        Fact("a", "r", Literal("b", "string", "zh")),
        Fact("ar", "b", "c"),
        Fact("a", "rb", "c"),
    ]
    assert len({fact.key for fact in facts}) == len(facts)
    assert Fact("a", "r", "b", 0.5, "elsewhere").key == facts[0].key


@given(st.text(min_size=1, max_size=20))
def test_a_name_comes_back_from_its_address(text: str) -> None:
    try:
        name = name_of(text)
    except DataError:
        return
    address = iris.iri(name, "entity")
    assert iris.name(address) == name
    assert is_address(address)


def test_every_character_there_is_may_stand_in_an_address_once_it_is_escaped() -> None:
    every = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    address = f"urn:lepton:entity:{iris.escaped(every)}"
    assert pyoxigraph.NamedNode(address).value == address
    assert iris.name(address) == every
    # What is taken for an address is left as it is, and the rest escaped: that decides by the whole name.
    assert pyoxigraph.NamedNode(iris.iri("_:x (研发部门)", "entity"))
