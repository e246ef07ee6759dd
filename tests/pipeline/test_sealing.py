"""What a pipeline of a federation did is under a head of the audit log as soon as it stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed import AutoPipeline, Graph
from lepton_fed.cli import main
from tests.federations import FOUR, SECURE, written


def test_whatever_a_pipeline_did_is_signed_and_countersigned_when_it_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = Graph.of(written(tmp_path, SECURE))
    pipeline = AutoPipeline(graph, folder=tmp_path / "runs", say=lambda line: None)
    pipeline.add_step(FOUR[0], "验收", work=lambda: 1)
    pipeline.add_step(FOUR[1], "放行", work=lambda: 2, approve="质量经理")
    pipeline.run(by="张三", wait=False)
    log = str(tmp_path / "runs" / "lepton-fed.sqlite")
    assert verified(log, capsys) == 0
    pipeline.approve("放行", role="质量经理", by="李四")
    assert verified(log, capsys) == 0
    pipeline.run(by="张三")
    assert verified(log, capsys) == 0


def verified(log: str, capsys: pytest.CaptureFixture[str]) -> int:
    """The exit code of `audit verify`, which names what nobody vouches for."""
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", log])
    assert "verified" in capsys.readouterr().out
    return int(ended.value.code or 0)
