"""Tests of the message store whose large objects lie in a file: Flower's behaviour, nothing readable, nothing left."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import StorageError
from lepton_fed.flower import spool as module
from lepton_fed.flower.spool import Piece, Spool, SpoolFile
from tests.flower.link import ONE, Place, activated, answer_to, letter, node, piece, provisioned, pulled, started

pytestmark = pytest.mark.flower

SMALL, BLOCK = 300, 64
"""Bytes from which an object is large, and of a block, in these tests."""

PATTERN = np.arange(1, 200, dtype=np.float32).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", SMALL)
    monkeypatch.setattr(module, "BLOCK", BLOCK)


@pytest.fixture
def store(folder: Path, little: None) -> Spool:
    return Spool(SpoolFile(folder))


def content(*values: bytes) -> RecordDict:
    return RecordDict({str(k): ConfigRecord({"b": value}) for k, value in enumerate(values)})


def put(store: InMemoryObjectStore, message: RecordDict, run: int = 1) -> str:
    objects = get_all_nested_objects(message)
    for number in store.preregister(run, get_object_tree(message)):
        store.put(number, objects[number].deflate())
    return message.object_id


def part_of(message: RecordDict) -> str:
    """Its largest object."""
    return max((len(one.deflate()), number) for number, one in get_all_nested_objects(message).items())[1]


def on_disk(store: Spool) -> bytes:
    """The file as somebody sees it who can read the disk."""
    size = os.fstat(store._file._file).st_size
    return os.pread(store._file._file, size, 0)


# ---------------------------------------------------------------- as Flower's store

VALUES = [b"x", b"y" * SMALL, b"z" * 5 * BLOCK * 4, PATTERN]
moves = st.lists(
    st.tuples(
        st.sampled_from(["register", "put", "delete", "run over", "clear"]),
        st.lists(st.sampled_from(VALUES), max_size=3).map(tuple),
        st.integers(1, 2),
    ),
    max_size=12,
)


@pytest.mark.usefixtures("little")
@given(moves)
def test_it_is_flowers_store_whatever_is_done_to_it(tmp_path_factory: pytest.TempPathFactory, moves: Any) -> None:
    ours, flowers = Spool(SpoolFile(tmp_path_factory.mktemp("spool"))), InMemoryObjectStore()
    known: set[str] = set()
    for move, values, run in moves:
        message = content(*values)
        objects = get_all_nested_objects(message)
        known |= objects.keys()
        for store in (ours, flowers):
            if move == "register":
                store.preregister(run, get_object_tree(message))
            elif move == "put":
                put(store, message, run)
            elif move == "delete":
                store.delete(message.object_id)
            elif move == "run over":
                store.delete_objects_in_run(run)
            else:
                store.clear()
        assert {number: ours.get(number) for number in known} == {number: flowers.get(number) for number in known}
        assert len(ours) == len(flowers)
    ours.clear()
    gc.collect()
    assert ours._file.size == 0


def test_what_is_large_is_not_in_memory_and_what_is_small_is_not_in_the_file(store: Spool) -> None:
    number = put(store, content(b"small"))
    assert on_disk(store) == b""
    message = content(PATTERN)
    put(store, message)
    assert store.store[part_of(message)].content == b""
    assert len(on_disk(store)) > len(PATTERN)
    assert store.get(number)


def test_of_objects_that_are_not_there_nothing_is_held(store: Spool) -> None:
    message = content(PATTERN)
    store.preregister(1, get_object_tree(message))
    assert store.held(part_of(message)) is None
    assert store.held("nothing") is None
    assert store.get(part_of(message)) == b""


def test_an_object_lasts_as_long_as_somebody_holds_it_and_then_its_room_is_free(store: Spool) -> None:
    message = content(PATTERN)
    number, raw = put(store, message), get_all_nested_objects(message)[part_of(message)].deflate()
    held = store.held(part_of(message))
    assert isinstance(held, Piece)
    store.delete(number)
    assert store.get(part_of(message)) is None
    assert held.read() == raw
    del held
    assert store._file.size == 0
    assert on_disk(store) == b""


def test_room_is_used_again(store: Spool) -> None:
    keeps = put(store, content(b"k" * 1000))
    most = 0
    for k in range(20):
        store.delete(put(store, content(bytes([k]) * 1000)))
        most = max(most, len(on_disk(store)))
    assert most < 3 * 1300
    assert b"k" * 1000 in (store.get(part_of(content(b"k" * 1000))) or b"")
    assert keeps in store


# ---------------------------------------------------------------- who can read it


def test_nothing_on_the_disk_can_be_read_and_the_file_has_no_name(store: Spool, folder: Path) -> None:
    put(store, content(PATTERN, b"large and said twice" * 50))
    raw = on_disk(store)
    assert len(raw) > len(PATTERN) + 1000
    assert not any(PATTERN[k : k + 12] in raw for k in range(0, len(PATTERN), 12))
    assert b"twice" not in raw
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(os.fstat(store._file._file).st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_equal_contents_are_different_on_the_disk(folder: Path) -> None:
    file = SpoolFile(folder)
    pieces = [file.keep(PATTERN, b"one") for _ in range(2)]
    one, other = (os.pread(file._file, p.size, next(p.places())[0]) for p in pieces)
    assert one != other
    assert [p.read() for p in pieces] == [PATTERN, PATTERN]


def test_what_was_altered_on_the_disk_is_noticed(store: Spool) -> None:
    message = content(PATTERN)
    put(store, message)
    held = store.held(part_of(message))
    assert isinstance(held, Piece)
    place, _ = next(held.places())
    os.pwrite(store._file._file, bytes([os.pread(store._file._file, 1, place)[0] ^ 1]), place)
    with pytest.raises(StorageError, match="not what was written"):
        store.get(part_of(message))
    os.ftruncate(store._file._file, 10)
    with pytest.raises(StorageError, match="not what was written"):
        held.read()


def test_a_piece_does_not_pass_for_another_object(folder: Path) -> None:
    file = SpoolFile(folder)
    held = file.keep(PATTERN, b"one")
    held.label = b"another"
    with pytest.raises(StorageError, match="not what was written"):
        held.read()


KILLED = """
import sys, numpy as np
from pathlib import Path
from lepton_fed.flower.spool import SpoolFile
file = SpoolFile(Path(sys.argv[1]))
kept = [file.keep(np.arange(1, 200000, dtype=np.float32).tobytes(), b"x") for _ in range(3)]
print("kept", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_nothing(folder: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(folder.iterdir()) == []


def test_what_a_process_left_that_was_killed_at_its_start_is_removed(folder: Path) -> None:
    folder.mkdir()
    (folder / "spool-0123456789abcdef").touch()
    (folder / "another file").touch()
    SpoolFile(folder)
    assert [path.name for path in folder.iterdir()] == ["another file"]


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bool]]:
    """Whether the disk is full: a write then takes a few bytes and fails."""
    state, write = {"now": False}, os.pwrite

    def pwrite(file: int, view: Any, place: int) -> int:
        if state["now"] and len(view) <= 16:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, view[: len(view) - 16] if state["now"] else view, place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    yield state
    state["now"] = False


