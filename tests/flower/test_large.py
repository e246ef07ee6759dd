"""Tests of large models over a real port: what is long stays in the store until its turn to be added."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import PeerError
from lepton_fed.flower import parts
from lepton_fed.flower.link_transport import SLACK, LinkTransport
from lepton_fed.flower.parts import FIELD, LARGEST, StoredPart, is_part
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.flower.spool import Spool
from lepton_fed.messages import Addend, Done, HubState, Join, Work
from lepton_fed.simulation import simulate
from lepton_fed.storage import RunFolder
from tests.deployed import deployed
from tests.federations import quick, written
from tests.flower.link import ONE, Place, activated, answer_to, letter, node, provisioned, pulled, started, upload

pytestmark = pytest.mark.flower

VECTOR = np.random.default_rng(3).standard_normal(200_000, np.float32)
DONE = Done({"hub": Addend(VECTOR, 2.0, 1.0)}, {"loss": 1.0})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 1 << 18)
    monkeypatch.setattr(parts, "LONG", 1 << 17)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("大模型"))


@pytest.fixture
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        yield place


def answered(place: Place, grid: Any, content: RecordDict) -> Message:
    """What the coordinator is given when a department answers with this content."""
    with node(place, place.key(ONE)) as client:
        number = activated(place, client, ONE)
        (question,) = grid.push_messages([letter(number)])
        asked, _ = pulled(client, number)
        upload(client, *answer_to(asked, reply=Message(content, reply_to=asked)))
        (answer,) = grid.pull_messages([question])
    found: Message = answer
    return found


def test_a_long_update_waits_in_the_file_and_leaves_it_as_it_is_joined(place: Place) -> None:
    store = place.link.members.state.object_store
    assert isinstance(store, Spool)
    with place.link.run() as grid:
        answer = answered(place, grid, record_of(DONE))
        assert all(isinstance(answer.content[name], StoredPart) for name in answer.content if is_part(name))
        waiting = store._file.size
        assert waiting > 0.7 * VECTOR.nbytes
        assert len(store) == 0
        done = said_in(answer.content, ONE, (Done,))
        assert store._file.size == waiting
        np.testing.assert_array_equal(done.addends["hub"].vector, VECTOR)
        assert store._file.size == 0


def test_an_answer_that_nobody_reads_leaves_nothing(place: Place) -> None:
    store = place.link.members.state.object_store
    assert isinstance(store, Spool)
    with place.link.run() as grid:
        answer = answered(place, grid, record_of(DONE))
        assert store._file.size
        del answer
        assert store._file.size == 0


def test_a_part_that_is_none_is_its_senders_fault(place: Place) -> None:
    content = record_of(DONE)
    name = next(filter(is_part, content))
    content[name] = ConfigRecord({FIELD: [1, 2]})
    with place.link.run() as grid:
        done = said_in(answered(place, grid, content).content, ONE, (Done,))
        with pytest.raises(PeerError, match=f"{ONE}: a part of a long value is not of the size"):
            dict(done.addends)


def test_a_question_in_parts_is_answered_by_who_reads_it(place: Place) -> None:
    work = Work(1, {"hub": HubState(VECTOR)}, ("hub",), True)
    with place.link.run() as grid, node(place, place.key(ONE)) as client:
        number = activated(place, client, ONE)
        grid.push_messages([Message(record_of(work), dst_node_id=number, message_type="train.work", ttl=60.0)])
        asked, _ = pulled(client, number)
        np.testing.assert_array_equal(said_in(asked.content, "it", (Work,)).hubs["hub"].model, VECTOR)


def test_an_answer_may_be_as_long_as_what_was_asked_for() -> None:
    transport = LinkTransport(None, None, {}, 1.0, 1.0, lambda: None, dict)  # type: ignore[arg-type]
    hubs = {"a": HubState(VECTOR), "b": HubState(VECTOR[:10])}
    assert transport._most(Work(1, hubs, ("a",), True)) == SLACK + 2 * VECTOR.nbytes
    assert transport._most(Work(1, hubs, (), True)) == SLACK
    assert transport._most(Join("")) == LARGEST


# ---------------------------------------------------------------- whole runs


@pytest.mark.long
def test_a_deployed_federation_trains_a_large_model_as_one_process_does(tmp_path: Path) -> None:
    model = {"name": "mlp", "arguments": {"hidden": [1200, 1200]}}
    federation = written(tmp_path / "federation", quick({"model": model}, 2))
    with deployed(tmp_path, federation) as there:
        there.submit()
        there.wait_until("finished", seconds=600)
        saved = RunFolder.open(there.kit.state / "run", writing=False).checkpoint().latest()
    assert saved is not None
    for name, hub in simulate(federation).state.hubs.items():
        assert hub.state.model.nbytes > 5_000_000
        np.testing.assert_array_equal(saved.groups["coordinator"][f"model {name}"], hub.state.model)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["plain", "secure"])
def test_a_coordinator_holds_fewer_than_three_vectors(mode: str, tmp_path: Path) -> None:
    options = ["--json", "--modes", mode, "--megabytes", "200", "--rounds", "2"]
    place, environment = Path(__file__).parents[2], {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.large", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=place, env=environment, start_new_session=True)
    try:
        said, _ = process.communicate()
    finally:
        # A test that is cut off in its time leaves none of the parties either: they are of the same session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0
    (found,) = json.loads(said)["runs"]
    # What parts of several departments take on their way is the same for every model, and counts here as well.
    assert found["vectors_anonymous"] < 3 + 200 / found["megabytes"]
