"""A checkpoint holds the last completed save, whatever happens to the process or to the files."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.errors import StorageError
from lepton_fed.storage import Checkpoint, Saved
from lepton_fed.storage.checkpoint import _worth_moving
from lepton_fed.storage.manifest import FORMAT, JSON, File, Group
from tests.storage.failures import failing_after
from tests.thoroughness import at_most

Groups = dict[str, dict[str, Any]]
NAMES = ["", "生产车间", "研发部门", "a/b", 'quote" ]', "\n"]


def same(found: Saved | None, round_: int, groups: Groups) -> bool:
    """Whether the save is of that round and its arrays equal these bit for bit, in dtype and shape too."""
    if found is None or found.round != round_ or found.groups.keys() != groups.keys():
        return False
    return all(
        found.groups[g].keys() == held.keys()
        and all(
            (b := found.groups[g][n]).dtype == a.dtype and b.shape == a.shape and b.tobytes() == a.tobytes()
            for n, a in held.items()
        )
        for g, held in groups.items()
    )


def changes(serial: int, size: int = 50) -> Groups:
    """What save number `serial` changes: a subset of the groups, with arrays that tell the save."""
    chance = random.Random(serial)
    names = [n for n in NAMES if chance.random() < 0.5]
    return {
        n: {
            "θ": np.full((size, 2), serial + i, np.float32),
            "steps": np.array(serial, np.int64),
            "rng": np.arange(i, dtype=np.uint8),
        }
        for i, n in enumerate(names)
    }


def state(serial: int, size: int = 50) -> Groups:
    """What the checkpoint holds after saves 1 to `serial`."""
    held: Groups = {}
    for s in range(serial, 0, -1):
        # The latest change of a group counts; those before it need not be made.
        held = changes(s, size) | held
        if len(held) == len(NAMES):
            break
    return held


def test_an_empty_folder_and_a_missing_one_have_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path).latest() is None
    assert Checkpoint(tmp_path / "missing").latest() is None
    assert Checkpoint(tmp_path / "missing").last_round() == 0
    assert not (tmp_path / "missing").exists()


def test_groups_that_are_not_mentioned_keep_what_they_had(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    one, two = np.arange(3.0), np.array(7)
    checkpoint.save(1, {"次序": [1, 2.5, None, True]}, {"": {"model": one}, "生产车间": {"x": one, "y": two}})
    checkpoint.save(2, {"loss": 0.1}, {"生产车间": {"y": one}})
    assert Checkpoint(tmp_path / "checkpoint").last_round() == 2
    found = Checkpoint(tmp_path / "checkpoint").latest()
    assert same(found, 2, {"": {"model": one}, "生产车间": {"y": one}})
    assert found is not None
    assert found.meta == {"loss": 0.1}


@settings(deadline=None, max_examples=at_most(30))
@given(saves=st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 40), max_size=4), max_size=8))
def test_the_checkpoint_is_the_union_of_its_saves(
    saves: list[dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("checkpoint")
    held: Groups = {}
    checkpoint = Checkpoint(folder, durable=False)
    for i, sizes in enumerate(saves):
        changed = {name: {"a": np.full(n, i, np.int32)} for name, n in sizes.items()}
        held |= changed
        if i % 2:
            checkpoint = Checkpoint(folder, durable=False)
        checkpoint.save(i, {}, changed)
    assert not saves or same(Checkpoint(folder).latest(), len(saves) - 1, held)
    # One file per save at most, and only those that something refers to.
    assert len(list(folder.glob("*.safetensors"))) <= len(held)


def test_meta_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    meta: dict[str, JSON] = {
        "z": 0.1 + 0.2,
        "state": 2**127 + 1,
        "a": [float("inf"), -0.0, 5e-324],
        "文": {"深": "值"},
    }
    Checkpoint(tmp_path).save(3, meta, {})
    found = Checkpoint(tmp_path).latest()
    assert found is not None
    assert repr(found.meta) == repr(meta)


def test_files_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    for round_ in range(5):
        checkpoint.save(round_, {}, {"a": {"x": np.zeros(4)}})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000005.safetensors", "manifest.json"]


def test_what_a_killed_process_left_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    Checkpoint(tmp_path).save(1, {}, {"a": {"x": np.zeros(4)}})
    for name in ("000002.safetensors", "000009.safetensors", ".part-0123456789abcdef", "notes.safetensors"):
        (tmp_path / name).write_text("half")
    again = Checkpoint(tmp_path)
    assert same(again.latest(), 1, {"a": {"x": np.zeros(4)}})
    again.save(2, {}, {"b": {"x": np.ones(4)}})
    assert same(Checkpoint(tmp_path).latest(), 2, {"a": {"x": np.zeros(4)}, "b": {"x": np.ones(4)}})
    names = ["000001.safetensors", "000002.safetensors", "manifest.json", "notes.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_failure_at_any_call_leaves_the_old_save_or_the_new_and_the_next_save_succeeds(
    tmp_path: Path,
) -> None:
    failures = 0
    for calls in range(40):
        folder = tmp_path / str(calls)
        checkpoint = Checkpoint(folder)
        for serial in (1, 2, 3):
            checkpoint.save(serial, {}, changes(serial))
        try:
            with failing_after(calls):
                checkpoint.save(4, {}, changes(4))
        except StorageError:
            failures += 1
            found = Checkpoint(folder).latest()
            assert same(found, 3, state(3)) or same(found, 4, state(4))
        checkpoint.save(5, {}, changes(5))
        assert same(Checkpoint(folder).latest(), 5, state(3) | changes(5)) or same(
            Checkpoint(folder).latest(), 5, state(5)
        )
        # What the failed save wrote is gone.
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {int(p.stem) for p in folder.glob("*.safetensors")} == {int(s) for s in manifest["files"]}
        assert not list(folder.glob(".part-*"))
    assert 8 <= failures < 40, "the failures were not all reached"


def test_what_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(1, {}, {"a": {"x": np.zeros(4)}})
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(TypeError):
        checkpoint.save(2, {"set": {1}}, {"a": {"x": np.ones(4)}})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        checkpoint.save(2, {}, {"a": {"x": np.array([None])}})
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert same(checkpoint.latest(), 1, {"a": {"x": np.zeros(4)}})


def saved(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(folder)
    checkpoint.save(1, {"round": 1}, {"a": {"x": np.arange(64.0)}, "b": {"x": np.arange(64.0)}})
    checkpoint.save(2, {"round": 2}, {"a": {"x": np.arange(64.0)}})
    return checkpoint


@pytest.mark.parametrize("name", ["manifest.json", "000001.safetensors", "000002.safetensors"])
def test_a_truncated_or_edited_file_is_noticed(tmp_path: Path, name: str) -> None:
    checkpoint = saved(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    chance = random.Random(0)
    for _ in range(60):
        at = chance.randrange(len(content))
        other = bytes([content[at] ^ (1 << chance.randrange(8))])
        edited = content[:at] + other + content[at + 1 :]
        longer = content[:at] + b"7" + content[at:]
        for damaged in (content[:at], edited, longer):
            path.write_bytes(damaged)
            with pytest.raises(StorageError, match=f"{name} is damaged"):
                checkpoint.latest()
    path.write_bytes(b"")
    with pytest.raises(StorageError, match="is damaged"):
        checkpoint.latest()


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path)
    (tmp_path / "000001.safetensors").unlink()
    with pytest.raises(StorageError, match=r"000001\.safetensors does not exist"):
        checkpoint.latest()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace(f'"format":{FORMAT}', f'"format":{FORMAT + 1}'))
    with pytest.raises(StorageError, match=f"has checkpoint format {FORMAT + 1} and this program reads up to {FORMAT}"):
        checkpoint.latest()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(StorageError, match="checkpoint is a file, and a folder is expected"):
        Checkpoint(tmp_path / "checkpoint").save(1, {}, {})


def test_a_folder_with_few_participants_a_round_stays_small(tmp_path: Path) -> None:
    chance = random.Random(1)
    names = [f"部门{i}" for i in range(40)]
    checkpoint = Checkpoint(tmp_path, durable=False)
    held: Groups = {n: {"x": np.zeros(20_000, np.float32)} for n in names}
    checkpoint.save(0, {}, held)
    live = 40 * 80_000
    for round_ in range(1, 80):
        changed = {n: {"x": np.full(20_000, round_, np.float32)} for n in chance.sample(names, 3)}
        held |= changed
        checkpoint.save(round_, {}, changed)
        assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 2 * live + (1 << 20) + 5 * 80_000
    assert same(Checkpoint(tmp_path).latest(), 79, held)


def test_files_with_the_most_remains_are_given_up_first() -> None:
    files = {1: File(100 << 20, 0), 2: File(10 << 20, 0), 3: File(10 << 20, 0)}
    kept = {"a": Group(1, 1 << 20), "b": Group(2, 5 << 20), "c": Group(3, 10 << 20)}
    assert _worth_moving(files, kept) == ["a"]
    assert _worth_moving({3: files[3]}, {"c": kept["c"]}) == []
    # A group without a single byte does not hold a large file for ever.
    assert _worth_moving({1: files[1]}, {"empty": Group(1, 0)}) == ["empty"]


def killed_at_random_moments(folder: Path, kills: int, size: int) -> int:
    """Kill a process that saves over and over, and compare; returns how many saves were completed."""
    chance = random.Random(kills)
    done = 0
    longest = 2 * _seconds_of_a_save(folder / "timed", size)
    for _ in range(kills):
        begun, completed = _save_until_killed(folder / "killed", done, chance.uniform(0.0, longest), size)
        # Slow machine or fast, about every other process lives long enough to complete a save.
        longest *= 1.2 if completed == done else 0.87
        found = Checkpoint(folder / "killed").latest()
        if found is None:
            assert completed == 0
            continue
        done = found.round
        assert done in (completed, begun), "a completed save was lost"
        assert same(found, done, state(done, size))
        assert found.meta == {"serial": done}
    return done


def _seconds_of_a_save(folder: Path, size: int) -> float:
    checkpoint = Checkpoint(folder, durable=False)
    began = time.monotonic()
    for serial in range(1, 6):
        checkpoint.save(serial, {"serial": serial}, changes(serial, size))
    return (time.monotonic() - began) / 5


def _save_until_killed(folder: Path, done: int, seconds: float, size: int) -> tuple[int, int]:
    """Last save that was begun and last that was completed in a child that goes on after `done`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            checkpoint = Checkpoint(folder, durable=False)
            for serial in itertools.count(done + 1):
                os.write(writer, b"b")
                checkpoint.save(serial, {"serial": serial}, changes(serial, size))
                os.write(writer, b"c")
        finally:
            os._exit(1)
    os.close(writer)
    try:
        said = os.read(reader, 1)
        time.sleep(seconds)
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    while piece := os.read(reader, 65536):
        said += piece
    os.close(reader)
    assert os.WIFSIGNALED(status), "the child failed on its own"
    return done + said.count(b"b"), done + said.count(b"c")


