"""A ledger on disk: killed at any moment, raced by a second process or damaged, it never lets an attempt be entered
twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import re
import signal
import stat
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.errors import StorageError
from lepton_fed.secagg.audit import Released
from lepton_fed.secagg.canonical import Wire, decode, encode
from lepton_fed.secagg.client import Advertised, Hidden, Party, Shared, advertise
from lepton_fed.secagg.contribution import Contribution
from lepton_fed.secagg.errors import Refused
from lepton_fed.secagg.ledger import Entries, Forbidden, Ledger, MemoryLedger
from lepton_fed.secagg.messages import Call, Delivery, MaskedInput, Refusal, SealedShares, Survivors, SurvivorSignature
from lepton_fed.secagg.server import secure_sum
from lepton_fed.storage import LedgerFile
from lepton_fed.storage import ledger_file as module
from tests.secagg.federation import Federation
from tests.storage.failures import failing_after
from tests.thoroughness import at_most

OTHERS = ("d01", "d02", "d03")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "账本"


# ---------------------------------------------------------------- the file


def test_entries_outlive_the_object_that_wrote_them(path: Path) -> None:
    ledger = LedgerFile(path, "test")
    assert ledger.read() == Entries("test")
    new = ledger.read().next_serial()
    ledger.replace(ledger.read(), new)
    assert ledger.read() == new == LedgerFile(path, "test").read()


def test_only_its_owner_may_read_it_and_nothing_else_is_left_there(path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = LedgerFile(path, "test")
        ledger.replace(ledger.read(), ledger.read().next_serial())
    finally:
        os.umask(before)
    found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert found == {"账本": 0o600, "账本.lock": 0o600}


def test_what_was_written_is_on_the_disk_before_replace_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = LedgerFile(path, "test")
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        found = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(found.st_mode) else f"file of {found.st_size}")
        sync(descriptor)

    def renamed(part: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(part, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    ledger.replace(ledger.read(), ledger.read().next_serial())
    assert steps == [f"file of {path.stat().st_size}", "rename", "folder"]


def test_the_same_entries_again_are_written_again(path: Path) -> None:
    """Whoever wrote them may have been killed before they were on the disk."""
    ledger = LedgerFile(path, "test")
    before = path.stat().st_ino, path.stat().st_mtime_ns
    ledger.replace(ledger.read(), ledger.read())
    assert (path.stat().st_ino, path.stat().st_mtime_ns) != before


def test_a_second_holder_sees_what_the_first_wrote(path: Path) -> None:
    one, two = LedgerFile(path, "test"), LedgerFile(path, "test")
    old = two.read()
    one.replace(one.read(), one.read().next_serial())
    assert two.read().serial == 1
    with pytest.raises(Forbidden, match="somebody else meanwhile"):
        two.replace(old, old.next_serial())


def test_a_department_cannot_be_put_back_to_an_older_ledger(path: Path) -> None:
    ledger = LedgerFile(path, "test")
    history = list(lived_through(ledger))
    for older in history[:-1]:
        with pytest.raises(Forbidden, match="take back"):
            ledger.replace(ledger.read(), older)
    assert ledger.read() == history[-1]


def lived_through(ledger: Ledger) -> Iterator[Entries]:
    """Entries after each of an attempt's moves, all different."""
    released = (Released.of("sum", OTHERS),)
    yield ledger.read()
    moves: tuple[Callable[[Entries], Entries], ...] = (
        lambda e: e.next_serial(),
        lambda e: e.enter(b"i" * 32, 1, 0, b"m" * 32, 1),
        lambda e: e.spend(b"i" * 32, b"m" * 32),
        lambda e: e.sign(b"i" * 32, b"h" * 32, OTHERS, released),
    )
    for move in moves:
        ledger.replace(ledger.read(), move(ledger.read()))
        yield ledger.read()


# ---------------------------------------------------------------- what is refused


def begun(path: Path) -> bytes:
    """The bytes of a ledger in which there is something to forget."""
    *_, _ = lived_through(LedgerFile(path, "test"))
    return path.read_bytes()


