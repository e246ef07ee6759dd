"""Key paths in words, on their lines, with their types."""

from __future__ import annotations

import dataclasses

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings

from lepton_fed.config import places
from lepton_fed.settings import Settings
from tests.config.example import Tree
from tests.config.strategies import files
from tests.config.strategies import places as places_of
from tests.thoroughness import at_most

TEXT = """\
# a comment
name = "x"

[[list]]
a = 1
[[list]]

# before a long statement
b = [
  1,
  { c = 2 },
]
d.e = 3
[table]
text = '''
[[list]]
a = 4
'''
[table.inner]
"部门 一" = 5
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("list",), 4),
        (("list", 0, "a"), 5),
        (("list", 1), 6),
        (("list", 1, "b"), 9),
        (("list", 1, "b", 1, "c"), 9),
        (("list", 1, "d", "e"), 13),
        (("table",), 14),
        (("table", "text"), 15),
        (("table", "inner", "部门 一"), 20),
        (("list", 1, "absent"), 6),
        (("table", "inner", "absent", "absent"), 19),
        (("absent",), None),
        ((), None),
    ],
)
def test_a_path_is_found_on_the_line_where_its_statement_begins(path: places.Path, line: int | None) -> None:
    assert places.line_of(TEXT, path) == line


@settings(deadline=None, max_examples=at_most(25), suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_the_line_of_a_key_shows_the_key_or_the_header_around_it(tree: Tree) -> None:
    text = tomli_w.dumps(tree)
    for path in places_of(tree)[:: max(1, len(places_of(tree)) // 12)]:
        line = places.line_of(text, path)
        assert line is not None
        outermost = [k for k in path if isinstance(k, str)]
        assert any(tomli_w.dumps({k: 0}).split(" = ")[0] in text.split("\n")[line - 1] for k in outermost)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("departments", 1, "roles"), "departments[2].roles"),
        (("weights", "alpha", "研发部门"), "weights.alpha.研发部门"),
        (("weights", "alpha", "line 1"), 'weights.alpha."line 1"'),
        (("data", "columns", 0, "range", 1), "data.columns[1].range[2]"),
        (("weights", "alpha", ""), 'weights.alpha.""'),
    ],
)
def test_paths_are_said_from_one(path: places.Path, said: str) -> None:
    assert places.words(path) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("departments",), "a list of tables"),
        (("departments", 3), "a table"),
        (("departments", 0, "roles"), "a list of 'source' or 'target'"),
        (("departments", 0, "label"), "text"),
        (("coupling", "lambda"), "a number"),
        (("training", "epochs"), "a whole number"),
        (("data", "columns", 2, "range"), "a list of 2 values, each a number"),
        (("weights", "alpha"), "'examples' or 'uniform' or a table of numbers"),
        (("weights", "alpha", "研发部门"), "a number"),
        (("model", "arguments", "hidden"), "any value"),
        (("coupling", "reset"), "true or false"),
    ],
)
def test_the_type_at_a_path_is_said_in_words(path: places.Path, said: str) -> None:
    assert places.allowed(places.type_at(Settings, path)) == said


def test_nothing_may_stand_where_no_field_is() -> None:
    assert places.type_at(Settings, ("departments", "roles")) is None
    assert places.type_at(Settings, ("coupling", "lambda_")) is None
    assert places.type_at(Settings, ("data", "columns", 0, "range", 2)) is None


def test_every_class_of_the_settings_is_a_table() -> None:
    from lepton_fed import settings as module

    classes = {c for c in vars(module).values() if dataclasses.is_dataclass(c)}
    assert {kind for _, kind in places.tables(Settings)} == classes
