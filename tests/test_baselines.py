"""Baselines that are honest: as many updates, tuned on rows of their own, blind to the test part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lepton_fed import baselines
from lepton_fed.assembly import read_own
from lepton_fed.bench import Bench, bench
from lepton_fed.config import Federation
from lepton_fed.data import Part, Prepared, Scaling
from lepton_fed.settings import Settings
from tests.federations import LINES, table, tree, write, write_rows, written


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return written(tmp_path, {"rounds": {"count": 6}}, rows=60)


@pytest.fixture
def settings(federation: Federation) -> Settings:
    return federation.settings


@pytest.fixture
def prepared(federation: Federation) -> Prepared:
    found = read_own(federation, LINES[0]).prepared
    assert found is not None
    return found


@pytest.fixture
def workbench(settings: Settings) -> Bench:
    return bench(settings)


class Counted:
    """How many batches, and which rows, each training took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[int] = []
        self.rows: list[set[tuple[float, ...]]] = []
        real = baselines.descend

        def descend(model: Any, loss: Any, optimiser: Any, batches: Any, **rest: Any) -> int:
            self.steps.append(0)
            self.rows.append(set())

            def counted() -> Iterator[Any]:
                for x, y in batches:
                    self.steps[-1] += 1
                    self.rows[-1] |= {tuple(row) for row in x.tolist()}
                    yield x, y

            return real(model, loss, optimiser, counted(), **rest)

        monkeypatch.setattr(baselines, "descend", descend)


def with_report(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, report=replace(settings.report, **changes))


def same_rows(part: Part) -> set[tuple[float, ...]]:
    return {tuple(row) for row in part.x.tolist()}


