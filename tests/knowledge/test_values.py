"""A question about a value names the values that it wants, and its answer is the one that it would have had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyoxigraph
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.knowledge import Fact, KnowledgeGraph, Literal
from lepton_fed.knowledge.iris import PREFIXES, XSD
from lepton_fed.knowledge.values import MOST, Ordered, naming_values
from tests.knowledge.example import RESEARCH, SUPPLY, access, provenance
from tests.thoroughness import at_most

VALUES = [
    *[(text, "integer") for text in ("0", "-3", "7", "990", "991", "16777217")],
    *[(text, "decimal") for text in ("0.1", "7.0", "990.5", "-3.25")],
    *[(text, "double") for text in ("7e0", "0.1", "INF", "-INF", "NaN", "990.0000001")],
    *[(text, "float") for text in ("0.1", "16777216", "990")],
    *[(text, "date") for text in ("2024-02-28", "2024-03-01", "2023-12-31", "2024-03-01+14:00", "2024-02-29-12:00")],
    *[(text, "dateTime") for text in ("2024-02-29T23:30:00", "2024-03-01T00:00:00+10:00", "2024-02-29T23:00:00Z")],
    *[(text, "gYear") for text in ("2024", "-0044")],
    *[(text, "string") for text in ("990", "x")],
]
NUMBERS = st.sampled_from(VALUES)
COMPARISONS = [">", ">=", "<", "<=", "=", "!="]
SIGNS = st.sampled_from(COMPARISONS)

BODIES = st.sampled_from(
    [
        "?x r:p ?v . {}",
        "{} ?x r:p ?v",
        "?x r:q ?y ; r:p ?v {}",
        "?x r:q ?y . {} . ?x r:p ?v .",
        "?x r:p ?v OPTIONAL {{ ?x r:q ?y }} {}",
        "OPTIONAL {{ ?x r:q ?y }} ?x r:p ?v {}",
        "?x r:q ?y OPTIONAL {{ ?x r:p ?v {} }}",
        "?x r:q ?y MINUS {{ ?x r:p ?v {} }}",
        "{{ ?x r:q ?v }} UNION {{ ?x r:p ?v {} }}",
        "{{ SELECT ?x ?v {{ ?x r:p ?v {} }} }} ?x r:q ?w",
        "?x r:p ?v , ?w . {}",
        "?x r:p|r:q ?v {}",
        "?x ^r:q/r:p ?v . ?y r:q ?w {}",
        "?x ?r ?v ; r:q ?w {}",
        "OPTIONAL {{ ?x r:p ?v }} ?y r:q ?v {}",
        "OPTIONAL {{ ?x r:q ?v }} ?y r:p ?v {}",
        "?x r:q ?y FILTER EXISTS {{ ?y r:p ?v {} }}",
        "GRAPH ?g {{ ?x r:p ?v {} }}",
    ]
)


STATED = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("ppq"), st.one_of(NUMBERS, st.sampled_from("abc"))), max_size=12
)


def literal(text: str, datatype: str) -> pyoxigraph.Literal:
    return pyoxigraph.Literal(text, datatype=pyoxigraph.NamedNode(XSD + datatype))


def store_of(stated: Sequence[tuple[str, str, object]]) -> pyoxigraph.Store:
    """Facts in two graphs by turns."""
    node, store = pyoxigraph.NamedNode, pyoxigraph.Store()
    for number, (head, relation, tail) in enumerate(stated):
        end = literal(*tail) if isinstance(tail, tuple) else node(f"{PREFIXES['e']}{tail}")
        graph = node(f"urn:g{number % 2}")
        store.add(pyoxigraph.Quad(node(f"{PREFIXES['e']}{head}"), node(f"{PREFIXES['r']}{relation}"), end, graph))
    return store


def rows_of(store: pyoxigraph.Store, question: str) -> list[Any]:
    graphs: list[Any] = list(store.named_graphs())
    found: Any = store.query(question, prefixes=PREFIXES, default_graph=graphs or None, named_graphs=graphs)
    return [tuple(row) for row in found]


def asked(store: pyoxigraph.Store, question: str) -> Counter[str]:
    return Counter(map(repr, rows_of(store, question)))


def naming(store: pyoxigraph.Store, question: str) -> str:
    def known(before: str, relation: str) -> Ordered:
        every = f"{before} SELECT DISTINCT ?v {{ ?x {relation} ?v FILTER(isLiteral(?v)) }}"
        return Ordered.of(row[0] for row in rows_of(store, every))

    return naming_values(question, known)


def written(value: tuple[str, str]) -> str:
    plain = value[1] == "integer" or (value[1] == "double" and "e" in value[0])
    return value[0] if plain else f'"{value[0]}"^^xsd:{value[1]}'


@settings(max_examples=at_most(80), deadline=None)
@given(STATED, BODIES, SIGNS, NUMBERS, st.one_of(st.none(), st.tuples(SIGNS, NUMBERS)), st.booleans())
def test_naming_values_changes_no_answer(
    stated: list[tuple[str, str, object]],
    body: str,
    sign: str,
    at: tuple[str, str],
    second: tuple[str, tuple[str, str]] | None,
    turned: bool,
) -> None:
    compared = f"{written(at)} {sign} ?v" if turned else f"?v {sign} {written(at)}"
    if second is not None:
        compared += f" && ?v {second[0]} {written(second[1])}"
    store = store_of(stated)
    require_same(store, f"SELECT * {{ {body.format(f'FILTER({compared})')} }}")


def require_same(store: pyoxigraph.Store, question: str) -> None:
    """Whichever share of the values is named, the answer is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lepton_fed.knowledge.values.SHARE", 1.0)
        named = naming(store, question)
    assert asked(store, named) == asked(store, question), named


