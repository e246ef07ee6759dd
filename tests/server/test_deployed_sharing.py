"""A deployed federation counts and carries tables before its first round, and trains as if it had done neither."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from lepton_fed.config import Federation
from tests.federations import FOUR, SECURE, TARGET, quick, write, write_own
from tests.server.together import Killing, Together, together

pytestmark = [pytest.mark.flower, pytest.mark.long]

WHAT = "物料管理"
OWNER = FOUR[0]


def federation(folder: Path, **more: Any) -> Federation:
    """Four lines that are counted, the first of which shares a table with R&D."""
    path = write(
        folder,
        quick(
            {
                **SECURE,
                "sharing": [*SECURE["sharing"], {"what": WHAT, "from": [OWNER], "to": [TARGET]}],
                "access": [
                    {"what": "updates", "who": ["*"], "action": "训练"},
                    {"what": "updates", "who": [TARGET], "action": "聚合"},
                    {"what": WHAT, "who": [TARGET], "action": "读取"},
                ],
                "data": {
                    "label": {"column": "Target", "meaning": "1: it failed", "classes": ["0", "1"]},
                    "columns": [{"name": "温度", "range": [-20, 20]}, {"name": "torque", "range": [-20, 20]}],
                    "split": {"test": 0.25},
                },
                "statistics": {"what": "updates", "to": [TARGET], "bins": 4},
                **more,
            },
            1,
        ),
    )
    (path.parent / path.stem / "materials.csv").write_text("供应商,物料\n甲,钢\n乙,铜\n", encoding="utf-8")
    shared = {WHAT: {"path": "materials.csv", "mask": ["供应商"]}}
    write_own(path, OWNER, {"path": f"{OWNER}.csv"}, shared=shared)
    own = path.parent / path.stem / f"{TARGET}.toml"
    own.write_text(f'[reads."{WHAT}"]\nfrom = "{OWNER}"\nto = "materials received.csv"\n', encoding="utf-8")
    return Federation.load(path)


def received(there: Together) -> Path:
    return there.federation.department_file(TARGET).parent / "materials received.csv"


def test_statistics_and_reads_come_before_the_first_round_and_are_in_the_run(tmp_path: Path) -> None:
    with together(tmp_path / "there", federation(tmp_path / "file")) as there:
        watcher = Killing()
        result = there.play(watcher)
        assert result.findings is not None
        assert result.findings.departments == FOUR
        assert result.findings.finding("温度").rows == 4 * 32
        assert f"{TARGET} has read {WHAT} of {OWNER}" in watcher.lines
        assert watcher.lines.index("counted over the rows of 4 departments") >= 0
        text = received(there).read_text(encoding="utf-8")
        assert text.startswith("供应商,物料\n")
        assert "钢" in text
        assert "甲" not in text
        assert stat.S_IMODE(received(there).stat().st_mode) == 0o600
        logs = {
            name: (there.made.departments[name] / "state" / f"{name}.reads.jsonl").read_text(encoding="utf-8")
            for name in (OWNER, TARGET)
        }
        owners, readers = (json.loads(line) for line in logs.values())
        assert {**owners, "time": ""} == {**readers, "time": ""}


def test_a_coordinator_that_is_killed_while_it_counts_goes_on_and_trains(tmp_path: Path) -> None:
    with together(tmp_path / "there", federation(tmp_path / "file")) as there:
        there.killed(at=1, where="1: round begins")
        before = there.run
        assert before is not None
        assert before.findings is not None
        assert there.play().findings == before.findings


def test_a_department_with_a_budget_does_not_start_where_its_measurements_would_leave(tmp_path: Path) -> None:
    noise = {"noise": {"norm": 1.0, "multiplier": 8.0}}
    found = federation(tmp_path / "file", aggregation=noise, weights={"alpha": "uniform"}, statistics=None)
    write_own(found.path, FOUR[1], {"path": f"{FOUR[1]}.csv"}, privacy={"budget": 100.0})
    with together(tmp_path / "there", found) as there:  # Its departments disclose what they measure.
        there.residents[FOUR[1]].thread.join(60)
        failure = str(there.residents[FOUR[1]].failure)
        assert "keeps a privacy budget, and measurements that leave carry no noise" in failure
