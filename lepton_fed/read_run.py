"""A read on one machine: both departments from their files, with keys of a moment, and what a coordinator carries."""

from __future__ import annotations

import os
from pathlib import Path

from lepton_fed.assembly import build_department, read_own
from lepton_fed.config import Federation
from lepton_fed.data.shared_tables import write_table
from lepton_fed.department import Department
from lepton_fed.errands import Errand, run_errands
from lepton_fed.errors import ConfigError, PolicyError
from lepton_fed.letters import letters_of
from lepton_fed.own_policies import guard_of
from lepton_fed.reads import Wanted
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.transport import InProcess, drive


def read(
    federation: Federation, what: str, *, reader: str, owner: str, out: Path, purpose: str | None = None
) -> Errand:
    """Writes `owner`'s table to `out`, as `reader` gets it; PolicyError where it is refused."""
    for name in (reader, owner):
        federation.department_file(name)  # Complains about a name that is no department's.
    if reader == owner:
        raise ConfigError("a department reads its own tables without asking; name another owner")
    if out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"{out}: a table is written as .parquet or .csv")
    identities = {name: Identity.generate(name, os.urandom) for name in (reader, owner)}
    name = federation.settings.federation.name[:100].strip()
    roster = Roster.of(name, {one: identity.public for one, identity in identities.items()}, 0)
    wanted = (Wanted(owner, what, purpose or federation.settings.federation.purpose),)

    def department(one: str, wishes: tuple[Wanted, ...]) -> Department:
        own = read_own(federation, one)
        guard = guard_of(federation, one, own.policies, code=own.file.code)
        letters = letters_of(
            federation,
            own.file,
            identities[one],
            roster,
            guard,
            base=own.base,
            state=own.base,
            keep=lambda _, table: write_table(out, table, one),
            wanted=wishes,
            meets=False,
        )
        return build_department(federation, one, own=own, guard=guard, letters=letters)

    places = {owner: department(owner, ()), reader: department(reader, wanted)}
    (errand,) = drive(run_errands((reader, owner)), InProcess(places)).reads
    if errand.reason:
        raise PolicyError(errand.owner, errand.reason.removeprefix(f"{errand.owner}: "))
    return errand
