"""A line holds what happened and never what a library's exception quotes; the traceback beside it holds all of that."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime, timedelta
from logging import LogRecord
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.errors import DataError
from lepton_fed.log_lines import DEEPEST, LONGEST, LONGEST_TRACE, Content, JsonLine, ShortLine, causes
from lepton_fed.redaction import HIDDEN, Redaction

ROW = "张三 1985-03-02 HbA1c 9.1"
TOKEN = "0123456789abcdef-token"
CONTENT = Content("department", "生产车间", Redaction([TOKEN]))


def record(
    said: object = "done", *args: object, level: int = logging.INFO, error: Any = None, **extra: Any
) -> LogRecord:
    told = (type(error), error, error.__traceback__) if error is not None else None
    return logging.getLogger("lepton_fed.x").makeRecord("lepton_fed.x", level, "f.py", 1, said, args, told, extra=extra)


def line(*args: Any, **more: Any) -> dict[str, Any]:
    text = JsonLine(CONTENT).format(record(*args, **more))
    assert text.isprintable()
    read = json.loads(text)
    assert isinstance(read, dict)
    return read


def quoting() -> ValueError:
    """An exception as a library raises it, with a row in its text."""

    def parse(row: str) -> None:
        raise ValueError(f"could not convert {row!r}")

    try:
        parse(ROW)
    except ValueError as error:
        return error
    raise AssertionError


def wrapped() -> DataError:
    """An error of ours, raised from a library's."""
    try:
        raise DataError("the table 订单 cannot be read") from quoting()
    except DataError as error:
        return error


