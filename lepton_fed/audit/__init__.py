"""A log that nobody can edit unnoticed: a Merkle tree of what was decided, whose heads the departments keep, too.

    append(connection, log, entries) ──► entry 0 1 2 ...   in the caller's transaction: both or neither
    seal(connection, log, identity) ──► SignedHead ──► Witness at each department ──► CounterSignature
    export_log ──► JSON lines ──► verify(keys) ──► Verdict     offline
    records ──► prove(model's digest) ──► Provenance: who, which code, contracts, policies, how much ε

Who writes: the coordinator, wherever it commits what an entry is about (a round in `storage.store`, a decision, a step
of a pipeline), and `Department.handle` through its replies. Who countersigns: a department's resident process, when
the coordinator shows it a head. Who reads: `lepton-fed audit verify` and `lepton-fed audit prove`.

Every name is imported when it is first used, so that a tree is checked without a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lepton_fed.audit.commitments import Commitment, Opening, Openings
    from lepton_fed.audit.entries import (
        Called,
        Decided,
        Delivered,
        Entry,
        KnowledgeRevised,
        MatchDecided,
        MembershipTaken,
        ModelMade,
        Planned,
        Released,
        RunBegun,
        RunEnded,
        Spent,
        StepMoved,
        Survived,
        moment,
    )
    from lepton_fed.audit.errors import Inconsistent, Tampered, Unproven
    from lepton_fed.audit.export import export_log, read_export
    from lepton_fed.audit.head_file import HeadFile
    from lepton_fed.audit.heads import CounterSignature, Head, Keys, SignedHead
    from lepton_fed.audit.log import append, consistency, countersigned, erase, inclusion, last_head, openings, seal
    from lepton_fed.audit.merkle import check_consistency, check_inclusion, leaf_hash
    from lepton_fed.audit.provenance import Provenance, prove
    from lepton_fed.audit.record import Record, Sealed, Written
    from lepton_fed.audit.stored import written
    from lepton_fed.audit.verification import Finding, Verdict, verify, verify_written
    from lepton_fed.audit.witness import KeptHead, MemoryHead, Witness

_HOMES = {
    "Called": "entries",
    "Commitment": "commitments",
    "CounterSignature": "heads",
    "Decided": "entries",
    "Delivered": "entries",
    "Entry": "entries",
    "Finding": "verification",
    "Head": "heads",
    "HeadFile": "head_file",
    "Inconsistent": "errors",
    "KeptHead": "witness",
    "Keys": "heads",
    "KnowledgeRevised": "entries",
    "MatchDecided": "entries",
    "MembershipTaken": "entries",
    "MemoryHead": "witness",
    "ModelMade": "entries",
    "Opening": "commitments",
    "Openings": "commitments",
    "Planned": "entries",
    "Provenance": "provenance",
    "Record": "record",
    "Released": "entries",
    "RunBegun": "entries",
    "RunEnded": "entries",
    "Sealed": "record",
    "SignedHead": "heads",
    "Spent": "entries",
    "StepMoved": "entries",
    "Survived": "entries",
    "Tampered": "errors",
    "Unproven": "errors",
    "Verdict": "verification",
    "Witness": "witness",
    "Written": "record",
    "append": "log",
    "check_consistency": "merkle",
    "check_inclusion": "merkle",
    "consistency": "log",
    "countersigned": "log",
    "erase": "log",
    "export_log": "export",
    "inclusion": "log",
    "last_head": "log",
    "leaf_hash": "merkle",
    "moment": "entries",
    "openings": "log",
    "prove": "provenance",
    "read_export": "export",
    "seal": "log",
    "verify": "verification",
    "verify_written": "verification",
    "written": "stored",
}

__all__ = [
    "Called",
    "Commitment",
    "CounterSignature",
    "Decided",
    "Delivered",
    "Entry",
    "Finding",
    "Head",
    "HeadFile",
    "Inconsistent",
    "KeptHead",
    "Keys",
    "KnowledgeRevised",
    "MatchDecided",
    "MembershipTaken",
    "MemoryHead",
    "ModelMade",
    "Opening",
    "Openings",
    "Planned",
    "Provenance",
    "Record",
    "Released",
    "RunBegun",
    "RunEnded",
    "Sealed",
    "SignedHead",
    "Spent",
    "StepMoved",
    "Survived",
    "Tampered",
    "Unproven",
    "Verdict",
    "Witness",
    "Written",
    "append",
    "check_consistency",
    "check_inclusion",
    "consistency",
    "countersigned",
    "erase",
    "export_log",
    "inclusion",
    "last_head",
    "leaf_hash",
    "moment",
    "openings",
    "prove",
    "read_export",
    "seal",
    "verify",
    "verify_written",
    "written",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
