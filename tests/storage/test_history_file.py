"""history.parquet gives back what was written, and other programs can read it."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.errors import StorageError
from lepton_fed.history import Measurement
from lepton_fed.storage import read_history, write_history

text = st.text(st.characters(codec="utf-8"), max_size=6)
measurements = st.builds(
    Measurement,
    round=st.integers(0, 2**40),
    department=text,
    part=st.sampled_from(["train", "validation", "test", "federation"]),
    metric=text,
    value=st.floats(allow_nan=False),
)


# The first example waits for pyarrow to be imported.
@settings(deadline=None)
@given(history=st.lists(measurements, max_size=10))
def test_a_history_comes_back_as_it_was(history: list[Measurement], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("history") / "history.parquet"
    write_history(path, history, durable=False)
    assert read_history(path) == history


def test_nan_stays_nan_and_columns_have_plain_types(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    write_history(
        path,
        [
            Measurement(1, "生产车间", "test", "auc", math.nan),
            Measurement(1, "", "federation", "joint_loss", 2.5),
        ],
    )
    one, two = read_history(path)
    assert math.isnan(one.value)
    assert two == Measurement(1, "", "federation", "joint_loss", 2.5)
    schema = pq.read_schema(path)
    assert dict(zip(schema.names, map(str, schema.types), strict=True)) == {
        "round": "int64",
        "department": "string",
        "part": "string",
        "metric": "string",
        "value": "double",
    }


def test_a_missing_a_damaged_and_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    with pytest.raises(StorageError, match=r"history\.parquet does not exist"):
        read_history(path)
    write_history(path, [Measurement(1, "甲", "test", "auc", 0.5)])
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * 500):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"no readable history"):
            read_history(path)
    pq.write_table(pa.table({"other": [1]}), path)
    with pytest.raises(StorageError, match="no readable history"):
        read_history(path)


def test_an_edited_value_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    history = [Measurement(i, f"部门{i % 7}", "test", "auc", 1 / (i + 1)) for i in range(300)]
    write_history(path, history)
    whole = path.read_bytes()
    chance = random.Random(0)
    noticed = 0
    for _ in range(100):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            # What is not noticed has changed no value: a statistic, or the name of the program that wrote it.
            assert read_history(path) == history
        except StorageError:
            noticed += 1
    assert noticed > 30
