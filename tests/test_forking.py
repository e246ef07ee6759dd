"""Processes forked from one that has everything imported are as good as commands that somebody typed."""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lepton_fed.forking import forked, into

PATIENCE = 120.0


def draw(log: Path) -> None:
    """Writes down what this process draws from everything that it could draw from."""
    into(log)
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    print(secrets.token_hex(8), random.random(), np.random.default_rng().random())
    print(X25519PrivateKey.generate().public_key().public_bytes_raw().hex())


def test_what_is_wrong_ends_it_as_it_ends_the_command(tmp_path: Path) -> None:
    log = tmp_path / "日志"
    process = forked(["server", str(tmp_path / "无")], log)
    process.join(PATIENCE)
    assert process.exitcode == 2
    assert log.read_text(encoding="utf-8").count("\n") == 1
    assert log.read_text(encoding="utf-8").startswith("lepton-fed: ")
    assert log.stat().st_mode & 0o77 == 0


def test_two_of_them_have_no_random_number_in_common(tmp_path: Path) -> None:
    logs = [tmp_path / "1", tmp_path / "2"]
    processes = [multiprocessing.get_context("forkserver").Process(target=draw, args=(log,)) for log in logs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    one, other = (log.read_text(encoding="utf-8").split() for log in logs)
    assert len(one) == len(other) == 4
    assert not set(one) & set(other)


@pytest.mark.long
def test_what_they_are_forked_from_has_begun_nothing() -> None:
    """A thread that holds a lock, a socket or a seed would be in every one of them."""
    code = (
        "import lepton_fed.imported, os, sys, threading, torch; "
        "files = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 "
        "and os.path.exists(f'/proc/self/fd/{n}')]; "
        "print(threading.active_count(), [f for f in files if 'socket' in f or 'pipe' in f], "
        "torch.cuda.is_initialized())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        cwd=os.fspath(Path(__file__).parents[1]),
    )
    assert said.stdout.split() == ["1", "[]", "False"]
