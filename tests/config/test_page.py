"""docs/federation-file.md describes every key as the code has it, and each of its examples loads."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from lepton_fed.config import Federation, places
from lepton_fed.secrecy import audit
from lepton_fed.settings import Settings
from tests.config.example import distilling, valid

PAGE = Path(__file__).parents[2] / "docs" / "federation-file.md"
TEXT = PAGE.read_text(encoding="utf-8")
METHODS = (
    "FedAvg", "FedProx", "Ditto", "pFedMe", "MR-MTL", "IFCA", "Soft clusters", "FedPer", "FedBN",
    "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad", "SCAFFOLD", "Distillation",
)  # fmt: skip


def sections() -> dict[str, str]:
    """Text under each heading, by heading."""
    found: dict[str, str] = {}
    for part in re.split(r"^#+ ", TEXT, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        assert heading not in found
        found[heading] = body
    return found


def rows(section: str) -> dict[str, list[str]]:
    """Cells of a table's rows, by the key in the first."""
    lines = [line for line in section.split("\n") if line.startswith("| `")]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def tables() -> list[tuple[str, Any]]:
    """Heading and class of each table; a department's model has the keys of [model]."""
    found = []
    for path, kind in places.tables(Settings):
        if path and path != ("departments", "model"):
            many = places.allowed(places.type_at(Settings, path)) == "a list of tables"
            name = places.words(path)
            found.append((f"`[[{name}]]`" if many else f"`[{name}]`", kind))
    return found


def default(field: dataclasses.Field[Any], heading: str) -> str:
    """The default as the page writes it."""
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
        if dataclasses.is_dataclass(value):
            return f"`[{heading.strip('`[]')}.{field.name}]`"
        return "`{}`"
    if value is dataclasses.MISSING:
        return "required"
    if value is None:
        return "none"
    return f"`{json.dumps(value)}`"


def test_each_table_has_a_section_and_each_section_a_table() -> None:
    headed = {heading for heading in sections() if heading.startswith("`[")}
    assert headed == {heading for heading, _ in tables()}


@pytest.mark.parametrize(("heading", "kind"), tables())
def test_each_key_is_described_with_its_default_and_its_words(heading: str, kind: Any) -> None:
    described = rows(sections()[heading])
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(kind)}
    assert list(described) == list(fields)
    for key, field in fields.items():
        _, _, written, meaning = described[key]
        assert meaning, key
        assert written == default(field, heading), key
        wanted = places.fields(kind)[key]
        words = places.literals(wanted)
        if places.allowed(wanted).startswith("a list of"):
            words = places.literals(places.type_at(kind, (key, 0)))
        for word in words:
            assert f"`{word}`" in " ".join(described[key]), (key, word)


def test_the_complete_example_loads_and_uses_every_outermost_table_but_the_servers_and_knowledge() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", sections()["A complete example"], flags=re.DOTALL)
    federation = Federation.parse(text, Path("federation.toml"))
    assert federation.settings.names[0] == "一车间"
    assert set(tomllib.loads(text)) == set(places.fields(Settings)) - {"server", "knowledge"}


def test_the_sums_of_the_complete_example_are_secure_and_not_refused() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", sections()["A complete example"], flags=re.DOTALL)
    found = audit(Federation.parse(text, Path("federation.toml")).settings)
    assert (found.secure, found.refused) == (True, None)


def test_each_published_method_has_its_settings() -> None:
    assert tuple(h for h in sections() if h in METHODS) == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_the_settings_of_a_published_method_load(method: str) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", sections()[method], flags=re.DOTALL)
    tables = tomllib.loads(text)
    tree = (distilling() if tables.get("coupling", {}).get("kind") == "distill" else valid()) | tables
    federation = Federation.parse(tomli_w.dumps(tree), Path("federation.toml"))
    for table, keys in tomllib.loads(text).items():
        here = getattr(federation.settings, table)
        for key, value in keys.items():
            if not isinstance(value, dict | list):
                assert getattr(here, key + ("_" if key == "lambda" else "")) == value
