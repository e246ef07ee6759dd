"""Whoever asks, whatever he asks: the answer holds nothing that the owner's policies do not let him read."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lepton_fed.errors import DataError
from lepton_fed.knowledge import Answer, Bounds, Fact, KnowledgeGraph, Literal
from lepton_fed.knowledge.asking import Questioner
from lepton_fed.knowledge.index import graph_of
from lepton_fed.knowledge.sorts import Sort
from tests.knowledge.example import GRANTS, QUALITY, RESEARCH, SUPPLIES, SUPPLY, access, grant, provenance

EVERYTHING = "SELECT ?x ?r ?y { ?x ?r ?y }"

SECRET = "125.5", "王芳", "报价", "负责", "人员"
"""What 研发部门 may not read of 供应链部门, in whichever column."""


def said(answer: Answer) -> str:
    return repr(answer)


def rows(graph: KnowledgeGraph, question: str, who: str = RESEARCH) -> set[tuple[object, ...]]:
    return set(graph.ask(question, access(who)).rows)


def test_a_department_reads_all_that_is_its_own(asked: KnowledgeGraph) -> None:
    assert rows(asked, EVERYTHING, SUPPLY) == {(f.head, f.relation, f.tail) for f in SUPPLIES}


def test_another_one_reads_what_is_permitted_and_its_own(asked: KnowledgeGraph) -> None:
    assert rows(asked, EVERYTHING) == {
        ("华东钢铁", "rdf:type", "供应商"),
        ("南方轴承", "rdf:type", "供应商"),
        ("齿轮箱", "rdf:type", "零件"),
        ("轴承", "rdf:type", "零件"),
        ("华东钢铁", "供应", "齿轮箱"),
        ("南方轴承", "供应", "轴承"),
        ("齿轮箱", "用于", "电机"),
        ("电机", "功率", Literal("15", "integer")),
    }


@pytest.mark.parametrize("who", [QUALITY, "nobody", ""])
def test_who_is_permitted_nothing_reads_nothing(asked: KnowledgeGraph, who: str) -> None:
    assert rows(asked, EVERYTHING, who) == set()
    assert rows(asked, "SELECT ?g { GRAPH ?g { ?x ?r ?y } }", who) == set()
    assert rows(asked, "ASK { ?x ?r ?y }", who) == {(Literal("false", "boolean"),)}


def test_a_forbid_on_a_type_takes_away_what_a_relation_permits(asked: KnowledgeGraph) -> None:
    forbidden = access(RESEARCH, *GRANTS, grant("零件", effect="forbid"))
    assert not any("供应" in row for row in asked.ask(EVERYTHING, forbidden).rows)


def test_entities_without_a_type_need_a_permit_as_well(graph: KnowledgeGraph) -> None:
    graph.add([Fact("无名厂", "供应", "轴承")], provenance(SUPPLY))
    question = "SELECT ?x { ?x r:供应 e:轴承 }"
    assert ("无名厂",) not in graph.ask(question, access(RESEARCH)).rows
    assert ("无名厂",) in graph.ask(question, access(RESEARCH, *GRANTS, grant("entity"))).rows


def test_facts_join_across_departments_within_what_may_be_read(asked: KnowledgeGraph) -> None:
    question = "SELECT ?supplier ?use { ?supplier r:供应 ?part . ?part r:用于 ?use }"
    assert rows(asked, question) == {("华东钢铁", "电机")}
    assert rows(asked, question, SUPPLY) == set()


HIDDEN = graph_of(Sort(SUPPLY, "报价", frozenset({"供应商"})))
"""The name of a graph of the index, of which 研发部门 may read nothing."""

BEYOND = [
    "SELECT * { GRAPH ?g { ?x ?r ?y } }",
    f"SELECT * {{ GRAPH <{HIDDEN}> {{ ?x ?r ?y }} }}",
    "SELECT * { e:华东钢铁 (r:供应|^r:供应|!r:供应|^(r:供应|r:报价))* ?y }",
    "SELECT * { e:华东钢铁 !(r:nothing) ?y }",
    "SELECT * { e:齿轮箱 (!r:x|^r:x|^!r:x)+ ?y . ?y ?r ?z }",
    "SELECT * { ?x r:报价 ?y }",
    "SELECT * { ?x ?r ?y FILTER EXISTS { GRAPH ?g { ?x r:报价 ?z } } }",
    "SELECT (COUNT(*) AS ?n) ?x { ?x r:报价 ?y } GROUP BY ?x",
    "SELECT ?p { { SELECT ?p { GRAPH ?g { ?x r:报价 ?p } } } }",
    "CONSTRUCT { ?x r:价 ?y } { ?x r:报价 ?y }",
    "DESCRIBE e:华东钢铁",
    "DESCRIBE ?y { ?x ?r ?y }",
    "SELECT * { ?x ?r ?y MINUS { ?x r:供应 ?y } }",
    "SELECT * { OPTIONAL { e:华东钢铁 r:报价 ?y } }",
    "SELECT * { e:王芳 r:负责* ?y . ?y r:报价 ?z }",
    "SELECT * { VALUES ?r { r:报价 r:负责 } GRAPH ?g { ?x ?r ?y } }",
    "SELECT DISTINCT ?r { ?x ?r ?y }",
    "SELECT DISTINCT ?g { GRAPH ?g {} }",
    "SELECT * { GRAPH <urn:lepton:graph:供应链部门> { ?x ?r ?y } }",
]


@pytest.mark.parametrize("question", BEYOND)
def test_no_question_reaches_beyond_what_may_be_read(asked: KnowledgeGraph, question: str) -> None:
    answer = said(asked.ask(question, access(RESEARCH)))
    # What the question itself names may come back; no value and no name that it did not hold.
    for secret in SECRET:
        assert secret in question or secret not in answer, answer
    assert "125.5" not in answer


def test_the_owner_does_see_what_others_do_not(asked: KnowledgeGraph) -> None:
    assert any("125.5" in said(asked.ask(question, access(SUPPLY))) for question in BEYOND)
    answers = [said(asked.ask(question, access(SUPPLY))) for question in BEYOND]
    assert all(any(secret in answer for answer in answers) for secret in SECRET)


@pytest.mark.parametrize(
    "question",
    [
        f"SELECT * FROM <{HIDDEN}> {{ ?x ?r ?y }}",
        f"SELECT * FROM NAMED <{HIDDEN}> {{ GRAPH ?g {{ ?x ?r ?y }} }}",
        "CONSTRUCT { ?x ?r ?y } from <urn:x> { ?x ?r ?y }",
    ],
)
def test_nobody_names_his_own_graphs(asked: KnowledgeGraph, question: str) -> None:
    with pytest.raises(DataError, match="names its own graphs"):
        asked.ask(question, access(RESEARCH))


@pytest.mark.parametrize(
    "change",
    [
        "INSERT DATA { e:a r:b e:c }",
        "DELETE WHERE { ?x ?r ?y }",
        "DROP ALL",
        "CLEAR DEFAULT",
        "LOAD <http://127.0.0.1/>",
        "CREATE GRAPH <urn:x>",
        "COPY DEFAULT TO <urn:x>",
        "WITH <urn:x> DELETE { ?x ?r ?y } INSERT { ?x ?r ?y } WHERE { ?x ?r ?y }",
    ],
)
def test_a_question_changes_nothing(asked: KnowledgeGraph, change: str) -> None:
    with pytest.raises(DataError, match="would change facts"):
        asked.ask(change, access(SUPPLY))
    assert len(rows(asked, EVERYTHING, SUPPLY)) == len(SUPPLIES)


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server that would like to hear what is asked, and what it heard."""
    heard: list[str] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_error(404)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", heard
        finally:
            server.shutdown()
            thread.join()


