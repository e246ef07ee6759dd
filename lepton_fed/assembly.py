"""Departments from files: each department's own file, its rows prepared and checked, its model on its device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from lepton_fed import safeguards
from lepton_fed.bench import Bench, bench
from lepton_fed.cohorts import HubPlan, hubs
from lepton_fed.config import Federation
from lepton_fed.data import DepartmentFile, Part, Prepared, load_department_file, prepare_department, prepare_unlabelled
from lepton_fed.data.policy_files import PolicyFiles
from lepton_fed.department import Department
from lepton_fed.enforcement import Guard
from lepton_fed.errors import ConfigError
from lepton_fed.letters import NO_LETTERS, Letters
from lepton_fed.measuring import Rows
from lepton_fed.own_policies import guard_of, of_the_file
from lepton_fed.parties import throw_away
from lepton_fed.resident import Resident, Streamed, place
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.review import Terms
from lepton_fed.secrecy import require_safe
from lepton_fed.settings import DataContract, ModelSettings, Settings
from lepton_fed.translation import sentence


@dataclass(frozen=True, eq=False)
class Own:
    """What a department's own file gave: the file, its prepared rows if it has any, where its policies are.

    `base`: the folder that the file's paths are relative to. `state`: where what lasts is kept; default: there.
    """

    file: DepartmentFile
    prepared: Prepared | None
    policies: PolicyFiles = field(default_factory=PolicyFiles)
    base: Path = Path()
    state: Path | None = None


@dataclass(eq=False)
class Benches:
    """One bench per architecture, device and allowed code: departments of one process share them."""

    federation: Federation
    made: dict[str, Bench] = field(default_factory=dict)

    def for_(self, model: ModelSettings | None, device: torch.device | str, code: tuple[str, ...]) -> Bench:
        key = repr((model, str(device), code))
        if key not in self.made:
            made = bench(self.federation.settings, model, device, code)
            _try(made, model or self.federation.settings.model, self.federation.settings.data)
            self.made[key] = made
        return self.made[key]


def build_department(
    federation: Federation,
    name: str,
    *,
    disclose: bool = False,
    own: Own | None = None,
    benches: Benches | None = None,
    plans: tuple[HubPlan, ...] | None = None,
    code: tuple[str, ...] | None = None,
    party: Party | None = None,
    guard: Guard | None = None,
    letters: Letters = NO_LETTERS,
) -> Department:
    """One department with its rows on its device. `disclose`: whether its measurements may leave it.

    `code`: modules whose callables may be run; default: those that its own file allows. `party`: its keys and
    terms for secure sums; without, it takes part in none. `guard`: its policies; default: the federation file's and
    those of its own files. `letters`: what it says to others.
    """
    own = own if own is not None else read_own(federation, name)
    device = device_of(own.file, name)
    benches = benches if benches is not None else Benches(federation)
    common, fingerprint = federation.common_path, federation.fingerprint
    if guard is None:
        guard = guard_of(federation, name, own.policies, code=own.file.code, fingerprint=fingerprint)
    guarded = safeguards.of(federation, name, own.file, own.prepared, own.base, own.state, guard)
    return Department(
        name=name,
        settings=federation.settings,
        fingerprint=fingerprint,
        bench=benches.for_(federation.settings.department(name).model, device, own.file.code if code is None else code),
        rows=_rows(own, device),
        disclose=disclose,
        common=None
        if common is None
        else torch.from_numpy(prepare_unlabelled(federation.settings.data, common)).to(device),
        hubs=plans,
        party=party,
        threads=torch.get_num_threads(),
        guard=guard,
        purse=guarded.purse,
        respondent=guarded.respondent,
        giver=letters.giver,
        reader=letters.reader,
        common_ground=letters.common_ground,
    )


def throw_away_parties(federation: Federation, files: Mapping[str, DepartmentFile]) -> dict[str, Party]:
    """Keys for one simulation, with each department's own terms; ConfigError where secure sums would be refused."""
    if not federation.settings.aggregation.secure:
        return {}
    asked = {name: terms(federation.settings, file) for name, file in files.items()}
    require_safe(federation.settings, asked)
    return throw_away(federation.settings, asked)


def terms(settings: Settings, file: DepartmentFile) -> Terms:
    """What a department asks of a secure sum: what the federation file says, or more where its own file does."""
    own, said = file.terms, settings.aggregation
    order = ("off", "warn", "enforce")
    return Terms(
        crowd=own.crowd,
        crowd_soft=max(Fraction(str(own.crowd_soft)), Fraction(str(said.crowd_soft))),
        coordinator_sees="nothing" if "nothing" in (own.coordinator_sees, said.coordinator_sees) else "sums",
        noise_multiplier=own.noise_multiplier,
        across_rounds=max(own.across_rounds, said.across_rounds, key=order.index),
    )


