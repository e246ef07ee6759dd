"""Tests of the two apps as they are deployed, clients/app.py and server/app.py, over a Grid within the process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict

from clients.app import app as client
from clients.app import place
from lepton_fed.config import Federation
from lepton_fed.errors import ConfigError, PolicyError
from lepton_fed.flower.apps import KEPT, Place
from lepton_fed.flower.greetings import Who
from lepton_fed.flower.grid import JOIN
from lepton_fed.flower.records import record_of, said_in
from lepton_fed.messages import Join, Refused
from lepton_fed.simulation import simulate
from lepton_fed.storage import RunFolder
from server.app import app as server
from tests.flower.files import FEDERATION, FIRST, NAMES, SECOND, federation
from tests.flower.grid_double import FIRST_NODE, RUN, GridDouble


def context(node: Mapping[str, object], run: Mapping[str, object] | None = None) -> Context:
    return Context(RUN, FIRST_NODE, dict(node), RecordDict(), dict(run or {}))  # type: ignore[arg-type]


def coordinate(grid: GridDouble, **run_config: object) -> None:
    server(grid, context({}, run_config))


# ---------------------------------------------------------------- which department a node is


def test_a_configured_node_is_what_its_own_configuration_says(tmp_path: Path) -> None:
    own = str(federation(tmp_path))
    said = context(
        {"department": SECOND, "federation": own, "partition-id": 0}, {"federation": "/the/coordinators.toml"}
    )
    assert place(said) == Place(own, SECOND)
    assert place(context({"department": SECOND, "federation": own, "disclose": True})).disclose
    assert not place(context({"department": SECOND, "federation": own, "disclose": "no"})).disclose


def test_a_configured_node_reads_no_file_that_the_coordinator_names(tmp_path: Path) -> None:
    run = {"federation": str(federation(tmp_path))}
    with pytest.raises(ConfigError, match="lacks `federation`"):
        place(context({"department": SECOND}, run))


def test_a_simulated_node_counts_the_departments_of_the_runs_file(tmp_path: Path) -> None:
    run = {"federation": str(federation(tmp_path))}
    assert [place(context({"partition-id": k}, run)).department for k in (0, 1)] == list(NAMES)
    with pytest.raises(ConfigError, match="simulate 2 nodes"):
        place(context({"partition-id": 2}, run))


@pytest.mark.parametrize(
    ("node", "complaint"), [({}, "which `department`"), ({"department": "生产车问"}, "no department '生产车问'")]
)
def test_a_node_without_a_department_says_so(tmp_path: Path, node: dict[str, object], complaint: str) -> None:
    own = {"federation": str(federation(tmp_path))}
    with pytest.raises(ConfigError, match=complaint):
        place(context({**node, **own}))


# ---------------------------------------------------------------- a whole run


def simulated_nodes(path: Path) -> GridDouble:
    return GridDouble(client, [{"partition-id": k} for k in range(2)], {"federation": str(path)})


def test_the_two_apps_train_the_models_of_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = federation(tmp_path), tmp_path / "run"
    coordinate(simulated_nodes(path), federation=str(path), out=str(out))
    saved = RunFolder.open(out, writing=False).checkpoint().latest()
    assert saved is not None
    assert saved.round == 3
    here = simulate(Federation.load(path))
    for name, hub in here.state.hubs.items():
        np.testing.assert_array_equal(saved.groups["coordinator"][f"model {name}"], hub.state.model)
    assert f"round 3/3  loss {here.last('loss'):.4g}" in capsys.readouterr().err


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    path = federation(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    coordinate(simulated_nodes(path), federation=str(path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_department_with_another_copy_of_the_file_refuses(tmp_path: Path) -> None:
    path = federation(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    copy = federation(other)
    copy.write_text(FEDERATION.replace("batch = 8", "batch = 40"), encoding="utf-8")
    configs = [{"department": FIRST, "federation": str(path)}, {"department": SECOND, "federation": str(copy)}]
    with pytest.raises(PolicyError, match=f"{SECOND} refused: .* differs from this department's copy"):
        coordinate(GridDouble(client, configs), federation=str(path))


def test_a_deployed_department_shows_no_measurements_of_its_own_unless_it_says_so(tmp_path: Path) -> None:
    path = federation(tmp_path)
    configs = [{"department": name, "federation": str(path), "disclose": name == FIRST} for name in NAMES]
    out = tmp_path / "run"
    coordinate(GridDouble(client, configs), federation=str(path), out=str(out))
    from lepton_fed.storage import RunStore, sqlite_url

    store = RunStore(sqlite_url(tmp_path / "lepton-fed.sqlite"))
    try:
        (run,) = store.runs()
        departments = {measurement.department for measurement in store.history(run.id)}
    finally:
        store.close()
    assert departments == {"", FIRST}


def test_both_apps_refuse_secure_sums_in_one_sentence_before_anything_is_read_or_written(tmp_path: Path) -> None:
    path = federation(tmp_path)
    plain = path.read_text(encoding="utf-8")
    assert "secure = false" in plain
    path.write_text(plain.replace("secure = false", "secure = true"), encoding="utf-8")
    for file in (tmp_path / "federation").iterdir():
        file.unlink()
    with pytest.raises(ConfigError, match=r"no keys for them; deploy it .* aggregation.secure = false") as raised:
        coordinate(simulated_nodes(path), federation=str(path), out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    grid = simulated_nodes(path)
    (answer,) = grid.pull_messages(grid.push_messages([Message(record_of(Join("")), FIRST_NODE, JOIN)]))
    assert said_in(answer.content, FIRST, (Refused,)) == Refused(str(raised.value))


def test_a_deployed_department_does_not_hand_over_what_it_keeps(tmp_path: Path) -> None:
    grid = simulated_nodes(federation(tmp_path))
    (answer,) = grid.pull_messages(grid.push_messages([Message(record_of(Who()), FIRST_NODE, KEPT)]))
    assert answer.has_error()