ELSEWHERE = [
    "SELECT * {{ SERVICE <{url}> {{ ?x ?r ?y }} }}",
    "SELECT * {{ service silent <{url}> {{ ?x ?r ?y }} }}",
    "SELECT * {{ SeRvIcE<{url}>{{?x ?r ?y}}}}",
    "PREFIX x: <{url}> SELECT * {{ SERVICE x:a {{ ?x ?r ?y }} }}",
    "PREFIX : <{url}> SELECT * {{ SERVICE :a {{ ?x ?r ?y }} }}",
    "PREFIX : <{url}> SELECT * {{ SERVICE:a{{ ?x ?r ?y }} }}",
    "PREFIX : <{url}> SELECT * {{ SERVICE SILENT:a{{ ?x ?r ?y }} }}",
    "SELECT * {{ BIND(<{url}> AS ?s) SERVICE ?s {{ ?x ?r ?y }} }}",
    "SELECT * {{ ?x ?r 1e5SERVICE<{url}>{{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r trueSERVICE<{url}>{{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r ?y.SERVICE<{url}>{{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r 'a'SERVICE<{url}>{{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r ?y FILTER(1<2)SERVICE<{url}>{{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r e:a\\#b SERVICE <{url}> {{?a ?b ?c}} \n}}",
    "SELECT * {{ ?x ?r e:a\\'b SERVICE <{url}> {{?a ?b ?c}} FILTER(?x != 'c') }}",
    "SELECT * {{ ?x ?r 'it\\'s' SERVICE <{url}> {{?a ?b ?c}} }}",
    "SELECT * {{ ?x ?r '''a'b''' SERVICE <{url}> {{?a ?b ?c}} }}",
    "SELECT * {{ # a comment\r SERVICE <{url}> {{?a ?b ?c}} }}",
    "SELECT * {{ OPTIONAL {{ UNION_ {{}} }} SERVICE <{url}> {{?a ?b ?c}} }}",
    "SELECT * {{ \\u0053ERVICE <{url}> {{?a ?b ?c}} }}",
    "SELECT * {{ FILTER EXISTS {{ SERVICE <{url}> {{?a ?b ?c}} }} }}",
]


