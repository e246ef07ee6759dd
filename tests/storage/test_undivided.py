"""Ctrl-C at any moment of a transaction: all of it is kept or nothing, and the next one begins at once."""

from __future__ import annotations

import gc
import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace

import pytest
from sqlalchemy import text

from lepton_fed.storage import sqlite_url
from lepton_fed.storage.database import Database
from lepton_fed.storage.undivided import Undivided


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """Also where these tests were started so that it is ignored, as in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


Moment = Callable[[FrameType], bool]
"""Whether it is now, given what is at work."""


def nth(number: int) -> Moment:
    """The first moment is 1."""
    moments = itertools.count(1)
    return lambda frame: next(moments) == number


def interrupted(moment: Moment, work: Callable[[], object]) -> tuple[BaseException | None, bool]:
    """What `work` ended with, when Ctrl-C comes at this moment of it; and whether it lasted until then.

    Python looks for signals where a function begins and where a call of one in C is over. Each is a moment.
    """
    came = False

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal came
        if event in ("call", "c_return") and moment(frame):
            came = True
            sys.setprofile(None)
            handler = signal.getsignal(signal.SIGINT)
            assert callable(handler)
            handler(signal.SIGINT, frame)

    gc.disable()  # Python keeps to itself what is raised while it collects.
    try:
        sys.setprofile(look)
        try:
            work()
        finally:
            sys.setprofile(None)
            gc.enable()
    except BaseException as error:  # As a program sees it, whose traceback holds everything that was at work.
        return error, came
    return None, came


def write(database: Database, number: int) -> None:
    """A transaction that leaves a cursor behind which has not come to its end, too."""
    with database.writing() as connection:
        connection.execute(text("INSERT INTO said VALUES (:x)"), {"x": number})
        connection.execute(text("SELECT x FROM said WHERE x <= :x"), {"x": number}).first()
        connection.execute(text("INSERT INTO said VALUES (:x)"), {"x": number})


def read(database: Database) -> list[int]:
    with database.reading() as connection:
        return [int(x) for x in connection.execute(text("SELECT x FROM said ORDER BY x")).scalars()]


def opened(file: Path) -> Database:
    """It does not wait for a lock: who holds one would hold it for ever."""
    database = Database(sqlite_url(file), patience=0.01, durable=False)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS said (x INTEGER)"))
    return database


def ends_whole(file: Path, at: int) -> bool:
    """Whether there was such a moment; if so, that an interrupted write was all kept or not at all."""
    database = opened(file)
    try:
        write(database, 2 * at)  # The pool has a connection, and its statements are compiled.
        ended, lasted = interrupted(nth(at), lambda: write(database, 2 * at + 1))
        write(database, -at)
        assert isinstance(ended, KeyboardInterrupt) == lasted, repr(ended)
        assert read(database).count(2 * at + 1) in ((0, 2) if lasted else (2,))
        assert len(read(database)) % 2 == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        database.close()
    return lasted


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
def test_after_ctrl_c_at_any_moment_of_a_write_the_next_one_begins(tmp_path: Path, step: int) -> None:
    at = 1
    while ends_whole(tmp_path / "said.sqlite", at):
        at += step
    assert at > 300


def test_after_ctrl_c_at_any_moment_of_a_read_a_write_begins(tmp_path: Path) -> None:
    at, lasted = 1, True
    while lasted:
        database = opened(tmp_path / "said.sqlite")
        write(database, at)
        ended, lasted = interrupted(nth(at), lambda database=database: read(database))  # type: ignore[misc]
        write(database, at)
        assert isinstance(ended, KeyboardInterrupt) == lasted, repr(ended)
        database.close()
        at += 20
    assert at > 100


@contextmanager
def steps(done: list[str], signals_in: str = "", *numbers: signal.Signals) -> Iterator[str]:
    """A block that says what it does, and gets signals, by default Ctrl-C, while it begins or while it ends."""
    done.append("begins")
    if signals_in == "beginning":
        come(numbers)
    done.append("has begun")
    try:
        yield "value"
    finally:
        done.append("ends")
        if signals_in == "end":
            come(numbers)
        done.append("has ended")


def come(numbers: tuple[signal.Signals, ...]) -> None:
    for number in numbers or (signal.SIGINT,):
        signal.raise_signal(number)


WHOLE = ["begins", "has begun", "ends", "has ended"]


def test_a_signal_while_it_begins_is_handled_when_it_has_begun_and_its_block_is_not_entered() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done, "beginning")):
        done.append("inside")
    assert done == WHOLE


def test_a_signal_while_it_ends_is_handled_when_it_has_ended() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done, "end")):
        done.append("inside")
    assert done == ["begins", "has begun", "inside", "ends", "has ended"]


def test_a_signal_inside_is_handled_when_it_comes() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done)):
        signal.raise_signal(signal.SIGINT)
        done.append("inside")
    assert done == WHOLE


def test_a_signal_as_its_end_is_called_is_handled_when_it_has_ended() -> None:
    done: list[str] = []

    def work() -> None:
        with Undivided(steps(done)):
            pass

    ended, came = interrupted(lambda frame: frame.f_code is Undivided.__exit__.__code__, work)
    assert came
    assert isinstance(ended, KeyboardInterrupt)
    assert done == WHOLE


def test_an_error_that_a_signal_comes_upon_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, Undivided(steps([], "end")):
        raise ValueError("what went wrong")
    assert isinstance(caught.value.__context__, ValueError)


def test_blocks_within_blocks_end_one_after_another() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undivided(steps(outer)), Undivided(steps(inner, "end")):
        pass
    assert outer == inner == WHOLE


@pytest.fixture
def told() -> Iterator[list[int]]:
    """What a program that takes SIGTERM as a wish was told."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("where", ["beginning", "end"])
