"""Files, distributions and readers become tables or arrays; every failure is one sentence with the name."""

from __future__ import annotations

import gzip
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.data import DataSource
from lepton_fed.data.sources import Arrays, read
from lepton_fed.errors import ConfigError, DataError, LeptonError


def table(source: DataSource, base: Path) -> pd.DataFrame:
    given_ = read(source, base, "心内科")
    assert isinstance(given_, pd.DataFrame)
    return given_


def failure(source: DataSource, base: Path, kind: type[LeptonError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read(source, base, "心内科")
    said = str(caught.value)
    assert said.startswith("心内科: ")
    assert "\n" not in said
    # `from None`: no report of the error shows the one it came from.
    assert len(list(traceback.TracebackException.from_exception(caught.value).format())) > 0
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("readers_of_this_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


# ---------------------------------------------------------------- CSV


def test_a_csv_keeps_its_text_exactly(tmp_path: Path) -> None:
    (tmp_path / "表.csv").write_text('\ufeff编号, 结果 ,x\n007,NA,1.0\n"a,b",阴性,\n', encoding="utf-8")
    read_ = table(DataSource(path="表.csv"), tmp_path)
    assert read_.to_dict("list") == {"编号": ["007", "a,b"], "结果": ["NA", "阴性"], "x": ["1.0", ""]}


def test_a_csv_may_be_compressed_and_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("年龄\n六十\n".encode("gb18030")))
    assert table(DataSource(path="a.csv.gz", encoding="gb18030"), tmp_path)["年龄"].tolist() == ["六十"]
    assert "gb18030" in failure(DataSource(path="a.csv.gz"), tmp_path)
    assert "not known" in failure(DataSource(path="a.csv.gz", encoding="gb-nonsense"), tmp_path, ConfigError)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n4711,4712,4713\n", "differ in length"),
        (b"a,a\n4711,2\n", "columns 1 and 2 of its data have the same name"),
    ],
)
def test_a_csv_that_is_no_table_is_told_without_its_content(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    said = failure(DataSource(path="a.csv"), tmp_path)
    assert why in said
    assert "4711" not in said


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "does not exist" in failure(DataSource(path="no.csv"), tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert "does not exist" in failure(DataSource(path="folder.csv"), tmp_path)


# ---------------------------------------------------------------- where and rename


def test_where_keeps_matching_rows_and_rename_follows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("线,班,温度\nL,1.0,20\nM,1,21\nL,2,22\nH,1,23\n", encoding="utf-8")
    source = DataSource(path="a.csv", where={"线": ("L", "H"), "班": ("1",)}, rename={"温度": "t", "线": "班次"})
    assert table(source, tmp_path).to_dict("list") == {
        "班次": ["L", "H"],
        "班": ["1.0", "1"],
        "t": ["20", "23"],
    }


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.sets(st.sampled_from("abc"), min_size=1))
def test_where_is_a_filter_that_keeps_the_order(letters: list[str], kept: set[str]) -> None:
    module = ModuleType("readers_of_a_property")
    module.rows = lambda: pd.DataFrame({"letter": letters, "n": range(len(letters))})  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    source = DataSource(call="readers_of_a_property:rows", where={"letter": tuple(kept)})
    expected = [n for n, letter in enumerate(letters) if letter in kept]
    if expected:
        assert table(source, Path())["n"].tolist() == expected
    else:
        assert "keeps none" in failure(source, Path())


def test_a_column_that_where_or_rename_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Temperature\n1\n", encoding="utf-8")
    assert "did you mean 'Temperature'" in failure(DataSource(path="a.csv", where={"temperatur": ("1",)}), tmp_path)
    assert "`rename`" in failure(DataSource(path="a.csv", rename={"zzz": "a"}), tmp_path)


def test_rename_may_not_make_two_columns_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "same name" in failure(DataSource(path="a.csv", rename={"a": "b"}), tmp_path)


# ---------------------------------------------------------------- Parquet and npz


def test_parquet_columns_stay_columns_even_where_pandas_saved_an_index(tmp_path: Path) -> None:
    pd.DataFrame({"年龄": [60, 61], "x": [0.5, None]}).set_index("年龄").to_parquet(tmp_path / "a.parquet")
    assert sorted(table(DataSource(path="a.parquet"), tmp_path).columns) == ["x", "年龄"]


def test_a_file_that_is_not_of_its_format_is_told(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.npz"):
        (tmp_path / name).write_bytes(b"4711 4712 4713")
        said = failure(DataSource(path=name), tmp_path)
        assert "cannot be read as" in said
        assert "4711" not in said


def test_npz_gives_x_and_y(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((3, 2, 2)), y=np.arange(3))
    arrays = read(DataSource(path="a.npz"), tmp_path, "心内科")
    assert isinstance(arrays, Arrays)
    assert arrays.x.shape == (3, 2, 2)
    assert arrays.y is not None
    assert arrays.y.tolist() == [0, 1, 2]


def test_npz_is_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object), y=np.arange(1))
    assert "arrays of numbers" in failure(DataSource(path="a.npz"), tmp_path)