def refused(path: Path, words: str) -> None:
    before = content_of(path)
    with pytest.raises(StorageError, match=words) as caught:
        LedgerFile(path, "test")
    assert "\n" not in str(caught.value)
    assert content_of(path) == before


def content_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def test_no_byte_of_it_can_be_changed_or_lost(path: Path) -> None:
    content = begun(path)
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        refused(path, r"damaged|has format")
        path.write_bytes(content[:at])
        refused(path, r"damaged")
    path.write_bytes(content + b"\0")
    refused(path, r"damaged; put its newest copy back, or stay out .* take part twice")
    path.write_bytes(content)
    assert LedgerFile(path, "test").read().spent


def test_a_ledger_that_is_gone_is_not_begun_anew(path: Path) -> None:
    ledger = LedgerFile(path, "test")
    path.unlink()
    for once in (ledger.read, lambda: ledger.replace(Entries("test"), Entries("test", 1))):
        with pytest.raises(StorageError, match=r"账本 is gone; put its newest copy back"):
            once()
    refused(path, "is gone")
    assert not path.exists()


def test_a_ledger_put_back_without_its_lock_file_is_guarded_again(path: Path) -> None:
    LedgerFile(path, "test")
    path.with_name("账本.lock").unlink()
    LedgerFile(path, "test")
    path.unlink()
    refused(path, "is gone")


def test_a_file_that_is_no_ledger_is_left_alone(path: Path) -> None:
    for content in (b"", b"my thesis", b"\xff" * 100):
        path.write_bytes(content)
        refused(path, "damaged or no ledger")


def test_a_ledger_of_another_federation_is_refused(path: Path) -> None:
    LedgerFile(path, "制造")
    refused(path, r"belongs to the federation '制造', not to 'test'; give each federation a ledger of its own")
    ledger = LedgerFile(path, "制造")
    with pytest.raises(Forbidden):
        ledger.replace(ledger.read(), Entries("test"))


def test_a_ledger_of_a_later_program_is_refused(path: Path) -> None:
    path.write_bytes(b"lepton-fed ledger 2\n" + bytes(100))
    refused(path, "has format 2 and this program reads 1; use a newer lepton-fed")
    body = encode(("lepton-secagg/2", Entries("test")))
    path.write_bytes(module._head(body) + body)
    refused(path, r"another version of lepton-fed \(protocol version 'lepton-secagg/2'")


def test_a_ledger_of_another_kind_of_value_is_refused(path: Path) -> None:
    body = encode(("lepton-secagg/1", 7))
    path.write_bytes(module._head(body) + body)
    refused(path, "another version of lepton-fed")


def test_a_folder_that_is_missing_or_a_file_is_a_sentence(tmp_path: Path) -> None:
    refused(tmp_path / "missing" / "ledger", "its folder does not exist; make the folder")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "ledger", "something above it is a file")
    (tmp_path / "ledger").mkdir()
    refused(tmp_path / "ledger", "it is a folder, and a file is expected")
    refused(tmp_path / ("长" * 100), "the name is too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_of_somebody_else_is_refused(path: Path) -> None:
    path.parent.chmod(0o500)
    refused(path, "permission denied")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left; free some, and keep the ledger where it is"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error; check the disk"),
    ],
)
def test_a_disk_that_fails_at_any_call_keeps_the_old_entries_or_the_new(path: Path, number: int, words: str) -> None:
    ledger = LedgerFile(path, "test")
    for calls in range(20):
        old, said = ledger.read(), ""
        try:
            with failing_after(calls, number):
                ledger.replace(old, old.next_serial())
        except StorageError as error:
            said = str(error)
        assert ledger.read() == LedgerFile(path, "test").read()
        assert ledger.read() in (old, old.next_serial())
        if not said:
            break
        assert words in said
    assert calls >= 4, "the failures were not reached"
    assert ledger.read() == old.next_serial()


def test_a_lock_that_is_never_given_up_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    ledger = LedgerFile(path, "test")
    with (
        ledger._locked(),
        pytest.raises(StorageError, match=r"another process has held .*账本\.lock for 0\.05 seconds"),
    ):
        ledger.replace(ledger.read(), ledger.read().next_serial())
    ledger.replace(ledger.read(), ledger.read().next_serial())