def test_a_program_that_takes_signals_as_a_wish_is_told_once(told: list[int], where: str) -> None:
    done: list[str] = []
    with Undivided(steps(done, where, signal.SIGTERM)) as value:
        assert value == "value"
    assert (done, told) == (WHOLE, [signal.SIGTERM])


@pytest.mark.parametrize("where", ["beginning", "end"])
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_of_two_signals_none_is_lost(told: list[int], where: str, first: signal.Signals) -> None:
    second = signal.SIGINT if first == signal.SIGTERM else signal.SIGTERM
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done, where, first, second)):
        pass
    assert (done, told) == (WHOLE, [signal.SIGTERM])


def test_ctrl_c_twice_at_once_waits_and_twice_with_a_second_between_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    comes = itertools.chain((7.0, 7.9), (8.0, 9.1))
    monkeypatch.setattr("lepton_fed.storage.undivided.time", SimpleNamespace(monotonic=lambda: next(comes)))
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done, "end", signal.SIGINT, signal.SIGINT)):
        pass
    assert done == WHOLE
    done.clear()
    with pytest.raises(KeyboardInterrupt), Undivided(steps(done, "end", signal.SIGINT, signal.SIGINT)):
        pass
    assert done == ["begins", "has begun", "ends"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_afterwards_as_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for where in ("", "beginning", "end"):
        try:
            with Undivided(steps([], where)), Undivided(steps([])):
                assert signal.getsignal(signal.SIGINT) is not before[0]
        except KeyboardInterrupt:
            pass
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_blocks_that_end_in_another_order_hold_no_signal_back() -> None:
    first, second = Undivided(steps([])), Undivided(steps([]))
    before = signal.getsignal(signal.SIGINT)
    try:
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_block_that_another_thread_ends_holds_no_signal_back() -> None:
    block, before = Undivided(steps([])), signal.getsignal(signal.SIGINT)
    failed: list[BaseException] = []

    def end() -> None:
        try:
            block.__exit__(None, None, None)
        except BaseException as error:
            failed.append(error)

    block.__enter__()
    try:
        thread = threading.Thread(target=end)
        thread.start()
        thread.join()
        assert not failed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handlers_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with Undivided(steps([])):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
