"""What a finished run tells its report and its model cards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_fed import Federation, simulate
from lepton_fed.outcome import keep
from lepton_fed.report import ReportContent
from lepton_fed.report.content import PLAIN
from lepton_fed.report.sums import how_summed
from lepton_fed.result import RunResult
from lepton_fed.secrecy import audit
from lepton_fed.settings import Rounds, Settings
from lepton_fed.storage import RunStore, sqlite_url
from tests.federations import COUPLINGS, FOUR, LINES, SECURE, TARGET, quick, table, tree, write, write_rows, written


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[ReportContent]:
    """What reports would have been written from."""
    contents: list[ReportContent] = []
    monkeypatch.setattr("lepton_fed.outcome.write_report", lambda folder, content: contents.append(content))
    return contents


def content(told: list[ReportContent], federation: Federation, tmp_path: Path, **options: Any) -> ReportContent:
    simulate(federation, out=tmp_path / f"run {len(told)}", **options)
    return told[-1]


def test_a_report_knows_the_weights_and_who_learnt_from_whom(told: list[ReportContent], tmp_path: Path) -> None:
    alpha = {LINES[0]: 3.0, LINES[1]: 1.0}
    changes = quick({"weights": {"alpha": alpha, "beta": {TARGET: 2.0}}, **COUPLINGS["ditto"]}, 2)
    found = content(told, written(tmp_path / "a", changes), tmp_path)
    (weights,) = found.alpha.values()
    assert weights == {LINES[0]: 0.75, LINES[1]: 0.25}
    assert found.beta == {LINES[0]: 1.0, LINES[1]: 1.0, TARGET: 2.0}
    assert set(found.edges) == {(i, j) for i in LINES for j in (*LINES, TARGET)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ReportContent:
    """What the report of a plain run would have been written from."""
    contents: list[ReportContent] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lepton_fed.outcome.write_report", lambda folder, content: contents.append(content))
        place = tmp_path_factory.mktemp("plain")
        return content(contents, written(place / "a", quick({}, 1)), place)


def test_counts_that_only_departments_know_are_not_told(plain: ReportContent) -> None:
    assert list(plain.alpha.values()) == [dict.fromkeys(LINES)]


def test_under_average_the_pull_is_infinite(plain: ReportContent) -> None:
    assert set(plain.beta.values()) == {math.inf}


def test_a_flow_that_a_policy_refuses_is_told_with_its_reason(told: list[ReportContent], tmp_path: Path) -> None:
    access = [
        {"what": "updates", "who": ["*"], "action": "train"},
        {"what": "updates", "who": [TARGET], "action": "train", "effect": "forbid", "owner": [LINES[0]]},
    ]
    found = content(told, written(tmp_path / "a", quick({"access": access}, 1)), tmp_path)
    assert [(d.source, d.target, d.what) for d in found.denied] == [(LINES[0], TARGET, "updates")]
    assert found.denied[0].reason
    assert {i for i, j in found.edges if j == TARGET} == {LINES[1]}


def test_a_model_says_how_much_of_it_is_shared(told: list[ReportContent], tmp_path: Path) -> None:
    model = {**tree()["model"], "private": ["head.*"]}
    found = content(told, written(tmp_path / "a", quick({"model": model}, 1)), tmp_path)
    assert {(m.shared, m.private) for m in found.models} == {(9, 4)}
    found = content(told, written(tmp_path / "b", quick(COUPLINGS["distill between two architectures"], 1)), tmp_path)
    assert [(m.shared, m.private) for m in found.models] == [(0, 13), (0, 3)]


def test_a_training_part_of_one_class_is_a_warning(told: list[ReportContent], tmp_path: Path) -> None:
    data = {**tree()["data"], "split": {"test": 0.25, "stratify": False}}
    path = write(tmp_path / "a", quick({"data": data}, 1))
    x, _ = table(32, seed=0)
    for row in range(32):
        y = np.zeros(32, int)
        y[row] = 1
        write_rows(path, LINES[0], x, y)
        found = content(told, Federation.load(path), tmp_path)
        if found.warnings:
            break
    assert found.warnings == (f"{LINES[0]}: its training part holds one class only; alone it could not learn",)


def test_a_refusal_is_a_warning_once(
    told: list[ReportContent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lepton_fed.department import Department
    from lepton_fed.messages import Refused, Work

    real = Department.handle

    def handle(self: Department, message: Any) -> Any:
        if self.name == LINES[0] and isinstance(message, Work) and message.write:
            return Refused("its machines are being mended")
        return real(self, message)

    monkeypatch.setattr(Department, "handle", handle)
    found = content(told, written(tmp_path / "a", quick({}, 3)), tmp_path)
    assert found.warnings == (f"{LINES[0]} took no part in a round: its machines are being mended",)


def test_the_command_of_a_report_asks_for_as_many_rounds(told: list[ReportContent], tmp_path: Path) -> None:
    federation = written(tmp_path / "a", quick({}, 9))
    found = content(told, federation, tmp_path, rounds=2)
    assert found.command == f"lepton-fed simulate {federation.path} --rounds 2"
    assert found.status == "finished"
    assert found.finished is not None
    assert found.finished >= found.started
    assert found.seconds is not None
    assert found.seconds > 0


def test_the_time_of_a_run_is_told_by_phase(told: list[ReportContent], tmp_path: Path) -> None:
    found = content(told, written(tmp_path / "a"), tmp_path)
    phases = {"loading data", "training", "evaluating", "aggregating", "checkpoints", "baselines"}
    assert found.timing.keys() == phases
    assert all(seconds >= 0 for seconds in found.timing.values())
    assert found.seconds is not None
    assert sum(found.timing.values()) <= found.seconds


def test_the_card_of_a_department_has_its_own_last_numbers(told: list[ReportContent], tmp_path: Path) -> None:
    result = simulate(written(tmp_path / "a"), out=tmp_path / "run")
    for name in LINES:
        card = (tmp_path / "run" / "models" / f"{name}.md").read_text("utf-8")
        assert repr(result.last("auc", name)) in card
        assert repr(result.last("loss", name)) in card
    other = (tmp_path / "run" / "models" / f"{TARGET}.md").read_text("utf-8")
    assert repr(result.last("loss", LINES[0])) not in other


# ---------------------------------------------------------------- how numbers were summed

SEALED = COUPLINGS["sealed sums with adam at the coordinator's place"]
NOISY = {
    **SECURE,
    "weights": {"alpha": "uniform"},
    "aggregation": {"noise": {"norm": 1.0, "multiplier": 4.0, "delta": 1e-6}},
}


def test_plain_sums_are_told_as_plain(plain: ReportContent) -> None:
    assert plain.sums == PLAIN


def test_secure_sums_are_told_with_what_the_audit_says(told: list[ReportContent], tmp_path: Path) -> None:
    federation = written(tmp_path / "a", quick(SECURE, 2))
    sums, audited = content(told, federation, tmp_path).sums, audit(federation.settings)
    assert sums.secure
    assert not sums.sealed
    assert sums.modes == {"updates": "atom", "measurements": "atom"}
    assert sums.said == audited.sentences
    assert (sums.members, sums.colluders, sums.crowd, sums.fewest, sums.counts) == (4, 1, 2, 3, (8, 24))
    assert sums.epsilon is None


def test_an_epsilon_is_of_the_rounds_that_were_played(told: list[ReportContent], tmp_path: Path) -> None:
    federation = written(tmp_path / "a", quick(NOISY, 50))
    sums = content(told, federation, tmp_path, rounds=3).sums
    played = replace(federation.settings, rounds=Rounds(count=3))
    parameters = 13
    assert sums.rounds == 3
    assert sums.epsilon == pytest.approx(audit(played, parameters).epsilon)
    assert (sums.epsilon, sums.delta) == privacy_of(played, parameters, 3)
    assert (sums.epsilon, sums.delta) != privacy_of(played, 1, 3)


def privacy_of(settings: Settings, length: int, rounds: int) -> tuple[float | None, float | None]:
    found = how_summed(settings, length, rounds)
    return found.epsilon, found.delta


def test_sealed_sums_are_told_with_those_who_could_open_them(told: list[ReportContent], tmp_path: Path) -> None:
    sums = content(told, written(tmp_path / "a", quick(SEALED, 2)), tmp_path).sums
    assert sums.sealed
    assert set(sums.recipients) == {*FOUR, TARGET}


def test_what_is_written_of_a_sealed_run_needs_nothing_of_the_coordinators_hubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Untouched(Mapping[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise AssertionError("the coordinator holds no trained model")

        __iter__ = __len__ = __getitem__  # type: ignore[assignment]

    def kept(result: RunResult, *rest: Any) -> None:
        keep(replace(result, state=replace(result.state, hubs=Untouched())), *rest)

    monkeypatch.setattr("lepton_fed.outcome.keep", kept)
    simulate(written(tmp_path / "a", quick(SEALED, 2)), out=tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    assert len(list((tmp_path / "run" / "models").glob("*.safetensors"))) == 5


def test_models_of_a_sealed_run_are_the_departments_own(told: list[ReportContent], tmp_path: Path) -> None:
    result = simulate(written(tmp_path / "a", quick(SEALED, 2)))
    (hub,) = result.state.hubs.values()
    shared = np.concatenate([t.numpy().ravel() for t in result.models[TARGET].values()])
    assert shared.shape == hub.state.model.shape
    assert not np.allclose(np.sort(shared), np.sort(hub.state.model))


@pytest.fixture(scope="module", params=[({}, "Plain sums"), (SECURE, "Secure sums"), (SEALED, "Sealed sums")])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run with all that is written, and what is said of its sums."""
    changes, said = request.param
    folder = tmp_path_factory.mktemp("kept")
    simulate(written(folder / "a", quick(changes, 1)), out=folder / "runs" / "first")
    return folder / "runs" / "first", said


def test_the_database_and_the_folder_say_how_sums_were_made(kept: tuple[Path, str]) -> None:
    folder, said = kept
    with RunStore(sqlite_url(folder.parent / "lepton-fed.sqlite")) as store:
        (run,) = store.runs()
    stored = Federation.parse(run.federation_toml, folder.parent / "federation.toml")
    secure = said != "Plain sums"
    assert stored.settings.aggregation.secure is secure
    assert f"secure = {str(secure).lower()}" in run.federation_toml
    assert (folder / "federation.toml").read_text("utf-8") == run.federation_toml


def test_cards_and_the_page_say_how_sums_were_made(kept: tuple[Path, str]) -> None:
    folder, said = kept
    assert said in (folder / "report.html").read_text("utf-8")
    assert said in (folder / "models" / f"{TARGET}.md").read_text("utf-8")