def test_alone_makes_no_more_updates_than_the_federation_asks_of_a_department(
    settings: Settings, workbench: Bench, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    baselines.alone(with_report(settings, alone_learning_rates=(0.1, 1.0)), workbench, LINES[0], prepared)
    assert settings.training.steps is not None
    most = settings.rounds.count * settings.training.steps
    assert len(counted.steps) == 3
    assert counted.steps[:2] == [most, most]
    assert 0 < counted.steps[2] <= most
    assert counted.steps[2] % settings.training.steps == 0


def test_alone_never_sees_the_test_part(settings: Settings, workbench: Bench, prepared: Prepared) -> None:
    clean = baselines.alone(settings, workbench, LINES[0], prepared)
    poison = Part(np.full_like(prepared.test.x, np.nan), 1 - prepared.test.y)
    poisoned = baselines.alone(settings, workbench, LINES[0], replace(prepared, test=poison))
    assert torch.equal(clean, poisoned)
    assert torch.isfinite(poisoned).all()


def test_alone_is_trained_anew_on_all_its_training_rows_and_chosen_on_a_part_of_them(
    settings: Settings, workbench: Bench, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    long = replace(settings, training=replace(settings.training, steps=10))
    baselines.alone(long, workbench, LINES[0], prepared)
    fitted, whole = counted.rows
    assert fitted < same_rows(prepared.train)
    assert len(fitted) == round(0.8 * len(prepared.train))
    assert whole <= same_rows(prepared.train)


def test_the_validation_part_chooses_where_there_is_one(
    settings: Settings, workbench: Bench, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    scored: list[int] = []
    real = baselines.score
    monkeypatch.setattr(baselines, "score", lambda s, b, part: scored.append(len(part)) or real(s, b, part))
    validation = Part(prepared.train.x[:7], prepared.train.y[:7])
    train = Part(prepared.train.x[7:], prepared.train.y[7:])
    baselines.alone(settings, workbench, LINES[0], replace(prepared, train=train, validation=validation))
    assert set(scored) == {7}
    assert all(rows <= same_rows(train) for rows in counted.rows)


def test_the_rows_held_out_are_a_stratified_fifth(settings: Settings) -> None:
    y = np.array([1.0] * 10 + [0.0] * 90, dtype=np.float32)
    x = np.arange(200, dtype=np.float32).reshape(100, 2)
    for k in range(6):
        fit, held = baselines._hold_out(settings, Part(x, y), f"somebody {k}")
        assert (len(fit), len(held)) == (80, 20)
        assert (fit.y.sum(), held.y.sum()) == (8, 2)
        assert same_rows(fit) | same_rows(held) == same_rows(Part(x, y))
    fit, _ = baselines._hold_out(settings, Part(x, y), "somebody")
    again, _ = baselines._hold_out(settings, Part(x, y), "somebody")
    other, _ = baselines._hold_out(settings, Part(x, y), "somebody else")
    assert np.array_equal(fit.x, again.x)
    assert not np.array_equal(fit.x, other.x)


def test_where_there_are_too_few_rows_to_hold_any_out_all_of_them_choose(settings: Settings) -> None:
    few = Part(np.zeros((9, 2), np.float32), np.zeros(9, np.float32))
    assert baselines._hold_out(settings, few, "x") == (few, few)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_learning_rate_is_the_one_that_is_best_on_the_held_out_rows(
    settings: Settings, workbench: Bench, prepared: Prepared, flipped: bool
) -> None:
    """Held-out labels upside down: whoever learns nothing does best, so the tiny rate must win."""
    y = 1 - prepared.train.y if flipped else prepared.train.y
    judged = replace(prepared, validation=Part(prepared.train.x, y))
    by_loss = with_report(settings, metrics=("loss",), alone_learning_rates=(1e-6, 0.5))
    vector = baselines.alone(by_loss, workbench, LINES[0], judged)
    initial = workbench.model.initial
    assert torch.allclose(vector, initial, atol=1e-4) == flipped


def test_a_metric_that_does_not_exist_on_the_held_out_rows_gives_way_to_the_loss(
    settings: Settings, workbench: Bench, prepared: Prepared
) -> None:
    one_class = prepared.train.y == 1
    judged = replace(prepared, validation=Part(prepared.train.x[one_class], prepared.train.y[one_class]))
    first = with_report(settings, metrics=("auc",), alone_learning_rates=(1e-6, 0.5))
    by_loss = with_report(settings, metrics=("loss",), alone_learning_rates=(1e-6, 0.5))
    assert torch.equal(
        baselines.alone(first, workbench, LINES[0], judged), baselines.alone(by_loss, workbench, LINES[0], judged)
    )


def test_what_was_on_the_bench_before_plays_no_part(settings: Settings, workbench: Bench, prepared: Prepared) -> None:
    first = baselines.alone(settings, workbench, LINES[0], prepared)
    workbench.model.vector.fill_(5.0)
    assert torch.equal(baselines.alone(settings, workbench, LINES[0], prepared), first)


def test_stopping_early_gives_the_model_of_the_best_round(settings: Settings, prepared: Prepared) -> None:
    """The best round on the held-out rows, recomputed by training to each round from the start."""
    workbench = bench(settings)
    judged = replace(prepared, validation=prepared.test)
    chosen = baselines.alone(settings, workbench, LINES[0], judged)
    best, found = -np.inf, None
    rate = settings.training.optimiser.learning_rate
    for rounds in range(1, settings.rounds.count + 1):
        vector = baselines._fit(settings, workbench, f"alone {LINES[0]}", rate, rounds, prepared.train)
        value = baselines.score(settings, workbench, prepared.test)["auc"]
        if value > best:
            best, found = value, vector
    assert found is not None
    assert torch.equal(chosen, found)


def test_who_only_gets_worse_stops_after_the_first_round(
    settings: Settings, workbench: Bench, prepared: Prepared
) -> None:
    upside_down = replace(prepared, validation=Part(prepared.train.x, 1 - prepared.train.y))
    by_loss = with_report(settings, metrics=("loss",))
    chosen = baselines.alone(by_loss, workbench, LINES[0], upside_down)
    rate = settings.training.optimiser.learning_rate
    first = baselines._fit(by_loss, workbench, f"alone {LINES[0]}", rate, 1, prepared.train)
    assert torch.equal(chosen, first)


# ---------------------------------------------------------------- pooled


def everybody(federation: Federation) -> dict[str, Prepared]:
    owns = {name: read_own(federation, name).prepared for name in LINES}
    return {name: prepared for name, prepared in owns.items() if prepared is not None}


class Tuned:
    """Takes what pooled training would be given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(baselines, "_tuned", self)

    def __call__(self, settings: Settings, bench: Bench, name: str, train: Part, validation: Part) -> torch.Tensor:
        self.settings, self.train, self.validation = settings, train, validation
        return bench.model.vector


def standardised(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    mean, std = train.mean(axis=0), train.std(axis=0, ddof=1) + 1e-9
    return [(x - mean) / std for x in (train, *others)]


def test_pooled_rows_are_scaled_as_one_data_set_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"data": {**tree()["data"], "split": {"test": 0.25, "validation": 0.2}}})
    for k, name in enumerate(LINES):
        x, y = table(40, seed=k)
        # Scales that differ a lot: scaling each department by itself would hide that.
        write_rows(path, name, np.round(x * 10.0**k + 300 * k, 6), y)
    scaled = Federation.load(path)
    raw_file = write(tmp_path / "raw", {"data": {**scaled_data(scaled), "scale": "none"}})
    for name in LINES:
        rows = (tmp_path / "federation" / f"{name}.csv").read_text("utf-8")
        (tmp_path / "raw" / "federation" / f"{name}.csv").write_text(rows, "utf-8")
    raw = everybody(Federation.load(raw_file))
    parts = [np.concatenate([getattr(p, part).x for p in raw.values()]) for part in ("train", "validation")]
    train, validation, *tests = standardised(
        *(p.astype(np.float64) for p in parts), *(p.test.x.astype(np.float64) for p in raw.values())
    )
    tuned = Tuned(monkeypatch)
    _, found = baselines.pooled(scaled.settings, bench(scaled.settings), everybody(scaled))
    np.testing.assert_allclose(tuned.train.x, train, atol=2e-5)
    np.testing.assert_allclose(tuned.validation.x, validation, atol=2e-5)
    for name, test in zip(raw, tests, strict=True):
        np.testing.assert_allclose(found[name].x, test, atol=2e-5)
        assert np.array_equal(found[name].y, raw[name].test.y)
    assert np.array_equal(tuned.train.y, np.concatenate([p.train.y for p in raw.values()]))


def scaled_data(federation: Federation) -> dict[str, Any]:
    split = federation.settings.data.split
    return {**tree()["data"], "split": {"test": split.test, "validation": split.validation}}


def test_a_column_that_is_constant_in_the_pool_is_only_centred(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {}
    for name, prepared in everybody(federation).items():
        constant = Scaling(np.array([300.15, 0.0], np.float32), np.array([1.0, 1.0], np.float32))
        parts = {}
        for part in ("train", "validation", "test"):
            x = getattr(prepared, part).x.copy()
            x[:, 0] = 0.0
            parts[part] = Part(x, getattr(prepared, part).y)
        rows[name] = replace(prepared, scaling=constant, **parts)
    tuned = Tuned(monkeypatch)
    baselines.pooled(federation.settings, bench(federation.settings), rows)
    assert np.abs(tuned.train.x[:, 0]).max() < 1e-6


def test_pooled_training_makes_as_many_updates_as_all_departments_together(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(monkeypatch)
    baselines.pooled(federation.settings, bench(federation.settings), everybody(federation))
    assert tuned.settings.training.steps == 2 * len(LINES)
    by_epoch = replace(federation.settings.training, steps=None, epochs=2)
    baselines.pooled(replace(federation.settings, training=by_epoch), bench(federation.settings), everybody(federation))
    # An epoch over everybody's rows is an epoch of each.
    assert (tuned.settings.training.steps, tuned.settings.training.epochs) == (None, 2)


def test_pooled_training_never_sees_a_test_part(federation: Federation) -> None:
    workbench, rows = bench(federation.settings), everybody(federation)
    clean, _ = baselines.pooled(federation.settings, workbench, rows)
    for name, prepared in rows.items():
        rows[name] = replace(prepared, test=Part(np.full_like(prepared.test.x, np.nan), 1 - prepared.test.y))
    poisoned, _ = baselines.pooled(federation.settings, workbench, rows)
    assert torch.equal(clean, poisoned)


def test_pooled_pictures_are_scaled_by_one_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = {
        "label": {"column": "y", "meaning": "kind", "classes": ["0", "1"]},
        "array": {"shape": [1, 2, 2]},
        "split": {"test": 0.25},
    }
    path = write(tmp_path, {"data": data})
    draw = np.random.default_rng(5)
    raw = {}
    for k, name in enumerate(LINES):
        raw[name] = draw.normal(5 * k, 1 + k, size=(24, 1, 2, 2)).astype(np.float32)
        np.savez(tmp_path / "federation" / f"{name}.npz", x=raw[name], y=np.arange(24) % 2)
        (tmp_path / "federation" / f"{name}.toml").write_text(f'[data]\npath = "{name}.npz"\n', "utf-8")
    federation = Federation.load(path)
    rows = everybody(federation)
    tuned = Tuned(monkeypatch)
    baselines.pooled(federation.settings, bench(federation.settings), rows)
    back = np.concatenate([p.scaling.undo(p.train.x) for p in rows.values()])
    expected = (back - back.mean()) / (back.std(ddof=1) + 1e-9)
    np.testing.assert_allclose(tuned.train.x, expected, atol=1e-5)