def test_npz_without_x_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=np.ones(3))
    assert "no array 'x'" in failure(DataSource(path="a.npz"), tmp_path)
    np.save(tmp_path / "b.npy", np.ones(3))
    assert "cannot be read as npz" in failure(DataSource(path="b.npy", format="npz"), tmp_path)


# ---------------------------------------------------------------- installed distributions


def test_a_file_of_an_installed_distribution_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "pack" / "rows.csv").write_text("a\n1\n")
    (tmp_path / "pack_of_rows-1.0.dist-info").mkdir()
    (tmp_path / "pack_of_rows-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pack-of-rows\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    source = DataSource(distribution="pack-of-rows", path="pack/rows.csv")
    assert table(source, Path("elsewhere"))["a"].tolist() == ["1"]
    assert "has no file" in failure(DataSource(distribution="pack-of-rows", path="pack/no.csv"), tmp_path)


def test_a_distribution_that_is_not_installed_is_told_with_the_extra() -> None:
    said = failure(DataSource(distribution="no-such-package-4711", path="a.csv"), Path())
    assert "install the extra `examples`" in said


# ---------------------------------------------------------------- readers of one's own


def test_a_reader_returns_a_table_or_arrays(readers: Any) -> None:
    readers.rows = lambda first, *, count=1: pd.DataFrame({first: range(count)})
    readers.pictures = lambda: (np.ones((2, 3)), [0, 1])
    source = DataSource(call="readers_of_this_test:rows", arguments={"first": "年龄", "count": 2})
    assert table(source, Path())["年龄"].tolist() == [0, 1]
    arrays = read(DataSource(call="readers_of_this_test:pictures"), Path(), "心内科")
    assert isinstance(arrays, Arrays)
    assert arrays.x.shape == (2, 3)


def test_a_reader_that_fails_is_named_and_its_words_are_not_passed_on(readers: Any) -> None:
    def fails() -> None:
        raise KeyError("patient 4711")

    readers.fails = fails
    said = failure(DataSource(call="readers_of_this_test:fails"), Path())
    assert "KeyError (test_sources.py, line" in said
    assert "4711" not in said


def test_a_readers_own_data_error_is_passed_on(readers: Any) -> None:
    def fails() -> None:
        raise DataError("there is no such hospital")

    readers.fails = fails
    assert failure(DataSource(call="readers_of_this_test:fails"), Path()) == "心内科: there is no such hospital"


@pytest.mark.parametrize(
    ("call", "arguments", "why"),
    [
        ("no_such_module_4711:rows", {}, "no module 'no_such_module_4711'"),
        ("readers_of_this_test:rovs", {}, "no such name"),
        ("readers_of_this_test:rows", {"token": "4711"}, "do not fit"),
        ("readers_of_this_test:number", {}, "can be called"),
    ],
)
def test_a_reader_that_cannot_be_called_is_a_mistake_of_the_file(
    readers: Any, call: str, arguments: dict[str, str], why: str
) -> None:
    readers.rows = lambda: None
    readers.number = 3
    said = failure(DataSource(call=call, arguments=arguments), Path(), ConfigError)
    assert why in said
    assert arguments.get("token", "none") not in said


def test_a_reader_that_returns_something_else_is_told(readers: Any) -> None:
    readers.nothing = lambda: None
    readers.arrays = lambda: (np.ones((2, 1)), np.ones(2))
    assert "returned NoneType" in failure(DataSource(call="readers_of_this_test:nothing"), Path())
    filtered = DataSource(call="readers_of_this_test:arrays", where={"a": ("1",)})
    assert "a DataFrame was expected" in failure(filtered, Path())
