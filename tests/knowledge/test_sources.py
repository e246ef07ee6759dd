"""Tables, RDF and queries say the same facts; what is wrong is told by its place, and nothing is taken of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import rdflib

from lepton_fed.errors import DataError
from lepton_fed.knowledge import Fact, FactSource, KnowledgeGraph, Literal
from lepton_fed.knowledge.sources import read_facts

WANTED = [
    Fact("华东钢铁", "rdf:type", "供应商"),
    Fact("华东钢铁", "供应", "齿轮箱"),
    Fact("华东钢铁", "注册资本", Literal("125.50", "decimal")),
    Fact("华东钢铁", "简称", Literal("华钢", "string", "zh")),
]

CSV = """head,relation,tail,type,language
华东钢铁,rdf:type,供应商,,
华东钢铁,供应,齿轮箱,,
华东钢铁,注册资本,125.50,decimal,
华东钢铁,简称,华钢,,zh
"""

TURTLE = """
@prefix e: <urn:lepton:entity:> . @prefix r: <urn:lepton:relation:> . @prefix t: <urn:lepton:type:> .
e:华东钢铁 a t:供应商 ; r:供应 e:齿轮箱 ; r:注册资本 125.50 ; r:简称 "华钢"@zh .
"""

JSON_LD = """{
  "@context": {"r": "urn:lepton:relation:", "e": "urn:lepton:entity:", "t": "urn:lepton:type:",
               "供应": {"@id": "r:供应", "@type": "@id"}},
  "@id": "e:华东钢铁", "@type": "t:供应商", "供应": "e:齿轮箱",
  "r:注册资本": {"@value": "125.50", "@type": "http://www.w3.org/2001/XMLSchema#decimal"},
  "r:简称": {"@value": "华钢", "@language": "zh"}
}"""


def read(folder: Path, name: str, text: str, **how: object) -> list[Fact]:
    (folder / name).write_text(text, encoding="utf-8")
    return list(read_facts(FactSource(path=name, **how), folder, "供应链部门"))  # type: ignore[arg-type]


def key(fact: Fact) -> bytes:
    return fact.key


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.ttl", TURTLE),
        ("a.jsonld", JSON_LD),
        ("a.nt", rdflib.Graph().parse(data=TURTLE, format="turtle").serialize(format="nt")),
        ("a.rdf", rdflib.Graph().parse(data=TURTLE, format="turtle").serialize(format="xml")),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert sorted(read(tmp_path, name, text), key=key) == sorted(WANTED, key=key)


def test_a_query_says_the_same(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "erp.sqlite") as connection:
        connection.execute("CREATE TABLE f (head, relation, tail, type, language)")
        rows = [line.split(",") for line in CSV.splitlines()[1:]]
        connection.executemany("INSERT INTO f VALUES (?, ?, ?, ?, ?)", [[x or None for x in row] for row in rows])
    source = FactSource(url="sqlite:///erp.sqlite", query="SELECT * FROM f")
    assert list(read_facts(source, tmp_path, "供应链部门")) == WANTED


def test_a_row_may_be_an_entity_and_its_columns_what_is_said_of_it(tmp_path: Path) -> None:
    table = "名称,供应,注册资本,地点\n华东钢铁,齿轮箱,125.50,\n"
    found = read(tmp_path, "a.csv", table, subject="名称", type="供应商", literals={"注册资本": "decimal"})
    assert found == WANTED[:3]


def test_chinese_columns_confidence_and_source_are_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a.csv", "主体,关系,客体,置信度,来源\n甲,供应,乙,0.8,访谈\n")
    assert (found.confidence, found.source) == (0.8, "访谈")


def test_gb18030_is_read_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("head,relation,tail\n甲,供应,乙\n".encode("gb18030"))
    source = FactSource(path="a.csv", encoding="gb18030")
    assert list(read_facts(source, tmp_path, "x")) == [Fact("甲", "供应", "乙")]
    with pytest.raises(DataError, match="is not utf-8-sig text; say its encoding"):
        list(read_facts(FactSource(path="a.csv"), tmp_path, "x"))


def test_nodes_without_a_name_are_the_same_when_a_file_is_read_again(tmp_path: Path) -> None:
    text = '<urn:a> <urn:p> [ <urn:q> "1" ; <urn:q2> [ <urn:q> "2" ] ] .'
    first, again = read(tmp_path, "a.ttl", text), read(tmp_path, "a.ttl", text)
    assert first == again
    assert {fact.head for fact in first} > {"urn:a"}
    assert {fact.head for fact in read(tmp_path, "b.ttl", text)} & {fact.head for fact in first} == {"urn:a"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "", "is empty; a header and rows were expected"),
        ("a.csv", "x,y,z\n1,2,3\n", "has no column head or relation or tail"),
        ("a.csv", "head,relation,tail\na,b\n", "line 2: 2 cells in a table of 3 columns"),
        ("a.csv", "head,relation,tail,confidence\na,r,b,sure\n", "line 2: a confidence is a number"),
        ("a.csv", "head,relation,tail,type\na,r,b,integer\n", "line 2: 'b' is no integer"),
        ("a.csv", "head,relation,tail\n,r,b\n", "line 2: a name has 1 to 1000"),
        ("a.ttl", "<urn:a> <urn:b>", "line 1: this is not Turtle"),
        ("a.jsonld", '{"@context": "http://127.0.0.1:9/c", "@id": "urn:a"}', "this is not JSON-LD: No Load"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as told:
        read(tmp_path, name, text)
    assert str(told.value).startswith("供应链部门: ")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "give one of path and url"),
        ({"path": "a.csv", "url": "sqlite://"}, "give one of path and url"),
        ({"url": "sqlite://"}, "url and query belong together"),
        ({"path": "a.docx"}, "the suffix of 'a.docx' says no format"),
        ({"path": "a.ttl", "subject": "x"}, "belong to tables"),
        ({"path": "a.csv", "type": "x"}, "type and literals belong to a table with a subject"),
        ({"path": "a.csv", "password_env": "X"}, "a password belongs to a url"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(how: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FactSource(**how)  # type: ignore[arg-type]


def test_of_a_source_with_one_wrong_row_nothing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("head,relation,tail\na,r,b\na,r\n", encoding="utf-8")
    with KnowledgeGraph(tmp_path / "k.sqlite") as graph:
        with pytest.raises(DataError):
            graph.load(FactSource(path="a.csv"), department="供应链部门", by="王芳", base=tmp_path)
        assert graph.revisions() == []
        assert graph.departments == []
