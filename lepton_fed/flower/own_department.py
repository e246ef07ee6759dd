"""A deployed department, made of its kit with its own file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lepton_fed.assembly import Own, build_department, read_own, terms
from lepton_fed.data import load_department_file
from lepton_fed.data.policy_files import PolicyFiles
from lepton_fed.department import Department
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.errors import ConfigError
from lepton_fed.letters import letters_of
from lepton_fed.own_policies import guard_of
from lepton_fed.secagg.client import Party
from lepton_fed.secagg.review import Terms
from lepton_fed.secrecy import require_safe
from lepton_fed.storage.ledger_file import LedgerFile


def department_of(
    kit: DepartmentKit,
    own_file: Path | None = None,
    *,
    disclose: bool = False,
    own: Own | None = None,
) -> Department:
    """The kit's department with its rows, keys and ledger; ConfigError, DataError or StorageError, one sentence.

    `own_file`: the department's own file; default: where the federation file says, beside the kit's copy.
    `disclose`: whether its measurements may leave. `own`: what its file says, if that was read already.
    """
    federation, name = kit.federation, kit.name
    own = own if own is not None else own_of(kit, own_file)
    asked = terms(federation.settings, own.file)
    if disclose and own.file.privacy is not None:
        raise ConfigError(
            f"{name}: its own file keeps a privacy budget, and measurements that leave carry no noise; start it "
            "without --disclose, or take [privacy] out"
        )
    party = None
    if federation.settings.aggregation.secure:
        require_safe(federation.settings, {name: asked})
        party = party_of(kit, asked)
    guard = guard_of(federation, name, own.policies, code=own.file.code)
    letters = letters_of(
        federation,
        own.file,
        kit.keys.identity,
        kit.membership.roster,
        guard,
        base=own.base,
        state=own.state or kit.state,
    )
    return build_department(federation, name, disclose=disclose, own=own, party=party, guard=guard, letters=letters)


def party_of(kit: DepartmentKit, asked: Terms) -> Party:
    """The department in secure sums: the kit's keys and roster, its own terms, its ledger's file."""
    roster = kit.membership.roster
    return Party(kit.keys.identity, roster, asked, LedgerFile(kit.ledger, roster.federation), kit.keys.rounding)


def own_of(kit: DepartmentKit, path: Path | None = None) -> Own:
    """What the department's own file says, with its rows; the paths in a file outside the kit are relative to it.

    Its policies are those that the file names and those in the kit's folder for them. What lasts and has no place in
    that file is kept in the kit's state folder.
    """
    if path is None:
        federation, there = kit.federation, kit.federation.department_file(kit.name)
        if federation.settings.department(kit.name).is_source and not there.exists():
            raise ConfigError(
                f"{kit.name} gives rows, and nothing says where they are; name its own file with --data, or put it "
                f"where it is looked for: {there}"
            )
        own = read_own(federation, kit.name)
    else:
        own = read_own(kit.federation, kit.name, load_department_file(path, kit.name), base=path.resolve().parent)
    return replace(own, policies=PolicyFiles(own.policies.named, kit.policies), state=kit.state)
