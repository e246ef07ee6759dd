"""A department's own file: every key, what is refused, and a password that never shows."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from lepton_fed.data import DataSource, DepartmentFile, load_department_file
from lepton_fed.data.department_file import OwnTerms
from lepton_fed.errors import ConfigError
from tests.speaking import told_in_chinese

SECRET = "geheim-7f3a"


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "心内科.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refused(folder: Path, text: str, mode: int = 0o600) -> str:
    with pytest.raises(ConfigError) as caught:
        load_department_file(written(folder, text, mode), "心内科")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in told_in_chinese(caught.value)
    return str(caught.value)


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
device = "cpu"
code = ["ours.models"]
memory_limit = 1000000
[data]
path = "数据/rows.txt"
format = "csv"
encoding = "gb18030"
where = {"医院" = ["协和", "华山"]}
rename = {"年龄" = "age"}
"""
    assert load_department_file(written(tmp_path, text), "心内科") == DepartmentFile(
        device="cpu",
        code=("ours.models",),
        memory_limit=1_000_000,
        data=DataSource(
            path="数据/rows.txt",
            format="csv",
            encoding="gb18030",
            where={"医院": ("协和", "华山")},
            rename={"年龄": "age"},
        ),
    )


def test_what_it_asks_of_secure_sums_is_read(tmp_path: Path) -> None:
    text = """
[terms]
crowd = 4
crowd_soft = 1.5
coordinator_sees = "nothing"
across_rounds = "enforce"
noise_multiplier = 0.5
"""
    terms = OwnTerms(crowd=4, crowd_soft=1.5, coordinator_sees="nothing", across_rounds="enforce", noise_multiplier=0.5)
    assert load_department_file(written(tmp_path, text), "心内科").terms == terms
    assert load_department_file(written(tmp_path, 'device = "cpu"'), "心内科").terms == OwnTerms()


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("crowd = 0", "terms: crowd must be at least 1, not 0"),
        ("crowd_soft = 0.5", "terms: crowd_soft must be at least 1, not 0.5"),
        ("noise_multiplier = -1.0", "terms: noise_multiplier may not be negative: -1.0"),
        ('coordinator_sees = "everything"', "must be 'sums' or 'nothing'"),
        ('across_rounds = "on"', "must be 'off', 'warn' or 'enforce'"),
        ("crowds = 3", "unknown key `terms.crowds`; did you mean `crowd`?"),
        ("clip = 3.0", "unknown key `terms.clip`"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused_in_one_line(tmp_path: Path, keys: str, why: str) -> None:
    said = refused(tmp_path, "[terms]\n" + keys)
    assert said.startswith("心内科: ")
    assert "\n" not in said
    assert why in said


def test_a_department_without_rows_needs_no_data_table(tmp_path: Path) -> None:
    assert load_department_file(written(tmp_path, 'device = "cpu"'), "研发部门").data is None


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (DataSource(path="a.csv"), "csv"),
        (DataSource(path="a.CSV.gz"), "csv"),
        (DataSource(path="a.2020.parquet"), "parquet"),
        (DataSource(path="a.npz"), "npz"),
        (DataSource(path="a.dat", format="npz"), "npz"),
        (DataSource(url="sqlite:///a.db", query="select 1"), "sql"),
        (DataSource(call="ours.readers:rows"), "callable"),
    ],
)
def test_the_format_follows_from_what_is_given(source: DataSource, kind: str) -> None:
    assert source.kind == kind


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("", "one of path, url or call"),
        ('path = "a.csv"\ncall = "a:b"', "not path and call"),
        ('path = "a.xlsx"', "says no format"),
        ('path = "a.csv"\nformat = "sql"', "needs url"),
        ('path = "a.csv"\nquery = "select 1"', "query does not belong"),
        ('path = "a.csv"\npassword = "geheim-7f3a"', "password does not belong"),
        ('path = "a.parquet"\nencoding = "gbk"', "encoding does not belong"),
        ('path = "a.npz"\nwhere = {a = ["1"]}', "where does not belong"),
        ('call = "a:b"\ndistribution = "c"', "distribution does not belong"),
        ('path = "a.csv"\narguments = {a = 1}', "arguments does not belong"),
        ('url = "sqlite:///a.db"', "needs a query"),
        ('url = "sqlite:///a.db"\nquery = "q"\npassword = "geheim-7f3a"\npassword_env = "P"', "give one of"),
        ('call = "no colon"', "module:callable"),
        ('url = 3\nquery = "q"', "url"),
        ('url = "sqlite:///a.db"\nquery = "q"\npassword = ["geheim-7f3a"]', "password"),
        ('path = "a.csv"\nencodng = "utf-8"', "did you mean `data.encoding`|did you mean `encoding`"),
    ],
)
def test_a_data_table_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, keys: str, why: str) -> None:
    said = refused(tmp_path, "[data]\n" + keys)
    assert said.startswith("心内科: ")
    assert "\n" not in said
    assert any(part in said for part in why.split("|"))


def test_an_unknown_key_is_told_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert "did you mean `device`" in refused(tmp_path, 'devise = "cpu"')


def test_a_value_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    assert "memory_limit" in refused(tmp_path, f'memory_limit = "{SECRET}"')
    assert "format" in refused(tmp_path, f'[data]\nformat = "{SECRET}"\nurl = "sqlite://"\nquery = "q"')


def test_a_negative_memory_limit_is_refused(tmp_path: Path) -> None:
    assert "memory_limit" in refused(tmp_path, "memory_limit = -1")


def test_text_that_is_no_toml_is_told_by_its_place(tmp_path: Path) -> None:
    assert "line 2" in refused(tmp_path, f"[data]\npassword = {SECRET}")


def test_a_file_that_does_not_exist_is_told_with_the_department(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^儿科: .*no such file"):
        load_department_file(tmp_path / "none.toml", "儿科")


@pytest.mark.parametrize(
    "keys",
    [
        f'url = "postgresql://db/a"\npassword = "{SECRET}"',
        f'url = "postgresql://me:{SECRET}@db/a"',
        f'url = "postgresql://db/a?password={SECRET}"',
        f'url = "{SECRET}"',
    ],
)
def test_a_file_with_a_password_that_others_may_read_is_refused(tmp_path: Path, keys: str) -> None:
    text = f'[data]\nquery = "select 1"\n{keys}'
    assert "chmod 600" in refused(tmp_path, text, mode=0o640)
    assert "chmod 600" in refused(tmp_path, text, mode=0o604)
    assert SECRET not in repr(load_department_file(written(tmp_path, text), "心内科"))


def test_a_password_of_the_common_grounds_database_is_kept_as_well(tmp_path: Path) -> None:
    text = f'[common_ground]\ndatabase = "postgresql://me:{SECRET}@db/a"'
    assert "chmod 600" in refused(tmp_path, text, mode=0o640)
    assert SECRET not in repr(load_department_file(written(tmp_path, text), "心内科"))
    assert "must name a file" in refused(tmp_path, '[common_ground]\ndatabase = " "')
    plain = written(tmp_path, '[common_ground]\ndatabase = "knowledge.sqlite"', mode=0o644)
    assert load_department_file(plain, "心内科").common_ground is not None


def test_a_file_without_a_password_may_be_read_by_others(tmp_path: Path) -> None:
    text = '[data]\nurl = "postgresql://me@db/a"\nquery = "select 1"\npassword_env = "DB"'
    assert load_department_file(written(tmp_path, text, mode=0o644), "心内科").data is not None
