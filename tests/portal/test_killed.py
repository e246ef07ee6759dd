"""Whoever was told that something is saved finds it again, also where the portal was killed at the next moment."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_fed.portal.entries import access
from lepton_fed.portal.finding.search import PAGE, Asked, find
from tests.portal.world import reopened

pytestmark = pytest.mark.long

PROGRAM = """
import sys
from pathlib import Path
from tests.portal.world import reopened
there = reopened(Path(sys.argv[1]))
while True:
    print(there.publish("题", "齿轮"), flush=True)
"""


def test_what_was_acknowledged_is_there_after_a_kill(original: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(original, tmp_path / "门户"))
    for told in (3, 8):
        running = subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        said = [int(running.stdout.readline()) for _ in range(told)]
        running.kill()
        said += [int(line) for line in running.communicate()[0].splitlines() if line.strip()]
        made = reopened(folder)
        with contextlib.closing(made.portal), made.acting("reader") as acting:
            for number in said:
                assert access.seen(acting, number).reads
            found = find(acting, Asked(text="齿轮"))
            assert found.total >= len(said)
            assert len(found.hits) == min(PAGE, found.total)
