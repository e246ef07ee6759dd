"""A federation file loads, is written out again and is named by its fingerprint."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError
from tests.config.example import Tree, distilling, valid, write
from tests.config.strategies import WRONG, files, parent, places
from tests.thoroughness import at_most

HERE = Path("somewhere/federation.toml")
many = settings(deadline=None, max_examples=at_most(60), suppress_health_check=[HealthCheck.too_slow])


def parse(tree: Tree) -> Federation:
    return Federation.parse(tomli_w.dumps(tree), HERE)


def refusal(tree: Tree) -> str | None:
    """The one sentence about a tree, None if it loads; any other exception is a failure."""
    return sentence_about(tomli_w.dumps(tree))


def sentence_about(text: str) -> str | None:
    try:
        Federation.parse(text, HERE)
    except ConfigError as error:
        sentence = str(error)
    else:
        return None
    assert sentence.isprintable()
    assert sentence.startswith(str(HERE))
    return sentence


# ---------------------------------------------------------------- what is right


@many
@given(files())
def test_a_resolved_file_loads_back_to_equal_settings(tree: Tree) -> None:
    federation = parse(tree)
    again = Federation.parse(federation.to_toml(), Path("elsewhere.toml"))
    assert again.settings == federation.settings
    assert again.fingerprint == federation.fingerprint


@many
@given(files(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_fingerprint(tree: Tree, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    assert parse(shuffled(tree)).fingerprint == parse(tree).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"federation": {"name": "制造联邦", "purpose": "Predict machine failures", "seed": 8}},
        {"model": {"name": "mlp", "arguments": {"hidden": [8.5]}}},
        {"model": {"name": "mlp", "arguments": {"hidden": [9]}}},
        {"rounds": {"participants": 2}},
        {"coupling": {"lambda": 2}},
        {"weights": {"alpha": "uniform"}},
        {"report": {"metrics": ["loss", "auc"]}},
        {"departments": list(reversed(valid()["departments"]))},
    ],
)
def test_any_value_changes_the_fingerprint(change: Tree) -> None:
    assert parse(valid(**change)).fingerprint != parse(valid()).fingerprint


def test_a_default_that_is_written_out_does_not_change_the_fingerprint() -> None:
    assert parse(valid(rounds={"count": 20})).fingerprint == parse(valid()).fingerprint


def test_files_are_found_beside_the_federation_file() -> None:
    tree = distilling()
    tree["departments"][1]["file"] = "qc/own.toml"
    federation = parse(tree)
    assert federation.department_file("生产车间") == Path("somewhere/federation/生产车间.toml")
    assert federation.department_file("质检部门") == Path("somewhere/qc/own.toml")
    assert federation.common_path == Path("somewhere/common.npz")
    assert parse(valid()).common_path is None


def test_the_file_of_an_unknown_department_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean '研发部门'"):
        parse(valid()).department_file("研发部")


def test_a_federation_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, valid())
    federation = Federation.load(str(path))
    assert federation.path == path
    assert federation.settings.names == ("生产车间", "质检部门", "研发部门", "供应链部门")


# ---------------------------------------------------------------- what is wrong


@many
@given(files(), st.data())
def test_a_wrong_value_anywhere_is_one_sentence_or_harmless(tree: Tree, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places(tree)))
    parent(tree, place)[place[-1]] = copy.deepcopy(data.draw(st.sampled_from(WRONG)))
    refusal(tree)


@many
@given(files(), st.data())
def test_a_deleted_entry_is_one_sentence_or_harmless(tree: Tree, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places(tree)))
    del parent(tree, place)[place[-1]]
    refusal(tree)


@many
@given(files(), st.data(), st.sampled_from((math.nan, math.inf, -math.inf)))
def test_a_number_that_is_none_is_never_accepted(tree: Tree, data: st.DataObject, value: float) -> None:
    place = data.draw(st.sampled_from(places(tree)))
    parent(tree, place)[place[-1]] = value
    assert "finite" in (refusal(tree) or "")


@many
@given(files(), st.data())
def test_a_misspelt_key_is_never_accepted(tree: Tree, data: st.DataObject) -> None:
    free = ("arguments", "alpha", "beta")
    keys = [p for p in places(tree) if isinstance(p[-1], str) and not set(p[:-1]) & set(free)]
    place = data.draw(st.sampled_from(keys))
    around = parent(tree, place)
    key = place[-1]
    around[key + "s"] = around.pop(key)
    assert "unknown key" in (refusal(tree) or "")


@many
@given(files(), st.data())
def test_a_text_with_a_slip_of_the_pen_is_one_sentence_or_harmless(tree: Tree, data: st.DataObject) -> None:
    text = tomli_w.dumps(tree)
    at = data.draw(st.integers(0, len(text)))
    slip = data.draw(
        st.sampled_from(["", "\n", '"', "[", "]", "=", "#", "0", "\x00", "\r", "𝛼", "{", "'''", "[[a]]\n"])
    )
    gone = data.draw(st.integers(0, 3))
    sentence_about(text[:at] + slip + text[at + gone :])
