"""How fast facts are imported, and how long typical questions take, with a million facts of two departments.

    python -m benchmarks.knowledge                 a million facts; takes minutes
    python -m benchmarks.knowledge --facts 100000
    python -m benchmarks.knowledge --smoke         a few thousand, to see that it runs

The facts are those of a made-up manufacturer: entities of four types, thirty relations, literals on one in ten. They
are imported from a file of N-Triples (a quarter from a table) into SQLite, each file as one revision with its audit
entry, durably; then the index is built; then each kind of question is asked many times about other entities, by a
department that may read nine tenths of the relations; then a hundred facts are added, and it is asked again. Beside
wall seconds stand those of the processor, which say more on a machine that has other work.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.arguments import begin, integer
from benchmarks.machine import machine
from lepton_fed.knowledge import Access, Asker, Bounds, Fact, FactSource, KnowledgeGraph, Provenance
from lepton_fed.knowledge.iris import iri
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

OWNERS = ("供应链部门", "生产车间")
ASKER = "研发部门"
TYPES = ("供应商", "零件", "设备", "产品")
RELATIONS = tuple(f"关系{k}" for k in range(30))
PRIVATE = 3
"""Relations that the asker may not read."""

QUESTIONS = {
    "what is said of an entity": "SELECT ?r ?y {{ {a} ?r ?y }}",
    "what it is said in": "SELECT ?x ?r {{ ?x ?r {a} }}",
    "one relation, two steps": "SELECT ?z {{ {a} {r} ?y . ?y {s} ?z }}",
    "two entities that share one": "SELECT DISTINCT ?y {{ {a} ?r ?y . {b} ?s ?y }}",
    "any way of three steps": "SELECT DISTINCT ?y {{ {a} ({r}|{s}|^{r}) ?x . ?x ({r}|^{s}) ?z . ?z {s} ?y }} LIMIT 100",
    "entities of a type by a value": "SELECT ?x ?v {{ ?x {r} ?y ; a t:零件 ; r:重量 ?v FILTER(?v > 990) }} LIMIT 50",
    "how many of a relation": "SELECT (COUNT(*) AS ?n) {{ ?x {r} ?y }}",
}

Done = TypeVar("Done")


def main() -> None:
    """Print what was measured, and on what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=integer(10), default=1_000_000, metavar="N")
    parser.add_argument(
        "--asked", type=integer(2), default=100, metavar="N", help="times that each kind of question is asked"
    )
    parser.add_argument("--smoke", action="store_true", help="4000 facts, 3 of each question")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    facts, asked = (4000, 3) if chosen.smoke else (chosen.facts, chosen.asked)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), facts, asked)
    if chosen.json:
        print(json.dumps({"machine": machine(), **found}, ensure_ascii=False))
        return
    print("  ".join(f"{key} {value}" for key, value in machine().items()))
    for name, value in found.items():
        print(f"{name:44} {value:14,.2f}")


