"""A department's own log survives kills and other processes, is its owner's alone, and tells damage and roll-backs."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lepton_fed.docket import AT_ONCE, Noted
from lepton_fed.errors import StorageError
from lepton_fed.storage.docket_file import BLOCK, DocketFile
from tests.audit.memory_docket import MemoryDocket


def test_entries_are_told_from_a_number_on_and_their_texts_stay(tmp_path: Path) -> None:
    docket = DocketFile(tmp_path / "部门.docket")
    for k in range(3):
        docket.note(Noted(bytes([k]) * 5, (b"opening",)))
    assert docket.after(0) == [b"\0" * 5, b"\1" * 5, b"\2" * 5]
    assert docket.after(2) == [b"\2" * 5]
    assert docket.after(3) == []
    assert [one.openings for one in docket.noted()] == [(b"opening",)] * 3
    assert stat.S_IMODE((tmp_path / "部门.docket").stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["{", '{"entry": "00', "x" * (3 * BLOCK)])
def test_what_a_killed_process_left_of_a_line_does_not_count(tmp_path: Path, left: str) -> None:
    docket = DocketFile(tmp_path / "docket")
    docket.note(Noted(b"one"))
    with docket.path.open("a") as file:
        file.write(left)
    assert docket.after(0) == [b"one"]
    docket.note(Noted(b"two"))
    assert docket.after(0) == [b"one", b"two"]


def test_a_docket_that_has_less_than_was_told_says_that_it_was_rolled_back(tmp_path: Path) -> None:
    for docket in (DocketFile(tmp_path / "docket"), MemoryDocket()):
        docket.note(Noted(b"one"))
        with pytest.raises(StorageError, match="put the newest copy of the docket back"):
            docket.after(2)


def test_a_damaged_line_is_told_by_its_number(tmp_path: Path) -> None:
    docket = DocketFile(tmp_path / "docket")
    docket.note(Noted(b"one"))
    for damaged in (b"[]\n", b'{"entry": "xx", "openings": []}\n', b"\xff\n"):
        docket.path.write_bytes(b'{"entry": "00", "openings": []}\n' + damaged)
        with pytest.raises(StorageError, match="is damaged in line 2"):
            docket.after(0)


def test_many_are_told_in_parts(tmp_path: Path) -> None:
    for docket in (DocketFile(tmp_path / "docket"), MemoryDocket()):
        for k in range(AT_ONCE + 1):
            docket.note(Noted(k.to_bytes(4, "big")))
        assert len(docket.after(0)) == AT_ONCE
        assert docket.after(AT_ONCE) == [AT_ONCE.to_bytes(4, "big")]


def test_processes_that_note_at_once_lose_nothing(tmp_path: Path) -> None:
    def note(k: int) -> None:
        DocketFile(tmp_path / "docket").note(Noted(k.to_bytes(4, "big")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(200)))
    assert sorted(DocketFile(tmp_path / "docket").after(0)) == [k.to_bytes(4, "big") for k in range(200)]


def test_a_docket_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        DocketFile(tmp_path / "nowhere" / "docket").note(Noted(b"one"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot write"):
        DocketFile(tmp_path / "link").note(Noted(b"one"))


def test_a_docket_that_was_never_written_is_empty_and_texts_are_not_printed(tmp_path: Path) -> None:
    assert list(DocketFile(tmp_path / "docket").noted()) == []
    assert "张三" not in repr(Noted(b"", ("张三".encode(),)))