def test_a_full_disk_refuses_one_object_whole(
    store: Spool, full: dict[str, bool], caplog: pytest.LogCaptureFixture
) -> None:
    small = put(store, content(b"small"))
    message = content(PATTERN)
    store.preregister(1, get_object_tree(message))
    raw, number = get_all_nested_objects(message)[part_of(message)].deflate(), part_of(message)
    full["now"] = True
    with caplog.at_level(logging.ERROR, "lepton_fed.flower"):
        for _ in range(3):
            with pytest.raises(StorageError, match="no space left"):
                store.put(number, raw)
    assert len(caplog.records) == 1
    assert store.held(number) is None
    assert store.get(number) == b""
    assert store.unkept == {number}
    assert store.get(small)
    gc.collect()
    assert store._file.size == 0
    full["now"] = False
    store.put(number, raw)
    assert store.get(number) == raw


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError, match="a file"):
        SpoolFile(tmp_path / "a file" / "spool")


# ---------------------------------------------------------------- in the SuperLink


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("链路"))


@pytest.fixture
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        yield place


def test_the_superlinks_messages_are_in_the_spool(place: Place) -> None:
    state = place.link.members.state
    assert isinstance(state.object_store, Spool)
    # Flower's property reads the name that the link puts it under.
    assert vars(state)["_object_store"] is state.object_store
    assert state.object_store._file.folder == place.kit.state / "flower" / "spool"


def test_an_upload_that_the_disk_has_no_room_for_is_a_503_and_may_come_again(
    place: Place, full: dict[str, bool]
) -> None:
    with place.link.run() as grid, node(place, place.key(ONE)) as client:
        number = activated(place, client, ONE)
        (question,) = grid.push_messages([letter(number)])
        asked, _ = pulled(client, number)
        reply = Message(RecordDict({"m": ConfigRecord({"b": PATTERN * 1000})}), reply_to=asked)
        request, objects = answer_to(asked, reply=reply)
        full["now"] = True
        with pytest.raises(httpx.HTTPStatusError) as caught:
            _uploaded(client, request, objects)
        assert caught.value.response.status_code == 503
        assert (place.last().outcome, place.last().reason) == ("failed", "the coordinator's disk is full")
        assert grid.pull_messages([question]) == []
        full["now"] = False
        _uploaded(client, request, objects)
        (answer,) = grid.pull_messages([question])
    assert answer.content["m"]["b"] == PATTERN * 1000


def _uploaded(client: Any, request: PushMessagesRequest, objects: dict[str, bytes]) -> None:
    pushed = client.PushMessages(request)
    run_id = request.messages_list[0].metadata.run_id
    for number in pushed.objects_to_push:
        assert client.PushObject(piece(request.node, run_id, pushed.session_id, number, objects[number])).stored
