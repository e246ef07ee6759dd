"""What guards a department's rows, from its own file: the ledger of its privacy budget, who answers for statistics.

safeguards.of(federation, name, own file, rows) -> Safeguards(purse, respondent)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_fed.config import Federation
from lepton_fed.consent import Consent
from lepton_fed.data import DepartmentFile, Prepared
from lepton_fed.privacy import Limit, Purse
from lepton_fed.statistics import RawRows, Respondent, Survey

LEDGER = "privacy.sqlite"
"""The privacy ledger's name, where the department's own file gives none."""


@dataclass(frozen=True)
class Safeguards:
    """What a department asks before anything about its rows leaves."""

    purse: Purse | None
    respondent: Respondent | None


def of(
    federation: Federation,
    name: str,
    file: DepartmentFile,
    prepared: Prepared | None,
    base: Path,
    state: Path | None,
    consent: Consent,
) -> Safeguards:
    """A department's safeguards. `base`: what its file's paths are relative to; `state`: what lasts is kept there.

    StorageError where its ledger cannot be used.
    """
    return Safeguards(purse_of(name, file, base, state), respondent_of(federation, file, prepared, consent))


def ledger_path(file: DepartmentFile, base: Path, state: Path | None) -> Path | None:
    """Where the privacy ledger is; None where the file keeps no budget."""
    if file.privacy is None:
        return None
    if file.privacy.ledger is not None:
        return base / Path(file.privacy.ledger).expanduser()
    return (state if state is not None else base) / LEDGER


def purse_of(name: str, file: DepartmentFile, base: Path, state: Path | None) -> Purse | None:
    """The account of the department's rows; None where the file keeps no budget."""
    path, said = ledger_path(file, base, state), file.privacy
    if path is None or said is None:
        return None
    from lepton_fed.storage.privacy_file import PrivacyFile

    return Purse(PrivacyFile(path), said.data_set or name, Limit(said.budget, said.delta))


def respondent_of(
    federation: Federation, file: DepartmentFile, prepared: Prepared | None, consent: Consent
) -> Respondent | None:
    """Who answers for the department's rows; None where the file asks for no statistics, or it has no rows."""
    if federation.settings.statistics is None or prepared is None or prepared.checked is None:
        return None
    checked = prepared.checked
    classes = checked.y if checked.y is not None and federation.settings.data.label.classes else None
    rows = RawRows(checked.columns, None if classes is None else classes.astype(np.int64), checked.rows)
    survey = Survey(federation.settings, federation.fingerprint)
    return Respondent(consent, survey, rows, file.terms.minimum_cell)
