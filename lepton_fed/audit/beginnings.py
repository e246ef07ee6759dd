"""What a run begins with, as digests: its file, its code, each department's data contract and policies.

beginning(federation, code=...) ──► Beginning ──► RunBegun
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import lepton_fed
from lepton_fed.audit.entries import digests
from lepton_fed.audit.own_log import policy_digest
from lepton_fed.audit.run_entries import Beginning
from lepton_fed.config import Federation
from lepton_fed.config.federation import written
from lepton_fed.policies import Policies
from lepton_fed.settings import Settings
from lepton_fed.sums import LONGEST_NAME

PROGRAM = "lepton-fed"


def beginning(
    federation: Federation, code: Iterable[str] = (), *, serial: int = 0, policies: Mapping[str, bytes] | None = None
) -> Beginning:
    """What a run of this federation begins with. `code`: modules beside the library whose callables may be run.

    `policies`: digests by department, where they are known better than from the federation file.
    """
    settings = federation.settings
    known = policies if policies is not None else _by_the_file(settings)
    return Beginning(
        federation=settings.federation.name,
        fingerprint=bytes.fromhex(federation.fingerprint),
        purpose=settings.federation.purpose,
        departments=tuple(sorted(settings.names)),
        serial=serial,
        code=digests({PROGRAM: program_digest()} | {module: module_digest(module) for module in code}),
        contracts=digests({name: contract_digest(settings, name) for name in settings.names}),
        policies=digests(known),
    )


def log_name(settings: Settings) -> str:
    """What a federation's log is called: as its roster calls the federation."""
    return settings.federation.name[:LONGEST_NAME].strip()


def _by_the_file(settings: Settings) -> dict[str, bytes]:
    """Digests of policies as the federation file has them; departments' own files are theirs, and in `Decided`."""
    policies = Policies.of(settings)
    return {name: policy_digest(policies, name) for name in settings.names}


def contract_digest(settings: Settings, department: str) -> bytes:
    """32 bytes that stand for what a department's rows must look like: `[data]`, and its own label's column."""
    contract = {"data": written(settings.data), "label": settings.department(department).label}
    return hashlib.sha256(json.dumps(contract, ensure_ascii=False, sort_keys=True).encode()).digest()


def program_digest() -> bytes:
    """32 bytes that stand for this program: every file of the package that is read when it runs."""
    return _digest_of_folder(Path(lepton_fed.__file__).parent)


def module_digest(name: str) -> bytes:
    """32 bytes that stand for a module or a package with all in it; of nothing, where there are no files."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    if places:
        return _digest_of_folder(Path(places[0]))
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return hashlib.sha256().digest()
    return hashlib.sha256(Path(spec.origin).read_bytes()).digest()


def _digest_of_folder(folder: Path) -> bytes:
    state = hashlib.sha256()
    for path in sorted(_sources(folder)):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix().encode()
        state.update(b"%d %d " % (len(name), len(content)) + name + content)
    return state.digest()


def _sources(folder: Path) -> Iterator[Path]:
    """What Python makes of sources differs from machine to machine, and is not read instead of them."""
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