# Python 3.12 warns of forking a process with threads; the child here uses none of them.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_killed_at_any_moment_leaves_a_completed_save(tmp_path: Path) -> None:
    assert killed_at_random_moments(tmp_path, kills=30, size=500) > 3


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("size", [1, 5_000, 100_000])
def test_a_process_killed_many_times_leaves_a_completed_save(tmp_path: Path, size: int) -> None:
    assert killed_at_random_moments(tmp_path, kills=1000, size=size) > 100


# ---------------------------------------------------------------- without reading it all


@settings(max_examples=at_most(25), deadline=None)
@given(st.lists(st.integers(0, 30), max_size=6))
def test_a_mapped_checkpoint_is_the_checkpoint(tmp_path_factory: pytest.TempPathFactory, serials: list[int]) -> None:
    folder = tmp_path_factory.mktemp("checkpoint")
    checkpoint = Checkpoint(folder)
    assert checkpoint.mapped() is None
    for number, serial in enumerate(serials):
        checkpoint.save(number, {"n": number}, changes(serial, 5))
        for found in (checkpoint.mapped(), Checkpoint(folder).mapped()):
            latest = checkpoint.latest()
            assert found is not None
            assert latest is not None
            assert same(found[0], number, latest.groups)
            assert found[0].meta == latest.meta
            assert not any(a.flags.writeable for held in found[0].groups.values() for a in held.values() if a.size)


