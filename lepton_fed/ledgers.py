"""What privacy ledgers say, per data set: of a federation's departments on this machine, or of one kit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lepton_fed import safeguards
from lepton_fed.assembly import read_file
from lepton_fed.config import Federation
from lepton_fed.data import DepartmentFile
from lepton_fed.errors import StorageError
from lepton_fed.storage.privacy_file import PrivacyFile
from lepton_fed.translation import sentence


@dataclass(frozen=True)
class Balance:
    """One data set's budget: what of it is spent, by how many releases, and which was the last and when."""

    department: str
    data_set: str
    spent: float
    budget: float
    delta: float
    releases: int
    last: str
    ledger: Path


def balances(place: Path) -> tuple[Balance, ...]:
    """Of the departments of a federation file, or of the department of a kit; those that keep a budget."""
    return tuple(_of_kit(place) if place.is_dir() else _of_federation(place))


def _of_federation(path: Path) -> Iterator[Balance]:
    federation = Federation.load(path)
    for name in federation.settings.names:
        own = federation.department_file(name)
        if own.exists():
            yield from _balance(name, read_file(federation, name), own.parent, None)


def _of_kit(folder: Path) -> Iterator[Balance]:
    from lepton_fed.deploy.kit import DepartmentKit

    kit = DepartmentKit.load(folder)
    own = kit.federation.department_file(kit.name)
    yield from _balance(kit.name, read_file(kit.federation, kit.name), own.parent, kit.state)


def _balance(name: str, file: DepartmentFile, base: Path, state: Path | None) -> Iterator[Balance]:
    said, path = file.privacy, safeguards.ledger_path(file, base, state)
    if said is None or path is None:
        return
    if not path.exists() and not path.parent.is_dir():
        raise StorageError(
            sentence(
                "{name}: the folder of its privacy ledger {path} does not exist; correct `ledger`", name=name, path=path
            )
        )
    data_set = said.data_set or name
    # Looking begins no ledger: a department's first start does.
    booked = [line for line in PrivacyFile(path).lines() if line.data_set == data_set] if _is_there(path) else []
    spent = PrivacyFile(path).read(data_set).epsilon(said.delta) if booked else 0.0
    last = f"{booked[-1].booked}  {booked[-1].booking.about}" if booked else ""
    yield Balance(name, data_set, spent, said.budget, said.delta, len(booked), last, path)


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.begun").exists()