@pytest.mark.parametrize("sign", COMPARISONS)
def test_naming_values_leaves_out_none_that_a_filter_takes_for_equal(sign: str) -> None:
    store = store_of([("a", "p", value) for value in VALUES])
    for at in VALUES:
        require_same(store, f"SELECT * {{ ?x r:p ?v FILTER(?v {sign} {written(at)}) }}")


WEIGHTS = [("a", "p", (str(k), "integer")) for k in range(100)]


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("SELECT * { ?x r:p ?v FILTER(?v > 97) }", 2),
        ("SELECT * { ?x r:p ?v FILTER(97 < ?v) }", 2),
        ("SELECT * { ?x r:q ?y ; r:p ?v . FILTER(?v >= 20 && ?v < 22) }", 3),
        ("SELECT * { ?x r:p ?v FILTER(?v > 20) FILTER(?v < 22) }", 3),
        ("SELECT * { ?x r:p ?v FILTER(?v = 4) OPTIONAL { ?x r:q ?y } }", 1),
        ("ASK { { ?x r:p ?v # } \n FILTER(?v = 4) } }", 1),
        ("PREFIX own: <urn:lepton:relation:> SELECT * { ?x own:p ?v FILTER(?v = 4) }", 1),
        ("SELECT * { ?x <urn:lepton:relation:p> ?v FILTER(?v = '4'^^xsd:integer) }", 1),
        ("SELECT * { ?x r:p ?v FILTER(?v > 1000) }", 0),
    ],
)
def test_values_are_named_where_a_filter_leaves_few(question: str, named: int) -> None:
    said = naming(store_of(WEIGHTS), question)
    # A comparison with `>` may name the value itself, too: the filter is still there.
    assert said.count("^^<") in (named, named + 1)
    assert "VALUES ?v" in said
    assert "VALUES" not in said.replace("VALUES ?v {", "", 1)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * { ?x r:p ?v FILTER(?v > 10) }",
        "SELECT * { e:a r:p ?v FILTER(?v > 97) }",
        "SELECT * { ?x r:p ?v FILTER(?v > 97 || ?x = e:a) }",
        "SELECT * { ?x r:p ?v FILTER(?v + 1 > 97) }",
        "SELECT * { ?x r:p ?v FILTER(?v != 97) }",
        "SELECT * { ?x r:p+ ?v FILTER(?v > 97) }",
        "SELECT * { OPTIONAL { ?x r:p ?v } FILTER(?v > 97) }",
        "SELECT * { ?x r:q ?y FILTER NOT EXISTS { ?x r:p ?v FILTER(?v > 97) } }",
        "SELECT * { ?x none:p ?v FILTER(?v > 97) }",
        "SELECT * { ?x r:p 'FILTER(?v > 97)' }",
        "SELECT * { ?x r:p ?v FILTER(?v > '9\\u0037'^^xsd:integer) }",
    ],
)
def test_a_question_stays_as_it_is_where_that_would_not_help_or_is_not_sure(question: str) -> None:
    def known(before: str, relation: str) -> Ordered | None:
        assert relation == "r:p" or relation == "none:p"
        return Ordered.of(literal(str(k), "integer") for k in range(100)) if relation == "r:p" else None

    assert naming_values(question, known) == question


def test_more_values_than_are_worth_naming_are_not_named() -> None:
    every = Ordered.of(literal(str(k), "integer") for k in range(3 * MOST))
    question = f"SELECT * {{ ?x r:p ?v FILTER(?v > {2 * MOST - 3}) }}"
    assert naming_values(question, lambda *_: every) == question


def test_a_question_by_value_reads_no_value_that_may_not_be_read(graph: KnowledgeGraph) -> None:
    prices = [Fact("华东钢铁", "报价", Literal(str(k), "integer")) for k in range(20)]
    graph.add(prices, provenance(SUPPLY))
    question = "SELECT ?x ?v { ?x r:报价 ?v FILTER(?v > 17) }"
    assert graph.ask(question, access(RESEARCH)).rows == ()
    assert len(graph.ask(question, access(SUPPLY)).rows) == 3
    graph.retract(provenance(SUPPLY), head="华东钢铁", relation="报价", tail="19")
    assert len(graph.ask(question, access(SUPPLY)).rows) == 2


def test_a_question_by_value_that_is_wrong_is_told(graph: KnowledgeGraph) -> None:
    from lepton_fed.errors import DataError

    with pytest.raises(DataError, match="no SPARQL that can be answered"):
        graph.ask("SELECT ?x { ?x none:p ?v FILTER(?v > 17) }", access(SUPPLY))