def test_views_of_a_checkpoint_outlast_its_file_and_give_memory_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    vector = np.arange(100_000, dtype=np.float32)
    checkpoint.save(1, {}, {"a": {"x": vector}})
    found = checkpoint.mapped()
    assert found is not None
    saved, files = found
    checkpoint.save(2, {}, {"a": {"x": vector + 1}})
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    for _ in range(2):
        assert np.array_equal(saved.groups["a"]["x"], vector)
        for file in files:
            file.give_back()


@pytest.mark.parametrize("cut", [0, 4, 60, -1])
def test_a_damaged_file_is_noticed_before_it_is_mapped(tmp_path: Path, cut: int) -> None:
    Checkpoint(tmp_path).save(1, {}, {"a": {"x": np.arange(50.0)}})
    (path,) = tmp_path.glob("*.safetensors")
    raw = bytearray(path.read_bytes())
    raw[cut] ^= 1
    path.write_bytes(raw)
    with pytest.raises(StorageError):
        Checkpoint(tmp_path).mapped()
    for length in (len(raw) // 2, 0):
        path.write_bytes(raw[:length])
        with pytest.raises(StorageError):
            Checkpoint(tmp_path).mapped()
    path.unlink()
    with pytest.raises(StorageError):
        Checkpoint(tmp_path).mapped()
