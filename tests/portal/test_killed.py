"""Whoever was told that something is saved finds it again, also where the portal was killed at the next moment."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from lepton_fed.portal.attachments import attached, files
from lepton_fed.portal.entries import access
from lepton_fed.portal.finding.search import PAGE, Asked, find
from tests.portal.test_attachments import on_disk
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

ATTACHING = """
import os, sys
from pathlib import Path
from lepton_fed.portal.attachments import attached
from tests.portal.world import reopened
there = reopened(Path(sys.argv[1]))
entry, author = there.write("题"), there.person("author")
for _ in range(50):
    with there.portal.files.part() as path:
        path.write_bytes(b"%PDF-" + os.urandom(300_000))
        made = attached.add(there.portal, author, entry, "a.pdf", path)
    print(entry, made.id, made.digest, flush=True)
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


def test_an_attachment_that_was_acknowledged_is_whole_after_a_kill_and_nothing_else_stays(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(original, tmp_path / "门户"))
    for told in (2, 5, 9):
        running = subprocess.Popen([sys.executable, "-c", ATTACHING, folder], stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(told)]
        running.kill()
        said += [line for line in running.communicate()[0].splitlines() if line.strip()]
        made = reopened(folder)
        monkeypatch.setattr(files, "LEFT_OVER", -1.0)
        with contextlib.closing(made.portal), made.acting("author") as acting:
            for entry, number, digest in map(str.split, said):
                found = attached.seen(acting, int(entry), int(number))
                content = made.portal.files.path(digest).read_bytes()
                assert found.digest == digest == hashlib.sha256(content).hexdigest()
        made = reopened(folder)
        with contextlib.closing(made.portal):
            attached.swept(made.portal)
            with made.portal.database.reading() as connection:
                known = set(connection.execute(select(attached.ATTACHMENT.c.digest)).scalars())
            assert {path.name for path in on_disk(made)} == known
