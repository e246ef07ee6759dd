"""Statistics of a federation on one machine: departments from their files, one secure sum, no training."""

from __future__ import annotations

from lepton_fed.assembly import build_departments, read_file, read_own, throw_away_parties
from lepton_fed.config import Federation
from lepton_fed.statistics import Findings, Survey
from lepton_fed.survey_flow import count
from lepton_fed.transport import InProcess, drive


def survey(federation: Federation) -> Findings:
    """What the federation file asks for, over all departments' rows; LeptonError where it cannot be had."""
    asked = Survey(federation.settings, federation.fingerprint)
    files = {name: read_file(federation, name) for name in federation.settings.names}
    parties = throw_away_parties(federation, files)
    owns = {name: read_own(federation, name, file) for name, file in files.items()}
    departments = build_departments(federation, owns, parties)
    roster = next(iter(parties.values())).roster
    return drive(count(asked, roster), InProcess(departments))[1]
