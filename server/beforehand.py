"""What is done once before the first round, without which a run goes on: what would be refused, errands, statistics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lepton_fed import statistics_file
from lepton_fed.config import Federation
from lepton_fed.consultation import consult
from lepton_fed.coordinator import State
from lepton_fed.errands import run_errands
from lepton_fed.errors import RoundError
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.policy import action
from lepton_fed.secure import ATTEMPTS
from lepton_fed.settings import Settings
from lepton_fed.statistics import Findings, Survey
from lepton_fed.survey_flow import count
from lepton_fed.transport import drive

from .run_account import RunAccount


def ask_ahead(settings: Settings, state: State, transport: LinkTransport, account: RunAccount) -> None:
    """Says which departments would refuse to train now; they may think otherwise by the time they are asked."""
    for sentence in drive(consult(settings, state), transport):
        account.watcher.said(sentence)
        account.warnings[sentence] = None


def carry_errands(settings: Settings, transport: LinkTransport, account: RunAccount) -> None:
    """Carries what departments want of each other."""
    if not any(action(grant.action) in ("read", "publish") for grant in settings.access):
        return
    done = drive(run_errands(sorted(transport.nodes)), transport)
    for errand in done.all:
        if errand.reason:
            account.warn(str(errand))
        else:
            account.watcher.said(str(errand))


def counted(
    federation: Federation,
    state: State,
    folder: Path,
    transport: LinkTransport,
    account: RunAccount,
    gather: Callable[[tuple[str, ...], int], None],
) -> Findings | None:
    """Statistics, kept in the run's folder; None where there are none. `gather`: waits for these, at least so many.

    A coordinator that was killed meanwhile asks again, in a further attempt; departments whose numbers were out
    answer no second time.
    """
    assert state.roster is not None
    survey = Survey(federation.settings, federation.fingerprint)
    try:
        gather(survey.willing, min(len(survey.willing), 1))
        first = statistics_file.tried(folder) * ATTEMPTS
        _, findings = drive(count(survey, state.roster, state.threads, first), transport)
    except RoundError as error:
        account.warn(str(error))
        return None
    statistics_file.write(folder, findings)
    account.watcher.said(f"counted over the rows of {len(findings.departments)} departments")
    return findings