def test_no_question_asks_another_server(asked: KnowledgeGraph) -> None:
    with listening() as (url, heard):
        for question in ELSEWHERE:
            with pytest.raises(DataError):
                asked.ask(question.format(url=url), access(SUPPLY))
        # Functions and graphs are addresses as well, and nobody looks there either.
        for harmless in (f"SELECT * {{ GRAPH <{url}> {{?x ?r ?y}} }}", f"SELECT * {{ <{url}> ?r ?y }}"):
            assert asked.ask(harmless, access(SUPPLY)).rows == ()
        with pytest.raises(DataError, match="no SPARQL that can be answered"):
            asked.ask(f"SELECT (<{url}f>(?x) AS ?z) {{ ?x ?r ?y }}", access(SUPPLY))
        assert heard == []


def test_without_the_refusal_another_server_would_hear(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above would see it."""
    monkeypatch.setattr("lepton_fed.knowledge.asking.require_question", lambda question: None)
    with listening() as (url, heard):
        graph.ask(f"SELECT * {{ SERVICE SILENT <{url}> {{ ?x ?r ?y }} }}", access(SUPPLY))
        assert heard


def test_names_with_such_words_in_them_may_be_asked_for(graph: KnowledgeGraph) -> None:
    graph.add([Fact("from", "service", "load"), Fact("甲", "r", Literal("SERVICE <x>"))], provenance(SUPPLY))
    assert graph.ask("SELECT ?service { e:from r:service ?service }", access(SUPPLY)).rows == (("load",),)
    quoted = "SELECT ?x { ?x r:r 'SERVICE <x>' } # nothing"
    assert graph.ask(quoted, access(SUPPLY)).rows == (("甲",),)


def test_a_question_that_takes_too_long_is_ended_and_the_next_one_is_answered(graph: KnowledgeGraph) -> None:
    graph.add([Fact(f"e{k}", "r", f"e{k + 1}") for k in range(40)], provenance(SUPPLY))
    index = graph.rebuild()
    everything = " . ".join(f"?a{k} ?b{k} ?c{k}" for k in range(9))
    with Questioner(index, Bounds(seconds=1)) as questioner:
        with pytest.raises(DataError, match="took longer than 1 seconds and was ended"):
            questioner.ask(f"SELECT (COUNT(*) AS ?n) {{ {everything} }}", index.graphs)
        questioner.bounds = Bounds()
        assert len(questioner.ask(EVERYTHING, index.graphs).rows) == 40 + len(SUPPLIES) + 2


def test_a_question_that_takes_too_much_memory_is_ended(graph: KnowledgeGraph) -> None:
    index = graph.rebuild()
    everything = " . ".join(f"?a{k} ?b{k} ?c{k}" for k in range(9))
    with (
        Questioner(index, Bounds(seconds=120, memory=400 << 20)) as questioner,
        pytest.raises(DataError, match="took more than 400 MiB of memory and was ended"),
    ):
        questioner.ask(f"SELECT DISTINCT * {{ {everything} }} ORDER BY ?a0", index.graphs)


def test_an_answer_has_no_more_rows_and_letters_than_asked_for(asked: KnowledgeGraph) -> None:
    index = asked.rebuild()
    own = [sort for sort in index.graphs if sort.owner == SUPPLY]
    with Questioner(index, Bounds(rows=3)) as questioner:
        answer = questioner.ask(EVERYTHING, own)
    assert (len(answer.rows), answer.more) == (3, True)
    with Questioner(index, Bounds(characters=40)) as questioner:
        assert questioner.ask(EVERYTHING, own).more
    with Questioner(index, Bounds(rows=len(SUPPLIES))) as questioner:
        assert not questioner.ask(EVERYTHING, own).more


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("SELECT", "no SPARQL that can be answered"),
        ("x" * 20_001, "at most 20000 are taken"),
        ("SELECT * " + "{" * 61 + "}" * 61, "more than 60 brackets within brackets"),
    ],
)
def test_what_is_no_question_is_told(asked: KnowledgeGraph, question: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        asked.ask(question, access(SUPPLY))


def test_sorts_that_the_index_does_not_have_open_nothing(asked: KnowledgeGraph) -> None:
    index = asked.rebuild()
    with Questioner(index) as questioner:
        assert questioner.ask(EVERYTHING, [Sort(SUPPLY, "报价", frozenset())]).rows == ()


def test_the_index_follows_the_revisions(graph: KnowledgeGraph) -> None:
    assert ("齿轮箱",) in graph.ask("SELECT ?y { e:华东钢铁 r:供应 ?y }", access(RESEARCH)).rows
    graph.retract(provenance(SUPPLY), head="华东钢铁", relation="供应")
    assert graph.ask("SELECT ?y { e:华东钢铁 r:供应 ?y }", access(RESEARCH)).rows == ()


def test_a_fact_that_becomes_private_by_its_type_is_private_at_once(graph: KnowledgeGraph) -> None:
    graph.add([Fact("南方轴承", "rdf:type", "人员")], provenance(SUPPLY))
    assert graph.ask("SELECT ?y { e:南方轴承 ?r ?y }", access(RESEARCH)).rows == ()


def test_every_decision_is_heard(asked: KnowledgeGraph) -> None:
    heard = []
    given = access(RESEARCH)
    asked.ask(EVERYTHING, type(given)(given.policies, given.asker, heard.append))
    assert {(d.request.kind, d.request.what, d.permitted) for d in heard} >= {
        ("Relation", "供应", True),
        ("Relation", "报价", False),
        ("EntityType", "人员", False),
    }