def test_a_file_system_without_locks_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlockable(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unlockable)
    refused(path, r"without file locks \(No locks available\); keep ledgers on a local disk")


# ---------------------------------------------------------------- the same answers as in memory

INSTANCES = st.sampled_from([bytes([n]) * 32 for n in range(3)])
MODELS = st.sampled_from([b"m" * 32, b"n" * 32, b"o" * 32])
MOVES = st.one_of(
    st.just(("next_serial",)),
    st.tuples(st.just("enter"), INSTANCES, st.integers(0, 3), st.integers(0, 1), MODELS, st.integers(0, 4)),
    st.tuples(st.just("spend"), INSTANCES, MODELS),
    st.tuples(
        st.just("sign"),
        INSTANCES,
        st.sampled_from([b"h" * 32, b"g" * 32]),
        st.sampled_from([OTHERS, OTHERS[:2]]),
        st.sampled_from([(), (Released.of("sum", OTHERS),), (Released.of("sum", OTHERS[:2]),)]),
    ),
    st.tuples(st.just("late"), st.integers(0, 5)),
)


def answer(ledger: Ledger, move: tuple[Any, ...], seen: list[Entries]) -> str:
    """What became of a move; "late" is one that begins from entries of an earlier moment."""
    name, *arguments = move
    try:
        if name == "late":
            old = seen[arguments[0] % len(seen)]
            ledger.replace(old, old.next_serial())
        else:
            ledger.replace(ledger.read(), getattr(ledger.read(), name)(*arguments))
    except Forbidden as error:
        return str(error)
    return "done"


