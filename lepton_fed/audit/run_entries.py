"""Entries of a run: how it begins and ends, and what a round's account of its sums comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lepton_fed.accounts import Account
from lepton_fed.audit.commitments import Openings
from lepton_fed.audit.entries import NO_PLAN, Digests, Entry, Planned, Released, RunBegun, RunEnded, Survived, shortened


@dataclass(frozen=True)
class Beginning:
    """What a run begins with. `code`, `contracts`, `policies`: digests as in `RunBegun`."""

    federation: str
    fingerprint: bytes
    purpose: str
    departments: tuple[str, ...]
    serial: int = 0
    code: Digests = ()
    contracts: Digests = ()
    policies: Digests = ()

    def entry(self, time: int, run: str) -> RunBegun:
        return RunBegun(
            time=time,
            run=run,
            federation=shortened(self.federation),
            fingerprint=self.fingerprint,
            purpose=shortened(self.purpose),
            serial=self.serial,
            departments=self.departments,
            code=self.code,
            contracts=self.contracts,
            policies=self.policies,
        )


def ended(time: int, run: str, status: str, rounds: int, reason: str, openings: Openings) -> RunEnded:
    """A run's end; the reason is committed to, since it may quote what somebody wrote."""
    return RunEnded(time, run, status, rounds, openings.commit(reason))


def summed(account: Account, time: int, run: str) -> Iterator[Entry]:
    """What one attempt at a round's sums came to."""
    number, attempt, plan = account.round, account.attempt, account.plan
    if plan is not None:
        yield Planned(time, run, number, attempt, plan.digest, plan.roster, plan.models, plan.members, plan.threshold)
        if account.survivors:
            yield Survived(time, run, number, attempt, plan.digest, account.survivors, account.signed)
    by = plan.digest if plan is not None else NO_PLAN
    for one in account.released:
        yield Released(time, run, number, attempt, by, one.group, one.cohort, one.departments, one.result)
