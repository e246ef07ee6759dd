"""What a run begins with, as digests: its file, its code, each department's data contract and policies.

beginning(federation, code=...) ──► Beginning ──► RunBegun
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from lepton_fed.audit.entries import digests
from lepton_fed.audit.own_log import policy_digest
from lepton_fed.audit.run_entries import Beginning
from lepton_fed.code_digest import code_digest
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
        code=digests(code_digests(code)),
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


def code_digests(modules: Iterable[str]) -> dict[str, bytes]:
    """32 bytes that stand for this program, and for each module together with it, as policies know code by."""
    found = {PROGRAM: code_digest(())} | {module: code_digest((module,)) for module in modules}
    return {name: bytes.fromhex(one.removeprefix("sha256:")) for name, one in found.items()}