@settings(max_examples=at_most(40), deadline=None)
@given(st.lists(MOVES, max_size=14))
def test_any_moves_give_the_answers_of_a_ledger_in_memory(moves: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory = MemoryLedger("test")
        seen = [memory.read()]
        for move in moves:
            # Opened anew each time, as by a process that is started anew.
            file = LedgerFile(Path(folder) / "ledger", "test")
            assert answer(file, move, seen) == answer(memory, move, seen)
            assert file.read() == memory.read() == LedgerFile(file.path, "test").read()
            seen.append(memory.read())


# ---------------------------------------------------------------- killed


@dataclass
class Outbox:
    """What a department was asked and what it sent, in a file that outlives it: sent is what is in there."""

    path: Path

    def put(self, kind: str, *parts: bytes) -> None:
        content = encode((kind, *parts))
        with self.path.open("ab", buffering=0) as file:
            file.write(len(content).to_bytes(8, "big") + content)

    def lines(self) -> Iterator[tuple[Any, ...]]:
        content = self.path.read_bytes() if self.path.exists() else b""
        while len(content) >= 8:
            end = 8 + int.from_bytes(content[:8], "big")
            assert end <= len(content), "one write of some kilobytes is not torn by a kill"
            found = decode(content[8:end])
            assert isinstance(found, tuple)
            yield found
            content = content[end:]


def department_at_work(ledger: Path, outbox: Outbox, rounds: int) -> None:
    """d00 with a ledger on disk takes part in some rounds of the others; every message it sends is in the outbox."""
    federation = Federation.of(4)
    d00 = federation.departments["d00"]
    d00.party = replace(d00.party, ledger=LedgerFile(ledger, "test"))
    for round in range(1, rounds + 1):
        model = bytes([round]) * 32
        for department in federation.departments.values():
            department.model = model
        plan = federation.plan(round=round, model_hash=model)
        flow, replies = secure_sum(plan, federation.roster, federation.advertised()), None
        while True:
            try:
                requests = next(flow) if replies is None else flow.send(replies)
            except StopIteration:
                break
            outbox.put("asked", d00.stored, requests["d00"].to_bytes())
            replies = federation.ask(requests)
            outbox.put("sent", replies["d00"].to_bytes())


def killed(work: Callable[[], None], after: float | None = None) -> bool:
    """Runs `work` in a child; whether it was killed, by itself or after so many seconds."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


@dataclass
class Witness:
    """All messages of one department that ever left, before and after it was killed."""

    shared: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    masked: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    signed: dict[bytes, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))

    def hear(self, message: Wire) -> None:
        match message:
            case SealedShares():
                self.shared[message.instance] += 1
            case MaskedInput():
                self.masked[message.instance] += 1
            case SurvivorSignature():
                self.signed[message.instance].add(message.survivors)

    def check(self) -> None:
        assert all(count == 1 for count in self.shared.values()), "an attempt was entered twice"
        assert all(count == 1 for count in self.masked.values()), "two inputs of one attempt were let out"
        assert all(len(sets) == 1 for sets in self.signed.values()), "two survivor sets were signed"


def tried_again(ledger: Path, outbox: Outbox) -> Witness:
    """After the kill: every move from every state ever saved, twice, with a ledger opened anew."""
    d00, witness = Federation.of(4).departments["d00"], Witness()
    asked = []
    for kind, *parts in outbox.lines():
        if kind == "sent":
            witness.hear(Wire.from_bytes(parts[0]))
        else:
            asked.append((parts[0], Wire.from_bytes(parts[1])))
    for _ in range(2):
        d00.party = replace(d00.party, ledger=LedgerFile(ledger, "test"))
        for stored, request in reversed(asked):
            if isinstance(request, Call):
                d00.model = request.plan.model_hash
            for one in (fewer(request), request) if isinstance(request, Survivors) else (request,):
                d00.stored = stored
                witness.hear(d00.handle(one))
    return witness


def fewer(announced: Survivors) -> Survivors:
    """Another survivor set that a department would sign."""
    return replace(announced, survivors=announced.survivors[:3])


def trial(folder: Path, work: Callable[[Path, Outbox], bool]) -> tuple[bool, int, Witness]:
    """A department at work in a folder of its own. Whether it was killed, how many of its messages had left by
    then, and what it ever said, also when everything is tried again afterwards.
    """
    folder.mkdir()
    ledger, outbox = folder / "ledger", Outbox(folder / "outbox")
    dead = work(ledger, outbox)
    lines = list(outbox.lines())
    witness = tried_again(ledger, outbox)
    witness.check()
    party = replace(Federation.of(4).departments["d00"].party, ledger=LedgerFile(ledger, "test"))
    states = [Wire.from_bytes(parts[0]) for kind, *parts in lines if kind == "asked"]
    used = [state.keys.serial for state in states if isinstance(state, Advertised)]
    assert advertise(party).keys.serial > max(used, default=0), "a serial was given twice"
    return dead, len(lines) - len(states), witness


def test_a_department_killed_at_any_call_to_the_disk_never_takes_part_twice(tmp_path: Path) -> None:
    dead, calls = True, 0
    while dead and calls < 100:
        calls += 1

        def work(ledger: Path, outbox: Outbox, calls: int = calls) -> bool:
            return killed(lambda: dying_at(calls, lambda: department_at_work(ledger, outbox, rounds=1)))

        dead, _, witness = trial(tmp_path / str(calls), work)
    assert len(witness.masked) == 1
    assert calls > 5 * 5, "the first entries and a round's four, each of at least five calls"


def dying_at(calls: int, work: Callable[[], None]) -> None:
    """`work` in a process that is killed at the call of that number that touches the disk, before its effect."""
    left = [calls]

    def fatal(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "touch"), (Path, "unlink")):
            patch.setattr(owner, name, fatal(getattr(owner, name)))
        work()


def random_kills(folder: Path, seeds: range) -> list[int]:
    """How many messages had left at each kill, within as long as the work takes here, and a little later."""
    began = time.monotonic()
    assert not trial(folder / "whole", lambda *of: killed(lambda: department_at_work(*of, rounds=3)))[0]
    whole = time.monotonic() - began
    sent = []
    for seed in seeds:

        def work(ledger: Path, outbox: Outbox, delay: float = whole * random.Random(seed).uniform(0, 1.2)) -> bool:
            return killed(lambda: department_at_work(ledger, outbox, rounds=3), after=delay)

        sent.append(trial(folder / str(seed), work)[1])
    return sent


def test_a_department_killed_at_random_moments_never_takes_part_twice(tmp_path: Path) -> None:
    random_kills(tmp_path, range(12))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, 100))
def test_a_department_killed_at_hundreds_of_random_moments_never_takes_part_twice(tmp_path: Path, first: int) -> None:
    sent = random_kills(tmp_path, range(first, first + 100))
    assert len(set(sent)) > 4, sorted(sent)


# ---------------------------------------------------------------- raced


def raced(works: list[Callable[[], object]]) -> int:
    """Runs each in a process of its own, all let go at one moment; how many were not refused."""
    gate, latch = os.pipe()
    children = []
    for work in works:
        pid = os.fork()
        if pid == 0:
            code = 2
            try:
                os.close(latch)
                os.read(gate, 1)
                code = won(work)
            finally:
                os._exit(code)
        children.append(pid)
    os.close(gate)
    os.close(latch)
    codes = [os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in children]
    assert set(codes) <= {0, 1}, "a child failed"
    return codes.count(1)


def won(work: Callable[[], object]) -> int:
    """1, or 0 where the ledger said that somebody else had been there first."""
    try:
        work()
    except Refused as refusal:
        late = "somebody else meanwhile|is not after|let out (before|in an earlier)"
        return 0 if re.search(late, refusal.reason) else 2
    return 1


def race(path: Path, attempts: int, run: Callable[[list[Callable[[], object]]], int]) -> None:
    """Two holders of one ledger at each of an attempt's moves, from the same saved state: one wins."""
    federation = Federation.of(4)
    d00 = federation.departments["d00"]
    d00.party = replace(d00.party, ledger=LedgerFile(path, "test"))
    # Opened once: what each child holds of it, it holds for itself after the fork.
    pair = [replace(d00.party, ledger=LedgerFile(path, "test")) for _ in range(2)]
    for round in range(attempts):
        model = round.to_bytes(32, "big")
        for department in federation.departments.values():
            department.model = model
        plan = federation.plan(round=round, model_hash=model)
        flow, replies = secure_sum(plan, federation.roster, federation.advertised()), None
        for _ in range(2):
            requests = next(flow) if replies is None else flow.send(replies)
            before = d00.party.ledger.read()
            move = partial(moved, state=Wire.from_bytes(d00.stored), request=requests["d00"], own=d00.contributions)
            assert run([partial(move, party) for party in pair]) == 1
            # The winner's message is lost with it; the round goes on as if there had been no race.
            restored(path, before)
            replies = federation.ask(requests)


def moved(party: Party, state: Wire, request: Wire, own: Mapping[str, Contribution]) -> object:
    match state, request:
        case Advertised(), Call():
            return state.share(party, request, request.plan.model_hash)
        case Shared(), Delivery():
            return state.mask(party, request, own)
    raise AssertionError


def restored(path: Path, entries: Entries) -> None:
    body = entries.to_bytes()
    path.write_bytes(module._head(body) + body)


def test_of_two_processes_in_one_attempt_one_wins(path: Path) -> None:
    race(path, 8, raced)


@pytest.mark.long
def test_of_two_processes_in_one_attempt_one_wins_hundreds_of_times(path: Path) -> None:
    race(path, 200, raced)


def test_of_two_threads_in_one_attempt_one_wins(path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        race(path, 8, lambda works: sum(pool.map(won, works)))


def test_a_state_saved_before_a_signature_signs_the_same_set_again_and_no_other(path: Path) -> None:
    federation = Federation.of(4)
    d00 = federation.departments["d00"]
    d00.party = replace(d00.party, ledger=LedgerFile(path, "test"))
    flow, replies = secure_sum(federation.plan(), federation.roster, federation.advertised()), None
    while not isinstance(Wire.from_bytes(d00.stored), Hidden):
        replies = federation.ask(next(flow) if replies is None else flow.send(replies))
    hidden, announced = d00.stored, flow.send(replies or {})["d00"]
    assert isinstance(announced, Survivors)
    first = d00.handle(announced)
    d00.party = replace(d00.party, ledger=LedgerFile(path, "test"))
    d00.stored = hidden
    assert d00.handle(announced) == first
    d00.stored = hidden
    refusal = d00.handle(fewer(announced))
    assert isinstance(refusal, Refusal)
    assert "another survivor set was signed" in refusal.reason
