"""The privacy ledger's file: what is booked survives kills, two processes never overspend, nothing is begun anew."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_fed.errors import StorageError
from lepton_fed.privacy import Account, Limit, Overspent
from lepton_fed.storage.privacy_file import PrivacyFile
from tests.privacy.test_account import LIMIT, one

ROWS = "生产线数据"

BOOKING = """
import sys
from pathlib import Path
from lepton_fed.privacy import Limit, Overspent
from lepton_fed.storage.privacy_file import PrivacyFile
from tests.privacy.test_account import one

ledger, first = PrivacyFile(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + 200):
    try:
        ledger.book("rows", one(number), Limit(4.0, 1e-5))
        print(number, flush=True)
    except Overspent:
        print("spent", flush=True)
        break
"""


def process(path: Path, first: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BOOKING, str(path), str(first)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert made.stdout.readline() == "ready\n"
    return made


def begun(made: subprocess.Popen[str]) -> None:
    assert made.stdin is not None
    made.stdin.write("go\n")
    made.stdin.flush()


@pytest.fixture
def ledger(tmp_path: Path) -> PrivacyFile:
    return PrivacyFile(tmp_path / "隐私.sqlite")


def test_what_is_booked_is_there_for_the_next_process_bit_for_bit(ledger: PrivacyFile) -> None:
    ledger.book(ROWS, one(1, 3.3, distance=1e-12), LIMIT)
    ledger.book("another", one(1), LIMIT)
    again = PrivacyFile(ledger.path)
    assert again.read(ROWS) == Account((one(1, 3.3, distance=1e-12),))
    assert [line.data_set for line in again.lines()] == [ROWS, "another"]


def test_nobody_else_may_read_it(ledger: PrivacyFile) -> None:
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_a_refused_booking_leaves_the_file_as_it_was(ledger: PrivacyFile) -> None:
    ledger.book(ROWS, one(1), Limit(1.2, 1e-5))
    before = ledger.path.read_bytes()
    with pytest.raises(Overspent):
        ledger.book(ROWS, one(2), Limit(1.2, 1e-5))
    assert ledger.path.read_bytes() == before
    assert ledger.book(ROWS, one(1), Limit(1.2, 1e-5)) == Account((one(1),))


def test_two_processes_at_once_do_not_overspend(tmp_path: Path) -> None:
    path = tmp_path / "privacy.sqlite"
    both = [process(path, first) for first in (0, 1000)]
    for made in both:
        begun(made)
    said = [made.communicate(timeout=60)[0].split() for made in both]
    account = PrivacyFile(path).read("rows")
    assert account.epsilon(1e-5) <= 4.0
    # Both were told the truth: what they were granted is what is there, and neither could have had one more.
    assert {int(word) for words in said for word in words if word != "spent"} == {b.round for b in account.bookings}
    assert all("spent" in words for words in said)
    with pytest.raises(Overspent):
        account.book(one(5000), Limit(4.0, 1e-5))


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_killed_process_has_booked_all_that_it_was_granted(tmp_path: Path, after: int) -> None:
    path = tmp_path / "privacy.sqlite"
    made = process(path, 0)
    begun(made)
    assert made.stdout is not None
    granted = [int(made.stdout.readline()) for _ in range(after)]
    os.kill(made.pid, signal.SIGKILL)
    made.communicate(timeout=60)
    booked = [booking.round for booking in PrivacyFile(path).read("rows").bookings]
    assert booked[:after] == granted
    assert PrivacyFile(path).book("rows", one(7000), Limit(400.0, 1e-5)).bookings[-1].round == 7000


def test_a_ledger_that_another_process_begins_meanwhile_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, looks = tmp_path / "privacy.sqlite", Path.exists

    def begun_after_the_first_look(looked_at: Path) -> bool:
        found = looks(looked_at)
        monkeypatch.undo()
        PrivacyFile(path).book(ROWS, one(1), LIMIT)
        return found

    monkeypatch.setattr(Path, "exists", begun_after_the_first_look)
    assert PrivacyFile(path).read(ROWS) == Account((one(1),))


def test_a_ledger_that_is_gone_is_not_begun_anew(ledger: PrivacyFile) -> None:
    ledger.path.unlink()
    for again in (lambda: PrivacyFile(ledger.path), lambda: ledger.read(ROWS)):
        with pytest.raises(StorageError, match=r"is gone; put its newest copy back"):
            again()
    ledger.path.touch()
    with pytest.raises(StorageError, match="is empty"):
        PrivacyFile(ledger.path)


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM booking WHERE number = 2",
        "UPDATE booking SET data_set = 'another' WHERE number = 2",
        "UPDATE booking SET rdp = zeroblob(length(rdp)) WHERE number = 1",
        "UPDATE booking SET number = 9 WHERE number = 3",
    ],
)
def test_an_edited_ledger_is_noticed(ledger: PrivacyFile, edit: str) -> None:
    for number in (1, 2, 3):
        ledger.book(ROWS, one(number, 16.0), LIMIT)
    with sqlite3.connect(ledger.path) as connection:
        connection.execute(edit)
    connection.close()
    with pytest.raises(StorageError, match="is damaged"):
        ledger.read(ROWS)


def test_other_files_are_not_taken_for_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "privacy.sqlite"
    path.write_text("a table of something else, which is long enough to be read as a database's head" * 9)
    with pytest.raises(StorageError, match="is damaged or no ledger"):
        PrivacyFile(path)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE something (x)")
    connection.close()
    with pytest.raises(StorageError, match="a database of something else"):
        PrivacyFile(other)
    with pytest.raises(StorageError, match="cannot be used"):
        PrivacyFile(tmp_path / "nowhere" / "privacy.sqlite")
