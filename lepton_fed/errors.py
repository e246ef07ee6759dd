"""Everything lepton-fed raises on purpose, split by who can do something about it.

    LeptonError
    ├── ConfigError      you: the federation file, a department's file, an option
    ├── DataError        you: rows that break the data contract, an unreachable source
    │   └── ContractError    names the department and the line of the contract, never a row
    ├── StorageError     you: a run folder or database that cannot be used
    ├── PolicyError      a department said no; carries its reason
    ├── RoundError       the round: too few departments answered
    ├── PeerError        somebody misbehaved; names them
    └── StoppedError     nobody: a run was ended on purpose and can go on

A message says what was found, what was expected, and what to do next.
"""

from __future__ import annotations

from lepton_fed.translation import joined, sentence


class LeptonError(Exception):
    """Root of the tree: one sentence a user can act on."""


class ConfigError(LeptonError):
    """The federation file, a department's own file or an option cannot be used as it is."""


class DataError(LeptonError):
    """A department's data cannot be read."""


class ContractError(DataError):
    """A department's data break the data contract; says which department breaks which line, never a row."""

    def __init__(self, department: str, breaches: tuple[str, ...]) -> None:
        self.department = department
        self.breaches = breaches
        super().__init__(
            sentence(
                "{department}: its data break the data contract: {breaches}",
                department=department,
                breaches=joined("; ", breaches),
            )
        )


class StorageError(LeptonError):
    """A run folder, checkpoint or database cannot be used as it is."""


class PolicyError(LeptonError):
    """A department refused; `reason` is its own sentence."""

    def __init__(self, department: str, reason: str) -> None:
        self.department = department
        self.reason = reason
        super().__init__(sentence("{department} refused: {reason}", department=department, reason=reason))


class RoundError(LeptonError):
    """A round cannot be completed."""


class PeerError(LeptonError):
    """A named peer sent something that the protocol does not allow."""

    def __init__(self, peer: str, what: str) -> None:
        self.peer = peer
        super().__init__(sentence("{peer}: {what}", peer=peer, what=what))


class StoppedError(LeptonError):
    """A run was ended on purpose, and can go on after its last round."""
