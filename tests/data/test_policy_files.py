"""A department's .cedar files: those it names and those in a folder, read again when they change, and never skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lepton_fed.data.policy_files import LARGEST, PolicyFiles
from lepton_fed.policies import CedarFile

TEXT = "forbid (principal, action, resource) when { context.hour < 6 };"


def put(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_files_are_those_named_then_those_in_the_folder_each_once(tmp_path: Path) -> None:
    put(tmp_path / "夜班.cedar")
    put(tmp_path / "policies" / "b.cedar")
    put(tmp_path / "policies" / "a.cedar")
    put(tmp_path / "policies" / "README.md")
    files = PolicyFiles.of(("夜班.cedar", "policies/b.cedar"), tmp_path, tmp_path / "policies")
    assert files.read() == tuple(CedarFile(n, TEXT) for n in ("夜班.cedar", "policies/b.cedar", "policies/a.cedar"))


def test_a_changed_an_added_and_a_removed_file_are_noticed_and_nothing_else_is_read_again(tmp_path: Path) -> None:
    path = put(tmp_path / "policies" / "a.cedar")
    files = PolicyFiles(folder=tmp_path / "policies")
    first = files.read()
    assert files.read() is first
    path.write_text("permit (principal, action, resource);")
    assert files.read()[0].text.startswith("permit")
    put(tmp_path / "policies" / "b.cedar")
    assert len(files.read()) == 2
    path.unlink()
    assert [file.name for file in files.read()] == ["policies/b.cedar"]


def test_a_folder_that_is_not_there_holds_no_policies(tmp_path: Path) -> None:
    files = PolicyFiles(folder=tmp_path / "policies")
    assert files.read() == ()
    assert files
    assert not PolicyFiles()


def test_what_cannot_be_read_is_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "bytes.cedar").write_bytes(b"\xff\xfe")
    (tmp_path / "large.cedar").write_bytes(b"/" * (LARGEST + 1))
    put(tmp_path / "open.cedar").chmod(0o666)
    (tmp_path / "folder.cedar").mkdir()
    names = ("missing.cedar", "bytes.cedar", "large.cedar", "open.cedar", "folder.cedar")
    found = PolicyFiles.of(names, tmp_path).read()
    assert [file.unreadable for file in found] == [
        "it cannot be read (No such file or directory)",
        "it is no UTF-8 text",
        "it is larger than 1 MiB",
        "everybody may write into it; run: chmod o-w on it",
        "it cannot be read (Is a directory)",
    ]
    assert not any(file.text for file in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_denies(tmp_path: Path) -> None:
    put(tmp_path / "policies" / "a.cedar")
    (tmp_path / "policies").chmod(0)
    try:
        (found,) = PolicyFiles(folder=tmp_path / "policies").read()
    finally:
        (tmp_path / "policies").chmod(0o700)
    assert found.unreadable
