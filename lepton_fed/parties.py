"""Throw-away keys for a federation in one process: a simulation's secure sums are real, its identities are not.

Identities, masks and seals come from the operating system. Only the key for rounding coins comes from the
federation's seed, so that runs can be repeated bit for bit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from lepton_fed.secagg.client import Party
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.ledger import MemoryLedger
from lepton_fed.secagg.review import Terms
from lepton_fed.seeds import derive
from lepton_fed.settings import Settings
from lepton_fed.sums import enrolled, roster_of


def throw_away(settings: Settings, terms: Mapping[str, Terms] | None = None) -> dict[str, Party]:
    """A party with fresh keys for every department that has a role; `terms` by department, from their own files."""
    identities = {name: Identity.generate(name, os.urandom) for name in enrolled(settings)}
    roster = roster_of(settings, {name: one.public for name, one in identities.items()})
    chosen = terms or {}
    return {
        name: Party(
            identity,
            roster,
            chosen.get(name, Terms()),
            MemoryLedger(roster.federation),
            rounding_key(settings.federation.seed, name),
        )
        for name, identity in identities.items()
    }


def rounding_key(seed: int, department: str) -> bytes:
    """32 bytes for one department's rounding coins under one seed. Not a secret: it protects nothing here."""
    return hashlib.sha256(b"rounding %d" % derive(seed, "rounding", department)).digest()