def test_a_line_says_when_where_and_what() -> None:
    found = line("round %d of %s", 3, "心脏")
    assert list(found) == ["time", "level", "logger", "message", "role", "site"]
    assert found | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "lepton_fed.x",
        "message": "round 3 of 心脏",
        "role": "department",
        "site": "生产车间",
    }
    time = datetime.fromisoformat(found["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


def test_chinese_stays_readable() -> None:
    assert "生产车间" in JsonLine(CONTENT).format(record())


def test_round_step_and_reason_are_fields_where_they_are_given() -> None:
    found = line(round=3, step="mask", reason="研发部门 is away", other="x")
    assert (found["round"], found["step"], found["reason"]) == (3, "mask", "研发部门 is away")
    assert "other" not in found
    assert "round" in line(round=0)


@pytest.mark.parametrize(
    "made",
    [
        lambda error: record("it failed", error=error),
        lambda error: record("it failed: %s", error),
        lambda error: record("it failed: %r", error),
        lambda error: record("it failed: %(why)s", {"why": error}),
        lambda error: record(error),
        lambda error: record("it failed", reason=error),
        lambda error: record("%d failed", error),
        lambda error: record("too %s many", "things", error),
    ],
)
def test_of_a_librarys_exception_a_line_has_type_and_places_only(made: Any) -> None:
    for formatter in (JsonLine(CONTENT), ShortLine(CONTENT)):
        text = formatter.format(made(quoting()))
        assert "张三" not in text
        assert "could not convert" not in text
        assert "raise" not in text
    error = json.loads(JsonLine(CONTENT).format(made(quoting())))["error"]
    assert error["type"] == "ValueError"
    (outer, inner) = error["places"]
    assert outer.startswith("tests/test_log_lines.py:")
    assert outer.endswith(":quoting")
    assert inner.endswith(":quoting.<locals>.parse")
    assert int(inner.split(":")[1]) > 1


def test_the_traceback_is_whole_and_has_the_number_of_the_line() -> None:
    made = record("it failed", error=quoting())
    text = CONTENT.trace(made)
    assert ROW in text
    assert 'raise ValueError(f"could not convert {row!r}")' in text
    number = json.loads(JsonLine(CONTENT).format(made))["error"]["id"]
    assert f" {number} " in text.splitlines()[0]
    assert number in ShortLine(CONTENT).format(made)
    assert json.loads(JsonLine(CONTENT).format(record(error=quoting())))["error"]["id"] != number


def test_an_error_of_ours_is_told_and_what_it_came_from_is_not() -> None:
    made = record("%s", wrapped())
    found = json.loads(JsonLine(CONTENT).format(made))
    assert found["message"] == "the table 订单 cannot be read"
    assert found["error"]["type"] == "lepton_fed.errors.DataError"
    assert [cause["type"] for cause in found["error"]["causes"]] == ["ValueError"]
    assert "张三" not in json.dumps(found, ensure_ascii=False)
    assert ROW in CONTENT.trace(made)
    assert "error" not in line("%s", DataError("the table is empty"))


def test_what_an_error_hides_on_purpose_is_no_cause() -> None:
    def ask() -> None:
        try:
            raise KeyError(ROW)
        except KeyError:
            raise DataError("no such column") from None

    with pytest.raises(DataError) as caught:
        ask()
    assert causes(caught.value) == [caught.value]
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert causes(one) == [one, two]


def test_a_deep_error_has_its_outermost_and_its_innermost_places() -> None:
    def fall(depth: int) -> None:
        if not depth:
            raise ValueError(ROW)
        fall(depth - 1)

    try:
        fall(200)
    except ValueError as error:
        places = line(error=error)["error"]["places"]
    assert len(places) == DEEPEST + 1
    assert places[0].endswith("innermost_places")
    assert places[-1].endswith("fall")
    assert places[DEEPEST // 2] == "…"


def test_places_are_below_the_folder_that_they_are_imported_from() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        places = line(error=error)["error"]["places"]
    assert places[-1].startswith("json/decoder.py:")
    assert not any(home in place for place in places for home in sys.path if len(home) > 1)


def test_the_nearest_such_folder_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/a", "/a/site/", "/a/si"])
    code = compile("raise KeyError", "/a/site/library/part.py", "exec")
    with pytest.raises(KeyError) as caught:
        exec(code)
    assert line(error=caught.value)["error"]["places"][-1] == "library/part.py:1:<module>"


def test_a_secret_never_gets_into_anything() -> None:
    try:
        raise ValueError(f"sent {TOKEN}")
    except ValueError as error:
        made = record("Bearer %s", TOKEN, error=error, step=TOKEN, reason=f"no {TOKEN.encode().hex()}")
    for text in (JsonLine(CONTENT).format(made), ShortLine(CONTENT).format(made), CONTENT.trace(made)):
        assert TOKEN not in text
        assert TOKEN.encode().hex() not in text
        assert HIDDEN in text


def test_a_secret_at_the_place_where_a_text_is_cut_does_not_show_its_half() -> None:
    for before in range(LONGEST // 2 - len(TOKEN), LONGEST // 2 + 1):
        said = line("x" * before + TOKEN + "y" * LONGEST)["message"]
        assert "0123" not in said
        assert "token" not in said


def test_texts_are_bounded() -> None:
    assert len(line("%s", "长" * 10**6, reason="长" * 10**6)["message"]) < LONGEST + 50
    try:
        raise ValueError(ROW + "x" * 10**6 + "end")
    except ValueError as error:
        text = CONTENT.trace(record(error=error))
    assert len(text) < LONGEST_TRACE + 500
    assert text.startswith("====")
    assert text.endswith("end\n")


@given(words=st.text(st.characters(exclude_categories=())), reason=st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_line_without_controls(words: str, reason: str) -> None:
    made = record("%s", words, reason=reason)
    for text in (JsonLine(CONTENT).format(made), ShortLine(CONTENT).format(made)):
        assert len(text.splitlines()) == 1
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs")]
        text.encode()
    assert json.loads(JsonLine(CONTENT).format(made))["message"] == words


def test_a_sentence_that_does_not_fit_its_values_is_still_a_line() -> None:
    assert line("%d departments", "three")["message"] == "%d departments (what belongs into it does not fit)"
    assert line("100 %")["message"] == "100 %"


def test_a_person_reads_a_short_line() -> None:
    said = ShortLine(CONTENT).format(record("round ended", round=3, step="reveal"))
    assert said[8:] == " round ended (round 3, step reveal)"
    said = ShortLine(CONTENT).format(record("\x1b[31mlook\nhere", level=logging.WARNING))
    assert said[8:] == r" WARNING \u001b[31mlook\u000ahere"
