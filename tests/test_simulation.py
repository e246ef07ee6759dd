"""`simulate` from Python: what it returns, what it leaves behind, and what it never leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lepton_fed import Federation, LeptonError, Measurement, RunResult, simulate
from lepton_fed.assembly import read_own
from lepton_fed.history import FEDERATION
from lepton_fed.storage import RunFolder, RunStore, read_history, sqlite_url
from tests.federations import COUPLINGS, LINES, TARGET, quick, table, tree, write, write_own, write_rows, written


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, RunResult, Path]:
    """One federation with everything, run once for all that only look."""
    place = tmp_path_factory.mktemp("kept")
    data = {**tree()["data"], "split": {"test": 0.25, "validation": 0.2}}
    federation = written(place, {"data": data})
    folder = place / "runs" / "第一"
    return federation, simulate(federation, out=folder), folder


# ---------------------------------------------------------------- what it returns


def test_every_target_gets_a_model_also_one_without_rows(kept: tuple[Federation, RunResult, Path]) -> None:
    _, result, _ = kept
    assert list(result.models) == [*LINES, TARGET]
    for name in result.models:
        assert {k: tuple(v.shape) for k, v in result.models[name].items()} == {
            "layer1.weight": (3, 2),
            "layer1.bias": (3,),
            "head.weight": (1, 3),
            "head.bias": (1,),
        }
    # FedAvg: there is one model, and R&D has it as everybody has.
    assert all(torch.equal(result.models[TARGET][k], v) for k, v in result.models[LINES[0]].items())


def test_a_models_tensors_are_nobody_elses(kept: tuple[Federation, RunResult, Path]) -> None:
    _, result, _ = kept
    a, b = result.models[LINES[0]]["head.bias"], result.models[TARGET]["head.bias"]
    assert a.data_ptr() != b.data_ptr()


def test_a_departments_private_parts_are_in_its_own_model_alone(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({"model": {**tree()["model"], "private": ["head.*"]}}, 3))
    models = simulate(federation).models
    first, second = (models[name] for name in LINES)
    assert torch.equal(first["layer1.weight"], second["layer1.weight"])
    assert not torch.equal(first["head.weight"], second["head.weight"])


def test_modules_predict_what_was_measured_of_them(kept: tuple[Federation, RunResult, Path]) -> None:
    federation, result, _ = kept
    for name in LINES:
        module = result.module(name)
        assert not module.training
        test = read_own(federation, name).prepared.test  # type: ignore[union-attr]
        with torch.no_grad():
            logits = module(torch.from_numpy(test.x)).reshape(-1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(test.y))
        assert float(loss) == pytest.approx(result.last("loss", name), abs=1e-6)


def test_the_history_has_every_round_department_part_and_metric(kept: tuple[Federation, RunResult, Path]) -> None:
    _, result, _ = kept
    assert all(isinstance(m, Measurement) for m in result.history)
    keys = [(m.round, m.department, m.part, m.metric) for m in result.history]
    assert len(set(keys)) == len(keys)
    expected = {
        *((r, d, p, m) for r in range(4) for d in LINES for p in ("test", "validation") for m in ("auc", "loss")),
        *((r, FEDERATION, "federation", m) for r in range(4) for m in ("auc", "loss")),
        *((r, FEDERATION, "federation", "joint_loss") for r in range(1, 4)),
    }
    assert set(keys) == expected


def test_the_federations_mean_weighs_departments_by_their_test_rows(tmp_path: Path) -> None:
    path = write(tmp_path, quick({}, 1))
    write_rows(path, LINES[1], *table(96, seed=1))
    result = simulate(path)
    means = [result.last("loss", name) for name in LINES]
    assert result.last("loss") == pytest.approx((8 * means[0] + 24 * means[1]) / 32, rel=1e-9)


def test_last_is_the_last_measurement_and_a_key_error_where_there_is_none(
    kept: tuple[Federation, RunResult, Path],
) -> None:
    _, result, _ = kept
    found = {(m.department, m.part): m.value for m in result.history if m.round == 3 and m.metric == "auc"}
    assert result.last("auc") == found["", "federation"]
    assert result.last("auc", LINES[0]) == found[LINES[0], "test"]
    assert result.last("auc", LINES[0], "validation") == found[LINES[0], "validation"]
    with pytest.raises(KeyError):
        result.last("r2")
    with pytest.raises(KeyError):
        result.last("auc", TARGET)


def test_departments_are_compared_by_every_metric_alone_federated_and_pooled(
    kept: tuple[Federation, RunResult, Path],
) -> None:
    _, result, _ = kept
    assert [(c.department, c.metric) for c in result.comparison] == [(d, m) for d in LINES for m in ("auc", "loss")]
    for c in result.comparison:
        assert c.examples == 8
        at_end = [m for m in result.history if m.round == 3 and m.department == c.department and m.part == "test"]
        assert c.federated == next(m.value for m in at_end if m.metric == c.metric)
        assert c.alone is not None
        assert c.pooled is not None


def test_baselines_are_trained_only_if_asked_for(tmp_path: Path) -> None:
    changes = quick({}, 1)
    changes["report"]["baselines"] = ["alone"]
    (first, *_) = simulate(written(tmp_path / "a", changes)).comparison
    assert (first.alone is None, first.federated is None, first.pooled is None) == (False, False, True)


def test_the_same_file_gives_the_same_result_twice_and_a_baseline_changes_nothing(tmp_path: Path) -> None:
    plain = simulate(written(tmp_path / "a", quick({}, 3)))
    again = simulate(written(tmp_path / "b"))
    assert repr(plain.history) == repr(again.history)
    assert all(torch.equal(plain.models[n][k], v) for n in plain.models for k, v in again.models[n].items())


def test_random_state_of_the_caller_is_left_alone(tmp_path: Path) -> None:
    changes = quick(COUPLINGS["fedprox with dropout"], 2)
    federation = written(tmp_path, changes)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    simulate(federation)
    assert torch.equal(torch.rand(2), expected)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = written(tmp_path / "files", quick({}, 1))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    result = simulate(federation.path)
    assert result.folder is None
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_models_are_measured_as_often_as_asked_and_always_at_the_end(tmp_path: Path) -> None:
    federation = written(tmp_path, quick({"rounds": {"evaluate_every": 2}}, 5))
    result = simulate(federation, out=tmp_path / "run")
    assert sorted({m.round for m in result.history}) == [0, 2, 4, 5]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rounds": 0}, "at least 1"),
        ({"engine": "steam"}, "no engine 'steam'"),
        ({"out": "a", "resume": "b"}, "not both"),
        ({"resume": "nothing-there"}, "holds no run"),
    ],
)
def test_options_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    federation = written(tmp_path / "files", quick({}, 1))
    with pytest.raises(LeptonError, match=expected):
        simulate(federation, **options)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["files"]


def test_a_training_that_diverges_everywhere_fails_with_its_reason(tmp_path: Path) -> None:
    wild = {"steps": 40, "optimiser": {"learning_rate": 1e38}}
    changes = {**quick({"training": wild, "data": _numbers()}, 3), "report": {"baselines": []}}
    federation = written(tmp_path, changes)
    with pytest.raises(LeptonError, match=r"round \d has no update.*diverged"):
        simulate(federation, out=tmp_path / "run")
    record = RunFolder.open(tmp_path / "run", writing=False).record()
    assert record.status == "failed"
    assert "diverged" in record.reason


def _numbers() -> dict[str, object]:
    data = tree()["data"]
    return {**data, "label": {"column": "Target", "meaning": "a number"}}


def test_a_number_can_be_predicted(tmp_path: Path) -> None:
    changes = {**quick({"data": _numbers()}, 4), "report": {"metrics": ["mse", "r2"]}}
    result = simulate(written(tmp_path, changes))
    assert [c.metric for c in result.comparison] == ["mse", "r2"] * 2
    assert result.last("mse") < next(m.value for m in result.history if m.department == "" and m.metric == "mse")


class Board:
    def __init__(self) -> None:
        self.rounds: list[tuple[int, int]] = []
        self.closed = 0

    def log(self, round_: int, measurements: Sequence[Measurement]) -> None:
        self.rounds.append((round_, len(measurements)))

    def close(self) -> None:
        self.closed += 1


def test_trackers_are_told_every_round_and_closed_also_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards: list[Board] = []

    def tracker(spec: str, run: str) -> Board:
        assert run == "小联邦"
        if spec == "bad":
            raise LeptonError("no such board")
        boards.append(Board())
        return boards[-1]

    monkeypatch.setattr("lepton_fed.simulation.tracker", tracker)
    federation = written(tmp_path, quick({}, 2))
    result = simulate(federation, track=["one", "two"])
    counts = [(r, sum(m.round == r for m in result.history)) for r in range(3)]
    assert [b.rounds for b in boards] == [counts, counts]
    with pytest.raises(LeptonError):
        simulate(federation, track=["three", "bad"], out=tmp_path / "run")
    assert [b.closed for b in boards] == [1, 1, 1]
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_program_that_treats_warnings_as_errors_can_simulate(tmp_path: Path) -> None:
    federation = written(tmp_path, {"rounds": {"count": 2}})
    program = (
        "from lepton_fed import simulate; import sys\n"
        "result = simulate(sys.argv[1], out=sys.argv[2])\n"
        "print(result.last('auc') >= 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(federation.path), str(tmp_path / "run")],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


# ---------------------------------------------------------------- what it leaves behind


def test_the_run_folder_is_complete(kept: tuple[Federation, RunResult, Path]) -> None:
    _, _, folder = kept
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    models = {f"models/{name}.{suffix}" for name in (*LINES, TARGET) for suffix in ("safetensors", "md")}
    whole = {"federation.toml", "history.parquet", "report.html", "run.json", ".lock", "checkpoint/manifest.json"}
    assert {f for f in found if not re.fullmatch(r"checkpoint/\d+\.safetensors", f)} == whole | models
    assert [p.name for p in folder.parent.iterdir() if p.is_file() and not p.name.endswith(("-wal", "-shm"))] == [
        "lepton-fed.sqlite"
    ]


def test_the_resolved_federation_loads_back(kept: tuple[Federation, RunResult, Path]) -> None:
    federation, result, folder = kept
    loaded = Federation.load(folder / "federation.toml")
    assert loaded.settings == federation.settings == result.settings
    assert loaded.fingerprint == federation.fingerprint


def test_history_file_database_and_result_say_the_same(kept: tuple[Federation, RunResult, Path]) -> None:
    _, result, folder = kept
    assert repr(tuple(read_history(folder / "history.parquet"))) == repr(result.history)
    with RunStore(sqlite_url(folder.parent / "lepton-fed.sqlite")) as store:
        (run,) = store.runs()
        assert (run.id, run.status, run.name) == (result.run, "finished", "小联邦")
        assert run.folder == str(folder)
        assert repr(tuple(store.history(run.id))) == repr(result.history)
        assert [r.number for r in store.rounds(run.id)] == [0, 1, 2, 3]
        assert Federation.parse(run.federation_toml, Path("x.toml")).settings == result.settings
        stored = {m.department: m for m in store.models(run.id)}
    assert stored.keys() == result.models.keys()
    for model in stored.values():
        assert hashlib.sha256(Path(model.file).read_bytes()).hexdigest() == model.digest


def test_models_load_and_their_cards_name_their_digests(kept: tuple[Federation, RunResult, Path]) -> None:
    _, result, folder = kept
    for name, tensors in result.models.items():
        file = folder / "models" / f"{name}.safetensors"
        loaded = load_file(file)
        assert loaded.keys() == tensors.keys()
        assert all(torch.equal(loaded[k], v) for k, v in tensors.items())
        card = (folder / "models" / f"{name}.md").read_text("utf-8")
        assert hashlib.sha256(file.read_bytes()).hexdigest() in card
        assert name in card


def test_the_report_needs_nothing_from_elsewhere(kept: tuple[Federation, RunResult, Path]) -> None:
    _, _, folder = kept
    page = (folder / "report.html").read_text("utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", page)
    assert "<link" not in page
    for name in (*LINES, TARGET):
        assert name in page


def test_the_record_says_that_the_run_has_finished(kept: tuple[Federation, RunResult, Path]) -> None:
    federation, result, folder = kept
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert (record["id"], record["status"], record["seed"]) == (result.run, "finished", 7)
    assert record["fingerprint"] == federation.fingerprint
    assert set(record["versions"]) == {"python", "torch", "lepton_fed"}


CANARY = 271.8281828459
PASSWORD = "planted-password-8d1f"


def _planted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Federation:
    """Rows with values found nowhere else, and a department whose own file holds a password."""
    path = write(folder, {"rounds": {"count": 2}})
    (folder / "planted_reader.py").write_text(
        "import pandas as pd\n"
        "def rows(password, place):\n"
        f"    assert password == '{PASSWORD}'\n"
        "    return pd.read_csv(place)\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(folder)
    x, y = table(32, seed=0)
    x[5] = CANARY, -CANARY
    csv = write_rows(path, LINES[0], x, y).rename(folder / "secret-place.csv")
    lines = csv.read_text("utf-8").splitlines()
    csv.write_text("\n".join([lines[0] + ",note", *(line + ",planted-note-77" for line in lines[1:])]), "utf-8")
    own = {"call": "planted_reader:rows", "arguments": {"password": PASSWORD, "place": str(csv)}}
    write_own(path, LINES[0], own)
    return Federation.load(path)


def test_nothing_of_a_row_or_of_a_departments_own_file_is_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = _planted(tmp_path / "files", monkeypatch)
    simulate(federation, out=tmp_path / "runs" / "run")
    prepared = read_own(federation, LINES[0]).prepared
    assert prepared is not None
    scaled = [float(v) for part in (prepared.train, prepared.test) for v in np.abs(part.x).max(axis=0)]
    assert max(scaled) > 3, "the planted row stands out"
    planted = [b"271.82", PASSWORD.encode(), b"planted-note-77", b"planted_reader", b"secret-place"]
    planted += [struct.pack(form, CANARY) for form in ("<d", "<f")]
    planted += [struct.pack("<f", sign * v) for v in scaled if v > 3 for sign in (1, -1)]
    files = [p for p in (tmp_path / "runs").rglob("*") if p.is_file()]
    assert len(files) > 8
    for file in files:
        content = file.read_bytes()
        for secret in planted:
            assert secret not in content, (file.name, secret)


def test_a_reader_that_quotes_a_row_does_not_get_it_into_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = _planted(tmp_path, monkeypatch)
    (tmp_path / "planted_reader.py").write_text("def rows(**given):\n    raise ValueError(given)\n", "utf-8")
    sys.modules.pop("planted_reader", None)
    with pytest.raises(LeptonError) as caught:
        simulate(federation, out=tmp_path / "run")
    assert PASSWORD not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.postgres
def test_a_run_is_kept_in_postgresql_and_the_password_stays_out_of_the_folder(tmp_path: Path) -> None:
    url = os.environ.get("LEPTON_TEST_POSTGRES")
    if not url:
        pytest.skip("LEPTON_TEST_POSTGRES names no server")
    federation = written(tmp_path, quick({}, 3))
    result = simulate(federation, out=tmp_path / "run", database=url)
    with RunStore(url) as store:
        assert repr(tuple(store.history(result.run))) == repr(result.history)
    longer = simulate(federation, resume=tmp_path / "run", rounds=5, database=url)
    assert repr(longer.history) == repr(simulate(federation, rounds=5).history)
    password = re.search(r"://[^:/@]*:([^@]+)@", url)
    for file in (p for p in (tmp_path / "run").rglob("*") if p.is_file()):
        assert url.encode() not in file.read_bytes()
        assert password is None or password[1].encode() not in file.read_bytes()


def test_departments_whose_names_make_bad_file_names_keep_apart(tmp_path: Path) -> None:
    names = ["con", "北 院", "南·院", "x.y", "%41", "..x", "ü", "研" * 40]
    departments = [{"name": name, "file": f"federation/{k}.toml"} for k, name in enumerate(names)]
    changes = quick({"departments": departments, "graph": []}, 1)
    changes["sharing"] = [{"what": "updates", "from": ["*"], "to": ["*"]}]
    path = write(tmp_path, changes)
    for k in range(len(names)):
        (tmp_path / "federation" / f"{k}.toml").write_text(f'[data]\npath = "{LINES[k % 2]}.csv"\n', "utf-8")
    result = simulate(path, out=tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run", writing=False)
    for name in names:
        assert folder.model(name).is_file()
        assert folder.card(name).is_file()
    assert len({folder.model(name).resolve() for name in names}) == len(names)
    assert set(result.models) == set(names)
