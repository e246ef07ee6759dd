"""A log as a file: people can read it, it verifies as the database does, and no byte of it can be changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_fed.audit import Entry, Record, Written, export_log, read_export, written
from lepton_fed.audit.export import _record_line
from lepton_fed.audit.verification import verify_written
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.translation import speaks
from tests.audit.edits import edits
from tests.audit.example import KEYS, LOG, Example, records
from tests.thoroughness import at_most


@pytest.fixture
def file(example: Example, tmp_path: Path) -> Path:
    path = tmp_path / "日志.jsonl"
    export_log(written(example.database, LOG), path)
    return path


def found(path: Path) -> list[str]:
    """What is found, each of which can be said in Chinese."""
    said = [finding.sentence for finding in verify_written(read_export(path), KEYS).findings]
    assert [one for one in said if not speaks(one, "zh")] == []
    return said


def told(path: Path) -> list[str]:
    """What is found, or that it is no log at all."""
    try:
        return found(path)
    except StorageError as error:
        return [str(error)]


def test_what_is_exported_is_read_back_and_verifies(example: Example, file: Path) -> None:
    assert read_export(file) == written(example.database, LOG)
    assert found(file) == []


def test_a_person_can_read_what_is_verified_and_no_personal_text_is_there(file: Path) -> None:
    header, *lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert header == {"format": "lepton-audit/1", "log": "制造", "entries": 11, "heads": 3}
    assert lines[2]["kind"] == "audit-decision/1"
    assert lines[2]["says"]["department"] == "生产车间"
    assert lines[2]["says"]["allowed"] is True
    assert "预测设备故障" in file.read_text(encoding="utf-8")
    assert "张三" not in file.read_text(encoding="utf-8")
    assert "10.0.0.1" not in file.read_text(encoding="utf-8")


def changed(path: Path, number: int, change: Callable[[dict[str, Any]], object]) -> None:
    """One line said otherwise, spelt as this program spells it."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    said = json.loads(lines[number])
    change(said)
    lines[number] = json.dumps(said, ensure_ascii=False) + "\n"
    path.write_text("".join(lines), encoding="utf-8")


def test_an_edit_of_any_field_in_the_file_is_found_where_it_is(example: Example, file: Path) -> None:
    before = file.read_bytes()
    for number, entry in enumerate(example.entries):
        for name, edited in dict(edits(entry)).items():
            says = _record_line(Record(number, edited.body, ()))["says"]
            changed(file, number + 1, lambda said, says=says: said.update(says=says))
            (sentence,) = found(file)
            assert sentence.startswith(f"entry {number} ({entry.TITLE}, "), name
            file.write_bytes(before)


@settings(deadline=None, max_examples=at_most(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_of_the_file_can_be_changed_dropped_or_added(file: Path, data: st.DataObject) -> None:
    before = file.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != before[place]))
    way = data.draw(st.sampled_from(["change", "drop", "add", "cut"]))
    after = {
        "change": before[:place] + bytes([byte]) + before[place + 1 :],
        "drop": before[:place] + before[place + 1 :],
        "add": before[:place] + bytes([byte]) + before[place:],
        "cut": before[:place],
    }[way]
    file.write_bytes(after)
    assert told(file)
    file.write_bytes(before)


def test_lines_dropped_repeated_or_moved_are_found(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    for k in range(1, len(lines)):
        for left in (
            [*lines[:k], *lines[k + 1 :]],
            [*lines[: k + 1], *lines[k:]],
            [*lines[: k - 1], lines[k], lines[k - 1], *lines[k + 1 :]],
        ):
            file.write_bytes(b"".join(left))
            assert told(file)


def test_lines_missing_at_the_end_are_counted(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]))
    assert "the first line says 3 heads and 1 are here: lines were dropped or added" in found(file)


def test_a_line_that_cannot_be_true_is_told_by_its_entry(file: Path) -> None:
    changed(file, 10, lambda said: said["says"].update(round=-1))
    (sentence,) = found(file)
    assert sentence == "entry 9 was edited: it cannot be read any more (round cannot be -1; it is at least 0)"
    for change in (
        lambda said: said["says"].update(extra=1),
        lambda said: said["says"].pop("round"),
        lambda said: said["says"].update(round=1.0),
        lambda said: said["says"].update(model=None),
        lambda said: said.update(kind="audit-nothing/1"),
        lambda said: said.update(kind=["x"]),
        lambda said: said.update(says=5),
    ):
        changed(file, 10, change)
        (sentence,) = found(file)
        assert sentence.startswith("entry 9 was edited: it cannot be read any more (")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "line 5 was edited: it cannot be read any more"),
        ("[" * 100_000, "line 5 was edited: it cannot be read any more"),
        ('{"neither": 1}', "line 5 was edited or moved: no entry or head belongs there"),
        ('{"entry": 3, "nodes": 5, "kind": "x", "says": {}}', "line 5 was edited: it cannot be read any more"),
        ('{"head": 0}', "line 5 was edited: it cannot be read any more"),
    ],
)
def test_a_line_that_is_no_entry_and_no_head_is_told_by_its_number(file: Path, line: str, words: str) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:4], line, *lines[5:], ""]), encoding="utf-8")
    assert words in found(file)


def test_another_spelling_of_the_same_is_told(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"entry": 3', '"entry":  3'), encoding="utf-8")
    assert found(file) == ["line 5 was edited: it is not spelt as lepton-fed writes what it says"]


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"{}", b'{"format": "lepton-audit/1"}', b'{"format": "lepton-audit/1", "log": "\\ud800"}'],
)
def test_another_kind_of_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="is no export of a log"):
        read_export(path)


def test_a_newer_format_and_a_missing_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(StorageError, match="does not exist"):
        read_export(path)
    path.write_text('{"format": "lepton-audit/2"}')
    with pytest.raises(StorageError, match="has format 'lepton-audit/2', and this program reads 'lepton-audit/1'"):
        read_export(path)


def test_a_log_with_an_entry_that_cannot_be_read_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        export_log(Written(LOG, records([b"x"]), ()), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_empty_log_can_be_exported(tmp_path: Path) -> None:
    export_log(Written(LOG, (), ()), tmp_path / "x")
    assert read_export(tmp_path / "x") == Written(LOG, (), ())
    assert Entry.__subclasses__()
