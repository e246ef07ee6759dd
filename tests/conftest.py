"""One thread a test process, so that suites run side by side and sums have one order; no test fails for its time.

What gives one answer however often it is asked is worked out once in a process: the tables of a new database, the
commands of the program.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator

import pytest
import torch
import typer.main
from hypothesis import HealthCheck, settings

from lepton_fed.storage import schema
from tests import prepared_schema

torch.set_num_threads(1)

# Typer makes all commands anew, in a tenth of a second, whenever one is called; a program calls one.
typer.main.get_command = functools.cache(typer.main.get_command)

# How long an example takes says how busy the machine is. Timings are measured in benchmarks/.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100)
# Mistakes show within a few examples or, in every other run, within thousands. `make test-all` asks thoroughly.
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=25)
settings.load_profile("quick")

# What is imported and collected stays until the end: looking through it for garbage takes a quarter of collecting.
gc.disable()

# Looking for garbage after each 700 new objects takes a twentieth of all tests' time; 20,000 are a few megabytes.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def new_databases_are_copies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(schema, "_upgrade", prepared_schema.copied)
        yield


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """New databases of this test are made by the migrations."""
    monkeypatch.setattr(schema, "_upgrade", prepared_schema.by_migrations)