def build_departments(
    federation: Federation, owns: dict[str, Own], parties: Mapping[str, Party] | None = None
) -> dict[str, Department]:
    """All departments in one process, for a simulation: their measurements are the user's own."""
    keys = parties or {}
    benches, plans = Benches(federation), hubs(federation.settings)
    code, guards = allowed_code(own.file for own in owns.values()), guards_of(federation, owns)
    return {
        name: build_department(
            federation,
            name,
            disclose=True,
            own=own,
            benches=benches,
            plans=plans,
            code=code,
            party=keys.get(name),
            guard=guards[name],
        )
        for name, own in owns.items()
    }


def guards_of(federation: Federation, owns: Mapping[str, Own]) -> dict[str, Guard]:
    """Every department's policies in one process; those of the federation file are there once."""
    shared, fingerprint = of_the_file(federation), federation.fingerprint
    return {
        name: guard_of(federation, name, own.policies, code=own.file.code, fingerprint=fingerprint, shared=shared)
        for name, own in owns.items()
    }


def guards_from(federation: Federation) -> dict[str, Guard]:
    """Every department's policies, with its own files where they are here; no rows are read."""
    owns = {}
    for name in federation.settings.names:
        path = federation.department_file(name)
        file = load_department_file(path, name) if path.exists() else DepartmentFile()
        owns[name] = Own(file, None, PolicyFiles.of(file.policies, path.parent))
    return guards_of(federation, owns)


def read_own(federation: Federation, name: str, file: DepartmentFile | None = None, *, base: Path | None = None) -> Own:
    """Reads a department's file (unless given) and its rows; checks them against the data contract.

    `base`: the folder that the file's paths are relative to; default: where the federation file says that it is.
    """
    file, settings = file if file is not None else read_file(federation, name), federation.settings
    base = base if base is not None else federation.department_file(name).parent
    policies = PolicyFiles.of(file.policies, base)
    if file.data is None:
        return Own(file, None, policies, base)
    seed = settings.data.split.seed if settings.data.split.seed is not None else settings.federation.seed
    prepared = prepare_department(
        settings.data,
        file.data,
        department=name,
        label=settings.department(name).label,
        seed=seed,
        base=base,
        keep=settings.statistics is not None,
        vectors=None if file.vectors is None else base / Path(file.vectors).expanduser(),
    )
    return Own(file, prepared, policies, base)


def read_file(federation: Federation, name: str) -> DepartmentFile:
    """A department's own file. Without one, a department that is no source has no rows."""
    is_source = federation.settings.department(name).is_source
    path = federation.department_file(name)
    if not path.exists() and not is_source:
        return DepartmentFile()
    file = load_department_file(path, name)
    if file.data is None and is_source:
        raise ConfigError(
            sentence("{name} is a source, but {path} has no [data]; say there where its rows are", name=name, path=path)
        )
    return file


def device_of(file: DepartmentFile, name: str) -> torch.device:
    """The department's device; ConfigError if it asks for one that this machine has not."""
    if file.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(file.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ConfigError(f"{name}: this machine has no device {file.device!r}; use auto or cpu") from None
    return device


def allowed_code(files: Iterable[DepartmentFile]) -> tuple[str, ...]:
    """Modules that any of these departments allows: on one machine they are all the user's own."""
    return tuple(sorted({module for file in files for module in file.code}))


def _try(made: Bench, model: ModelSettings, contract: DataContract) -> None:
    """ConfigError unless the model takes an example of the contract's and gives an output of its width."""
    example = torch.zeros(2, *contract.features, device=made.model.vector.device)
    made.model.module.eval()
    try:
        with torch.no_grad():
            output = made.model.module(example)
    except Exception as error:
        given = " x ".join(map(str, contract.features))
        raise ConfigError(f"model: {model.name!r} fails on examples of size {given} ({type(error).__name__})") from None
    size = tuple(output.shape) if isinstance(output, Tensor) else None
    # One output per example may come as a column or as a plain list.
    if size != (2, contract.outputs) and not (size == (2,) and contract.outputs == 1):
        given = type(output).__name__ if size is None else f"an output of size {list(size)}"
        raise ConfigError(f"model: {model.name!r} gives {given} for 2 examples; {[2, contract.outputs]} was expected")


def _rows(own: Own, device: torch.device) -> Rows:
    if own.prepared is None:
        return Rows()
    limit = own.file.memory_limit
    train, validation, test = (
        _placed(p, device, limit) for p in (own.prepared.train, own.prepared.validation, own.prepared.test)
    )
    return Rows(train, validation, test)


def _placed(part: Part, device: torch.device, limit: int | None) -> Resident | Streamed | None:
    if not len(part):
        return None
    return place(tensor(part.x), tensor(part.y), device, limit)


def tensor(array: object) -> Tensor:
    """A tensor of its own, since a NumPy array may be read-only."""
    return torch.tensor(array)
