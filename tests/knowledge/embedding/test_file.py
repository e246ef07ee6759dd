"""The knowledge file and departments' own files: what is read, and what is wrong with it in one sentence."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from lepton_fed.errors import ConfigError, DataError, LeptonError
from lepton_fed.knowledge.embedding.file import load_settings, read_departments
from lepton_fed.knowledge.embedding.settings import EmbeddingSettings

CONFIG = Path(__file__).parents[3] / "configs" / "knowledge.toml"
NAMES = ("研发部门", "生产车间", "供应链")
FACTS = "head,relation,tail\n" + "".join(f"零件{k},装在,零件{(k + 1) % 20}\n" for k in range(20))


def write(folder: Path, text: str = "", facts: str = FACTS) -> Path:
    """A knowledge file of three departments whose facts are CSV files."""
    file = folder / "wissen.toml"
    departments = "".join(f'[[departments]]\nname = "{name}"\n' for name in NAMES)
    file.write_text(f'[federation]\nname = "x"\npurpose = "测试"\n{departments}{text}', encoding="utf-8")
    (folder / "wissen").mkdir()
    for name in NAMES:
        (folder / "wissen" / f"{name}.toml").write_text(f'[data]\npath = "{name}.csv"\n', encoding="utf-8")
        (folder / "wissen" / f"{name}.csv").write_text(facts, encoding="utf-8")
    return file


def test_facts_are_split_over_one_dictionary(tmp_path: Path) -> None:
    file = write(tmp_path)
    one, *_ = found = read_departments(file, load_settings(file))
    assert [d.name for d in found] == list(NAMES)
    assert len({d.facts.entities for d in found}) == 1
    assert len(one.facts.entities) == 20
    assert len(one.facts.train) == 16
    assert sum(map(len, one.facts.parts)) + one.dropped == 20


def test_a_column_says_which_part_a_fact_is_of(tmp_path: Path) -> None:
    lines = ["head,relation,tail,part", "a,r,b,train", "b,r,a,train", "a,r,a,validation", "b,r,b,test", "b,r,a,test"]
    file = write(tmp_path, facts="\n".join(lines))
    assert [len(part) for part in read_departments(file, load_settings(file))[0].facts.parts] == [2, 1, 2]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ("head,tail\na,b\n", "研发部门: its facts have no column 'relation'"),
        ("head,relation,tail,part\na,r,b,trian\n", "the part of a fact is train, validation, test, not 'trian'"),
        ("head,relation,tail\n", "its source holds no rows"),
        ("head,relation,tail\na,r,b\n", "facts to train on and facts to validate by"),
    ],
)
def test_facts_that_cannot_be_used_are_one_sentence(tmp_path: Path, facts: str, why: str) -> None:
    file = write(tmp_path, facts=facts)
    with pytest.raises(DataError) as error:
        read_departments(file, load_settings(file))
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[embedding]\nmodel = 'hole'\n", "embedding"),
        ("[embedding]\ndimensoin = 3\n", "dimension"),
        ("[entities]\nowners = 1\n", "insecure_reproduction"),
        ("[entities]\ncounts = [9, 4]\n", "counts are a band"),
        ("[coupling]\nbeta = 2.0\n", "beta must be between 0 and 1"),
        ("[rounds]\ncount = 0\n", "count must be at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        load_settings(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_two_departments_are_too_few(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text("utf-8").replace('[[departments]]\nname = "供应链"\n', ""), encoding="utf-8")
    with pytest.raises(LeptonError, match="at least 3"):
        load_settings(file)


# ---------------------------------------------------------------- what ships


def test_the_shipped_file_hides_every_row_among_three() -> None:
    settings = load_settings(CONFIG)
    assert len(settings.names) == 6
    assert (settings.entities.owners, settings.entities.insecure_reproduction) == (3, False)


def test_what_the_shipped_file_says_are_the_defaults() -> None:
    """The benchmark measures the defaults, so the file must not say anything else."""
    settings = load_settings(CONFIG)
    plain = EmbeddingSettings(federation=settings.federation, departments=settings.departments)
    assert settings == plain


def test_every_department_of_the_shipped_file_has_a_file_and_no_other_is_there() -> None:
    settings = load_settings(CONFIG)
    assert {p.stem for p in (CONFIG.parent / "knowledge").glob("*.toml")} == set(settings.names)


def test_the_shipped_departments_share_out_the_graph() -> None:
    try:
        importlib.metadata.distribution("pykeen")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("pykeen is not installed (extra `yardsticks`)")
    found = read_departments(CONFIG, load_settings(CONFIG))
    assert sum(len(d.facts.train) for d in found) == 5216
    assert sum(len(d.relations) for d in found) == 46
    assert len(found[0].facts.entities) == 135
