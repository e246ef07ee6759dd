"""The log of reads: each request once, whatever is killed or runs beside."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lepton_fed.reads import Delivered
from lepton_fed.reads.log import Noted
from lepton_fed.storage.read_log import ReadLogFile


def delivered(number: int) -> Delivered:
    return Delivered("供应链部门", "研发部门", "物料管理", "维护", number.to_bytes(32, "big"), bytes(32), 7)


def test_what_is_noted_is_held_by_every_later_process(tmp_path: Path) -> None:
    log = ReadLogFile(tmp_path / "reads.jsonl")
    assert not log.holds(delivered(1).request)
    log.note(delivered(1))
    again = ReadLogFile(log.path)
    assert again.holds(delivered(1).request)
    with pytest.raises(Noted):
        again.note(delivered(1))
    again.note(delivered(2))
    lines = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]
    assert [(one["what"], one["size"]) for one in lines] == [("物料管理", 7)] * 2
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_half_written_line_spoils_no_other(tmp_path: Path) -> None:
    log = ReadLogFile(tmp_path / "reads.jsonl")
    log.note(delivered(1))
    with log.path.open("ab") as file:
        file.write(b'{"time": "2026-01-01T00:00:00", "own')
    log.note(delivered(2))
    assert log.holds(delivered(1).request)
    assert log.holds(delivered(2).request)
    assert not log.holds(delivered(3).request)
