"""Shared tables leave as their owner says: chosen columns, masked values, no group of too few rows."""

from __future__ import annotations

import stat
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lepton_fed.data.department_file import SharedTable, load_department_file
from lepton_fed.data.shared_tables import SharedTables, as_csv, write_table
from lepton_fed.errors import ConfigError, StorageError

WHAT = "物料管理"
ROWS = "供应商,物料,价格\n甲,钢,10\n甲,铜,30\n乙,钢,20\n,铝,5\n"


def taken(folder: Path, **said: Any) -> pd.DataFrame:
    """What leaves of the table."""
    (folder / "t.csv").write_text(ROWS, encoding="utf-8")
    shelf = SharedTables({WHAT: SharedTable(path="t.csv", **said)}, folder, folder / "mask.key", "供应链部门")
    return pd.read_parquet(BytesIO(shelf.take(WHAT).content))


def test_only_the_chosen_columns_and_rows_leave(tmp_path: Path) -> None:
    found = taken(tmp_path, columns=("物料", "价格"), rows=3)
    assert list(found.columns) == ["物料", "价格"]
    assert found["物料"].tolist() == ["钢", "铜", "钢"]
    assert not (tmp_path / "mask.key").exists()


def test_masked_values_are_equal_where_values_are_and_say_nothing_else(tmp_path: Path) -> None:
    found = taken(tmp_path, mask=("供应商", "物料"))
    names, goods = found["供应商"].tolist(), found["物料"].tolist()
    assert names[0] == names[1] != names[2]
    assert goods[0] == goods[2]
    assert not {"甲", "乙", "钢"} & {*names, *goods}
    assert all(len(one) == 32 for one in (*names[:3], *goods))
    assert stat.S_IMODE((tmp_path / "mask.key").stat().st_mode) == 0o600
    assert taken(tmp_path, mask=("供应商",))["供应商"].tolist()[:3] == names[:3]
    (tmp_path / "mask.key").unlink()
    assert taken(tmp_path, mask=("供应商",))["供应商"].tolist()[:3] != names[:3]


def test_a_statistic_has_no_group_of_fewer_rows(tmp_path: Path) -> None:
    found = taken(tmp_path, groups=("供应商",), minimum=2, columns=("供应商", "价格"))
    assert found.to_dict("list") == {"供应商": ["甲"], "rows": [2], "mean of 价格": [20.0]}


def test_a_masking_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    taken(tmp_path, mask=("供应商",))
    (tmp_path / "mask.key").chmod(0o644)
    with pytest.raises(StorageError, match="others may read"):
        taken(tmp_path, mask=("供应商",))


@pytest.mark.parametrize("said", [{"mask": ("价各",)}, {"columns": ("没有",)}, {"where": {"物料": ("金",)}}])
def test_a_table_that_cannot_be_read_is_a_matter_of_its_department_alone(tmp_path: Path, said: dict[str, Any]) -> None:
    # A StorageError: the resident department says of it only that it failed.
    with pytest.raises(StorageError, match="the shared table '物料管理' cannot be read: 供应链部门: "):
        taken(tmp_path, **said)


def test_what_is_received_is_for_its_owner_alone(tmp_path: Path) -> None:
    content = BytesIO()
    pd.DataFrame({"物料": ["钢"]}).to_parquet(content, index=False)
    for name in ("m.csv", "m.parquet"):
        write_table(tmp_path / name, content.getvalue(), "研发部门")
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "m.csv").read_text(encoding="utf-8") == "物料\n钢\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.csv", "m.parquet"]
    assert as_csv(content.getvalue(), "研发部门") == "物料\n钢\n".encode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[shared."a"]\npath = "x.npz"', "a shared table has columns; npz has none"),
        ('[shared."a"]\npath = "x.csv"\nrows = 0', "rows must be at least 1"),
        ('[shared."a"]\npath = "x.csv"\ncolumns = ["b"]\nmask = ["c"]', "columns leaves out"),
        ('[reads."a"]\nfrom = "b"\nto = "x.xlsx"', "to must end in .parquet or .csv"),
        ("[privacy]\nbudget = 0", "budget must be positive"),
    ],
)
def test_a_department_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_department_file(path, "研发部门")
    assert sentence.split(",")[0] in str(caught.value)
