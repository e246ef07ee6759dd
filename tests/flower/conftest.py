"""What the tests of the Flower parts need around them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lepton_fed.flower import apps
from tests.flower.grid_double import identity


@pytest.fixture(autouse=True)
def written_as_the_coordinator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Messages may be written here, no test finds the departments of another, one thread works."""
    monkeypatch.setattr(apps, "_built", {})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with identity():
        yield
    torch.set_num_threads(threads)
