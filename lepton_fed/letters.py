"""What a department says to others, from its own file: tables that it shares and wants, what both may know of both.

letters_of(federation, own file, identity, roster, consent, base, state) -> Letters(giver, reader, common ground)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lepton_fed.common_ground import CommonGround
from lepton_fed.config import Federation
from lepton_fed.consent import Consent
from lepton_fed.data import DepartmentFile
from lepton_fed.data.shared_tables import SharedTables, write_table
from lepton_fed.reads import Giver, Reader, Wanted
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import Roster
from lepton_fed.storage.file_names import file_name
from lepton_fed.storage.read_log import ReadLogFile

LOG, MASK_KEY = "{}.reads.jsonl", "{}.mask.key"
"""By the department's name: on one machine, several may keep theirs in one folder."""


@dataclass(frozen=True)
class Letters:
    """What a department reads of others, gives them to read, finds out with them; nothing, where it has no keys."""

    giver: Giver | None = None
    reader: Reader | None = None
    common_ground: CommonGround | None = None


NO_LETTERS = Letters()


def letters_of(
    federation: Federation,
    file: DepartmentFile,
    identity: Identity,
    roster: Roster,
    consent: Consent,
    *,
    base: Path,
    state: Path,
    keep: Callable[[Wanted, bytes], None] | None = None,
    wanted: tuple[Wanted, ...] | None = None,
    meets: bool = True,
) -> Letters:
    """Of one department, whose policies `consent` asks. `base`: what its file's paths are relative to; `state`: where
    log and masking key are kept. `keep` and `wanted`: in the place of what its own file says. `meets`:
    whether it also finds out with others what both know.
    """
    name = file_name(identity.name)
    log = ReadLogFile(state / LOG.format(name))
    shelf = SharedTables(file.shared, base, state / MASK_KEY.format(name), identity.name)
    giver = Giver(identity, roster, consent, federation.settings.sharing, shelf, log, os.urandom)
    purpose = federation.settings.federation.purpose
    wishes = tuple(Wanted(one.from_, what, one.purpose or purpose) for what, one in file.reads.items())
    return Letters(
        giver,
        Reader(
            identity,
            roster,
            log,
            os.urandom,
            wishes if wanted is None else wanted,
            partial(_kept, file, base, identity.name) if keep is None else keep,
        ),
        _ground(file, identity, roster, consent, base) if meets else None,
    )


def _ground(
    file: DepartmentFile, identity: Identity, roster: Roster, consent: Consent, base: Path
) -> CommonGround | None:
    if file.common_ground is None:
        return None
    from lepton_fed.knowledge.grounds import ground_of

    return ground_of(file.common_ground, identity, roster, consent, base)


def _kept(file: DepartmentFile, base: Path, name: str, wanted: Wanted, table: bytes) -> None:
    """Writes a table where the department's own file says."""
    write_table(base / Path(file.reads[wanted.what].to).expanduser(), table, name)
