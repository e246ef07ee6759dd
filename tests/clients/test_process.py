"""A department's process: it waits for its coordinator as long as it takes, and ends when it is asked to."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.deployed import deployed
from tests.federations import TARGET, quick, written

pytestmark = [pytest.mark.flower, pytest.mark.long]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_its_coordinator_a_department_waits_and_is_ended_in_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    with deployed(tmp_path, written(tmp_path / "小", quick({}, 1)), departments=False) as there:
        # Not begun: there is nothing to say goodbye to.
        there.kill("coordinator")
        there.start(TARGET)
        there.wait_for(lambda: "the coordinator cannot be reached" in there.log(TARGET))
        assert f"{TARGET}: rows are loaded, dialling {there.kit.address}" in there.log(TARGET)
        process = there.processes[TARGET]
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join(60)
        assert process.exitcode == 0
        assert "Traceback" not in there.log(TARGET)
        assert there.log(TARGET).count("cannot be reached") == 1
