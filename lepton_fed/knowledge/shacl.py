"""The part of SHACL that says what rules say: shapes with a target class, and what each of their properties has.

    t:供应商 is targetted; sh:property [ sh:path r:供应 ; sh:minCount 1 ; sh:class t:零件 ]
        ──►  RelationRule(name="供应", only_for=("供应商",), minimum=1, range=("零件",))

Every other constraint is refused in a sentence: a check that silently leaves one out would say that all is well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lepton_fed.errors import ConfigError, DataError
from lepton_fed.knowledge import iris
from lepton_fed.knowledge.facts import TYPE, Fact, Literal
from lepton_fed.knowledge.rdf import read_rdf
from lepton_fed.knowledge.rules import RelationRule

SH = "http://www.w3.org/ns/shacl#"

_ABOUT = frozenset({f"{SH}{word}" for word in ("name", "description", "message", "severity", "order", "group")})
"""What is said about a shape to people."""


def read_shapes(path: Path) -> tuple[RelationRule, ...]:
    """The rules of the file's shapes; ConfigError where it cannot be read, has none, or says what is not known here."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; give the path of a file of rules")
    try:
        facts = list(read_rdf(path, str(path)))
        said: dict[str, list[Fact]] = {}
        for fact in facts:
            said.setdefault(fact.head, []).append(fact)
        rules = tuple(rule for shape in said for rule in _rules(shape, said))
    except (DataError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not rules:
        raise ConfigError(f"{path} has no shape with a sh:targetClass and a sh:property")
    return rules


def _rules(shape: str, said: dict[str, list[Fact]]) -> Iterator[RelationRule]:
    targets = tuple(iris.name(str(f.tail)) for f in said[shape] if f.relation == f"{SH}targetClass")
    if not targets:
        return
    for fact in said[shape]:
        if fact.relation == f"{SH}property":
            yield _rule(targets, said.get(str(fact.tail), []))
        elif fact.relation not in (TYPE, f"{SH}targetClass", *_ABOUT) and fact.relation.startswith(SH):
            raise DataError(
                f"{_short(fact.relation)} of a shape is not known here; write what it says as rules in TOML"
            )


def _rule(targets: tuple[str, ...], about: list[Fact]) -> RelationRule:
    found: dict[str, Any] = {"only_for": targets}
    for fact in about:
        value = fact.tail.text if isinstance(fact.tail, Literal) else fact.tail
        match fact.relation.removeprefix(SH):
            case "path":
                if value.startswith("_:"):
                    raise DataError("a sh:path of several steps is not known here; give one relation")
                found["name"] = iris.name(value)
            case "minCount":
                found["minimum"] = int(value)
            case "maxCount":
                found["maximum"] = int(value)
            case "class":
                found["range"] = (iris.name(value),)
            case "datatype":
                found["datatype"] = value.removeprefix(iris.XSD)
            case _ if fact.relation not in (TYPE, *_ABOUT):
                raise DataError(
                    f"{_short(fact.relation)} of a property is not known here; write what it says as rules in TOML"
                )
    if "name" not in found:
        raise DataError("a sh:property has no sh:path")
    return RelationRule(**found)


def _short(relation: str) -> str:
    return relation.replace(SH, "sh:")
