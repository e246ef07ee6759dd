"""While a log is open everything goes to it, privately and bounded; afterwards every logger is as it was."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lepton_fed import logs
from lepton_fed.errors import RoundError, StorageError
from lepton_fed.logs import ERRORS, LOG, configure

OURS = logging.getLogger("lepton_fed.test")
TOKEN = "0123456789abcdef-token"


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def snapshot() -> object:
    names = ("", "lepton_fed", "clients", "server", "flwr", "flwr-telemetry")
    loggers = [logging.getLogger(name) for name in names]
    return [(x.level, list(x.handlers), list(x.filters), x.propagate) for x in loggers], threading.excepthook


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_record_goes_to_the_stream_and_to_the_file(tmp_path: Path) -> None:
    stream = io.StringIO()
    with configure("department", "生产车间", folder=tmp_path / "日志", stream=stream):
        OURS.info("round %d", 3, extra={"round": 3})
    (line,) = lines(tmp_path / "日志")
    assert (line["message"], line["site"], line["role"], line["round"]) == ("round 3", "生产车间", "department", 3)
    assert [json.loads(text) for text in stream.getvalue().splitlines()] == [line]
    assert (tmp_path / "日志" / ERRORS).read_text() == ""


def test_a_person_at_a_terminal_reads_short_lines(tmp_path: Path) -> None:
    stream = Terminal()
    with configure("coordinator", "coordinator", folder=tmp_path, stream=stream):
        OURS.info("生产车间 is there")
    assert stream.getvalue()[8:] == " 生产车间 is there\n"
    assert len(lines(tmp_path)) == 1


def test_stderr_is_the_stream_unless_another_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with configure("coordinator", "coordinator", folder=tmp_path):
        OURS.warning("there")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["message"] == "there"


def test_of_an_error_the_line_has_no_text_and_the_other_file_has_all(tmp_path: Path) -> None:
    stream = io.StringIO()
    with configure("department", "甲", folder=tmp_path, stream=stream):
        try:
            raise ValueError("bad row: 张三")
        except ValueError:
            OURS.exception("the table cannot be read")
        OURS.info("goes on")
    first, _ = lines(tmp_path)
    assert "张三" not in (tmp_path / LOG).read_text(encoding="utf-8") + stream.getvalue()
    errors = (tmp_path / ERRORS).read_text(encoding="utf-8")
    assert "ValueError: bad row: 张三" in errors
    assert errors.count("====") == 1
    assert first["error"]["id"] in errors
    assert first["error"]["id"] in stream.getvalue()


def test_secrets_are_in_none_of_the_files(tmp_path: Path) -> None:
    stream = io.StringIO()
    with configure("coordinator", "c", folder=tmp_path, stream=stream, secrets=[TOKEN, b"\x00" * 31 + b"\x07"]):
        try:
            raise ValueError(TOKEN)
        except ValueError:
            OURS.exception("Bearer %s, key %s", TOKEN, (b"\x00" * 31 + b"\x07").hex())
        logging.getLogger("httpx").warning("sent %r", {"authorization": f"Bearer {TOKEN}"})
    for text in (stream.getvalue(), *(p.read_text(encoding="utf-8") for p in tmp_path.iterdir())):
        assert "(secret)" in text
        assert TOKEN not in text
        assert "00" * 31 not in text
    with pytest.raises(ValueError, match="cannot be told from ordinary text"):
        configure("coordinator", "c", folder=tmp_path, secrets=["short"])


# ---------------------------------------------------------------- levels and other libraries


def test_ours_are_heard_at_the_level_asked_for_and_others_from_warnings_on(tmp_path: Path) -> None:
    with configure("coordinator", "c", folder=tmp_path, stream=io.StringIO(), level=logging.DEBUG):
        for name in ("lepton_fed.x", "clients.x", "server", "httpx", "uvicorn.error", "flwr", "lepton_fed_other"):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING):
                logging.getLogger(name).log(level, "%s", name)
    heard = [(line["logger"], line["level"]) for line in lines(tmp_path)]
    ours = [(n, level) for n in ("lepton_fed.x", "clients.x", "server") for level in ("DEBUG", "INFO", "WARNING")]
    assert heard == [*ours, *((n, "WARNING") for n in ("httpx", "uvicorn.error", "flwr", "lepton_fed_other"))]


def test_a_level_above_warnings_holds_for_others_too(tmp_path: Path) -> None:
    with configure("coordinator", "c", folder=tmp_path, stream=io.StringIO(), level=logging.ERROR):
        OURS.warning("no")
        logging.getLogger("httpx").warning("no")
        logging.getLogger("flwr").setLevel(logging.DEBUG)  # as Flower does when it is imported
        logging.getLogger("flwr").warning("no")
        OURS.error("yes")
    assert [line["message"] for line in lines(tmp_path)] == ["yes"]


def test_flowers_own_handler_writes_nothing_whenever_it_came(tmp_path: Path) -> None:
    flower = logging.getLogger("flwr")
    early, late = logging.StreamHandler(io.StringIO()), logging.StreamHandler(io.StringIO())
    flower.addHandler(early)
    before = list(flower.handlers)
    try:
        with configure("coordinator", "c", folder=tmp_path, stream=io.StringIO()):
            assert flower.handlers == []
            flower.setLevel(logging.DEBUG)
            flower.addHandler(late)
            flower.debug("a whole request")
            flower.warning("first")
            flower.warning("second")
        assert early.stream.getvalue() == late.stream.getvalue() == ""
        assert [line["message"] for line in lines(tmp_path)] == ["first", "second"]
        assert flower.handlers == [*before, late]
    finally:
        flower.removeHandler(early)
        flower.removeHandler(late)


def test_flower_is_quiet_also_if_it_is_imported_after(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lepton_fed.logs import configure\n"
        "with configure('coordinator', 'c', folder=Path(sys.argv[1])):\n"
        "    import lepton_fed.flower\n"
        "    from flwr.supercore.logger import log\n"
        "    import flwr.supercore.telemetry as telemetry\n"
        "    log(20, 'an info'); log(30, 'a warning'); telemetry.log('telemetry')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert [json.loads(text)["message"] for text in done.stderr.splitlines()] == ["a warning"]


# ---------------------------------------------------------------- files


def test_files_are_their_owners_alone_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST", 2000)
    made: set[int] = set()
    real = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda file, to: made.add(os.fstat(file).st_mode & 0o777) or real(file, to))
    before = os.umask(0)
    try:
        with configure("department", "甲", folder=tmp_path / "new", stream=io.StringIO()):
            for number in range(100):
                OURS.error("生产车间 %d", number, exc_info=ValueError("x" * 100))
    finally:
        os.umask(before)
    found = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert found == sorted(f"{name}{end}" for name in (LOG, ERRORS) for end in ("", ".1", ".2", ".3", ".4"))
    for path in (tmp_path / "new").iterdir():
        assert mode(path) == 0o600
        assert path.stat().st_size <= 2500  # counted in characters, of which Chinese ones have three bytes
    assert made == {0o600}, "a file was others' to read at first"
    assert mode(tmp_path / "new") == 0o700
    assert lines(tmp_path / "new")[-1]["message"] == "生产车间 99"


def test_a_log_is_gone_on_with_and_taken_from_those_who_could_read_it(tmp_path: Path) -> None:
    (tmp_path / LOG).touch(mode=0o644)
    for word in ("one", "two"):
        with configure("department", "甲", folder=tmp_path, stream=io.StringIO()):
            OURS.info(word)
    assert mode(tmp_path / LOG) == 0o600
    assert [line["message"] for line in lines(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("name", [LOG, ERRORS])
def test_a_place_that_cannot_be_used_is_one_sentence_and_changes_nothing(tmp_path: Path, name: str) -> None:
    before = snapshot()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=f"cannot write .*{name}"):
        configure("department", "甲", folder=tmp_path)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file, and a folder is expected there"):
        configure("department", "甲", folder=tmp_path / "file")
    assert snapshot() == before


def test_a_full_disk_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: object) -> None:
        raise OSError(28, "No space left on device")

    with configure("department", "甲", folder=tmp_path, stream=io.StringIO()):
        monkeypatch.setattr(logs.PrivateFile, "flush", full)
        for _ in range(3):
            OURS.info("the row of 张三 and %s", TOKEN)
        monkeypatch.undo()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("the log has gaps from now on: cannot write")
    assert "there is no space left" in said
    assert "张三" not in said


def test_a_stream_that_nobody_reads_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with configure("department", "甲", folder=tmp_path, stream=stream):
        stream.close()
        OURS.info("there")
    assert [line["message"] for line in lines(tmp_path)] == ["there"]
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- its end


def test_closing_leaves_every_logger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    before = snapshot()
    opened = configure("department", "甲", folder=tmp_path, stream=io.StringIO(), level=logging.ERROR)
    assert snapshot() != before
    opened.close()
    assert snapshot() == before
    opened.close()
    assert snapshot() == before
    OURS.warning("nobody writes this down")
    assert lines(tmp_path) == []


def test_an_error_that_nobody_expected_is_written_down_as_the_process_ends(tmp_path: Path) -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), configure("department", "甲", folder=tmp_path, stream=stream):
        raise ZeroDivisionError("张三")
    (line,) = lines(tmp_path)
    assert (line["level"], line["error"]["type"]) == ("CRITICAL", "ZeroDivisionError")
    assert "张三" not in stream.getvalue()
    assert "张三" in (tmp_path / ERRORS).read_text(encoding="utf-8")
    for expected in (RoundError("too few"), KeyboardInterrupt(), SystemExit(1)):
        with pytest.raises(type(expected)), configure("department", "甲", folder=tmp_path, stream=stream):
            raise expected
    assert len(lines(tmp_path)) == 1


def test_a_thread_that_ends_by_an_error_is_written_down_without_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise ValueError("张三")

    with configure("department", "甲", folder=tmp_path, stream=io.StringIO()):
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    (line,) = lines(tmp_path)
    assert line["message"] == "the thread worker has ended: ValueError"
    assert "张三" in (tmp_path / ERRORS).read_text(encoding="utf-8")
    assert capsys.readouterr() == ("", "")
