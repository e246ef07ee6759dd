"""The timeline of a run: a bar for each time that a step was worked at, names of any kind, no network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lepton_fed import AutoPipeline
from lepton_fed.errors import ConfigError
from lepton_fed.pipeline import Retries
from lepton_fed.pipeline.report import bars
from lepton_fed.report.timeline import Bar, timeline
from tests.pipeline.small import graph, silent


def made() -> AutoPipeline:
    pipeline = AutoPipeline(graph(), say=silent()[1])
    left = [1]

    def once() -> str:
        if left[0]:
            left[0] = 0
            raise OSError
        return "<b>done</b>"

    pipeline.add_step("研发部门", "<训练> $x^2$", work=once, retries=Retries(first=0.001))
    pipeline.add_step("研发部门", "写文档")
    pipeline.run(by="张三")
    return pipeline


def test_each_time_that_a_step_was_worked_at_is_a_bar() -> None:
    pipeline = made()
    status = pipeline.status()
    assert status is not None
    assert [(bar.label, bar.ending) for bar in bars(status, pipeline.events())] == [
        ("<训练> $x^2$", "again"),
        ("<训练> $x^2$", "done"),
        ("写文档", "manual"),
    ]


def test_the_page_is_one_file_that_shows_names_as_they_are(tmp_path: Path) -> None:
    page = made().report(tmp_path / "新" / "pipeline.html").read_text("utf-8")
    assert "&lt;训练&gt; $x^2$" in page
    assert "<b>done" not in page
    assert "&lt;b&gt;done" in page
    assert "which was added before it" in page
    assert not re.search(r'(src|href)="http', page)
    assert "@@" not in page


def test_a_pipeline_that_has_not_run_has_nothing_to_report(tmp_path: Path) -> None:
    pipeline = AutoPipeline(graph(), say=silent()[1])
    with pytest.raises(ConfigError, match="has no run yet"):
        pipeline.report(tmp_path / "pipeline.html")
    assert not list(tmp_path.iterdir())


def test_a_timeline_without_bars_is_empty_and_one_of_no_length_can_be_drawn() -> None:
    assert timeline([]) == ""
    assert "<svg" in timeline([Bar("研发部门", "训练", 0.0, 0.0, "manual")])
