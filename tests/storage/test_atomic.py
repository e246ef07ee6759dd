"""A file is replaced whole or not at all, and what goes wrong is one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_fed.errors import StorageError
from lepton_fed.storage import write_atomically
from lepton_fed.storage.atomic import is_leftover, remove_leftovers, write_new
from tests.storage.failures import failing_after


@pytest.mark.parametrize("durable", [True, False])
def test_bytes_text_and_pieces_are_written(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "报告.html"
    write_atomically(path, "生产车间", durable=durable)
    assert path.read_text(encoding="utf-8") == "生产车间"
    write_atomically(path, b"\x00\xff", durable=durable)
    assert path.read_bytes() == b"\x00\xff"
    write_atomically(path, [b"a", memoryview(b"bc")], durable=durable)
    assert path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_at_any_call_leaves_the_old_or_the_new_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    for calls in range(20):
        try:
            with failing_after(calls):
                write_atomically(path, "new")
            break
        except StorageError:
            # The last call, which makes the new name durable, comes after the replacement.
            assert path.read_text() in ("old", "new")
        assert list(tmp_path.iterdir()) == [path]
    assert calls >= 4, "the failures were not reached"
    assert path.read_text() == "new"


@pytest.mark.parametrize("calls", [1, 2])
def test_a_new_file_that_cannot_be_finished_gives_its_space_back(tmp_path: Path, calls: int) -> None:
    with pytest.raises(OSError, match="No space left"), failing_after(calls):
        write_new(tmp_path / "file", [b"x" * 100_000], durable=True)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def pieces() -> object:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, pieces())  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_each_failure_is_a_sentence_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"file is a file, and a folder is expected there"):
        write_atomically(tmp_path / "file" / "below", "x")
    with pytest.raises(StorageError, match=r"missing does not exist; check the path"):
        write_atomically(tmp_path / "missing" / "deeper" / "x", "x")
    with pytest.raises(StorageError, match=r"folder: it is a folder, and a file is expected"):
        write_atomically(tmp_path / "folder", "x")
    with pytest.raises(StorageError, match=r"the name is too long"):
        write_atomically(tmp_path / ("长" * 100), "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_the_operating_systems_reason_is_told(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(StorageError, match=words), failing_after(0, number):
        write_atomically(tmp_path / "file", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        write_atomically(tmp_path / "file", "x")


def test_leftovers_are_recognised_and_nothing_else_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".part-0123456789abcdef"
    kept = [".part-", ".part-0123456789abcdeg", "x.part-0123456789abcdef", ".part-0123456789abcdef.txt"]
    for name in (left.name, *kept):
        (tmp_path / name).write_text("")
    assert is_leftover(left)
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)


def test_a_write_that_is_killed_leaves_a_leftover(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:

        def pieces() -> object:
            yield b"half"
            os.kill(os.getpid(), 9)

        write_atomically(tmp_path / "file", pieces())  # type: ignore[arg-type]
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == 9
    (left,) = tmp_path.iterdir()
    assert is_leftover(left)


def test_a_private_file_is_its_owners_alone_before_anything_is_in_it(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        (part,) = tmp_path.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600
        yield b"secret"

    before = os.umask(0)
    try:
        write_atomically(tmp_path / "file", chunks(), private=True)
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