def measured(folder: Path, facts: int, asked: int) -> dict[str, float]:
    """Rates in facts a second (of the wall, of the processor), latencies in milliseconds."""
    found: dict[str, float] = {}
    entities = max(20, facts // 20)
    table, triples = folder / "facts.csv", folder / "facts.nt"
    in_table = facts // 4
    write_table(table, in_table, entities)
    write_triples(triples, facts - in_table, entities)
    with KnowledgeGraph(folder / "knowledge.sqlite", bounds=Bounds(seconds=600)) as graph:
        for owner, path, count in ((OWNERS[0], triples, facts - in_table), (OWNERS[1], table, in_table)):
            source = FactSource(path=path.name)
            made, wall, processor = timed(lambda: graph.load(source, department=owner, by="benchmark", base=folder))  # noqa: B023
            assert made is not None
            found[f"imported from {path.suffix}, facts a second"] = made.added / wall
            found[f"imported from {path.suffix}, a processor second"] = made.added / processor
            assert made.added > 0.9 * count
        index, wall, processor = timed(graph.rebuild)
        found["index built, facts a second"] = facts / wall
        found["index built, a processor second"] = facts / processor
        found["graphs in the index"] = len(index.graphs)
        found["database, MB"] = sum(p.stat().st_size for p in folder.glob("knowledge.sqlite*") if p.is_file()) / 1e6
        found["index, MB"] = sum(p.stat().st_size for p in index.store.rglob("*") if p.is_file()) / 1e6
        found |= latencies(graph, entities, asked)
        found |= after_a_change(graph, entities)
    found["most memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return found


def latencies(graph: KnowledgeGraph, entities: int, asked: int) -> dict[str, float]:
    """Milliseconds, the median and the 95th percentile of each kind and of all."""
    access, draw = reader(), random.Random(7)
    graph.ask("ASK { ?x ?r ?y }", access)  # the process starts, and policies are prepared
    found, every = {}, []
    for name, question in QUESTIONS.items():
        times = []
        for _ in range(asked):
            words = {
                "a": f"<{iri(named(draw.randrange(entities)), 'entity')}>",
                "b": f"<{iri(named(draw.randrange(entities)), 'entity')}>",
                "r": f"r:{draw.choice(RELATIONS)}",
                "s": f"r:{draw.choice(RELATIONS)}",
            }
            asked_now = question.format(**words)
            _, wall, _ = timed(lambda: graph.ask(asked_now, access))  # noqa: B023
            times.append(1000 * wall)
        every += times
        found[f"{name}, median ms"] = statistics.median(times)
        found[f"{name}, p95 ms"] = statistics.quantiles(times, n=20)[-1]
    return {
        **found,
        "all questions, median ms": statistics.median(every),
        "p95 ms": statistics.quantiles(every, n=20)[-1],
    }


def after_a_change(graph: KnowledgeGraph, entities: int) -> dict[str, float]:
    """Seconds until an index and its view have followed a revision of a hundred facts, beside building them anew."""
    draw = random.Random(8)
    facts = [Fact(named(draw.randrange(entities)), RELATIONS[5], f"零件 新{k}") for k in range(100)]
    graph.add(facts, Provenance(department=OWNERS[0], source="a change", by="benchmark"))
    _, wall, processor = timed(graph.indexed)
    _, asked, _ = timed(lambda: graph.ask("ASK { ?x ?r ?y }", reader()))
    return {
        "index followed 100 facts, s": wall,
        "index followed 100 facts, processor s": processor,
        "first question after that, s": asked,
    }


def reader() -> Access:
    """Who may read all but a few relations."""
    readable = [("relation", name) for name in (*RELATIONS[PRIVATE:], "重量", "rdf:type")]
    readable += [("type", name) for name in (*TYPES, "entity")]
    grants = tuple(
        Grant(what=what, who=(ASKER,), action="read", owner=OWNERS, kind=kind)  # type: ignore[arg-type]
        for kind, what in readable
    )
    settings = Settings(
        federation=Identity(name="制造", purpose="选型"),
        departments=tuple(DepartmentSettings(name=name) for name in (*OWNERS, ASKER)),
        data=DataContract(label=Label(meaning="y"), columns=(Column(name="x"),)),
        model=ModelSettings(name="linear"),
        access=grants,
    )
    context = Context.outside_training(purpose="选型", hour=9)
    return Access(Policies.of(settings), Asker(department=ASKER, context=context))


def named(number: int) -> str:
    return f"{TYPES[number % len(TYPES)]} {number:06}"


def drawn(count: int, entities: int, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """(head, relation, tail, type of a literal), a fact each; what every entity is comes first."""
    draw = random.Random(seed)
    for number in range(min(entities, count // 4)):
        yield named(number), "rdf:type", TYPES[number % len(TYPES)], ""
    for number in range(count - min(entities, count // 4)):
        head = named(int(entities * draw.random() ** 2))
        if number % 10 == 0:
            yield head, "重量", str(draw.randrange(1000)), "integer"
        else:
            yield head, draw.choice(RELATIONS), named(draw.randrange(entities)), ""


def write_table(path: Path, count: int, entities: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("head,relation,tail,type\n")
        file.writelines(",".join(fact) + "\n" for fact in drawn(count, entities, 1))


def write_triples(path: Path, count: int, entities: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for head, relation, tail, kind in drawn(count, entities, 2):
            if kind:
                end = f'"{tail}"^^<http://www.w3.org/2001/XMLSchema#{kind}>'
            else:
                end = f"<{iri(tail, 'type' if relation == 'rdf:type' else 'entity')}>"
            file.write(f"<{iri(head, 'entity')}> <{iri(relation, 'relation')}> {end} .\n")


def timed(step: Callable[[], Done]) -> tuple[Done, float, float]:
    """What a step gives, its seconds, and those of the processor in this process."""
    wall, processor = time.perf_counter(), time.process_time()
    done = step()
    return done, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    begin(main)
