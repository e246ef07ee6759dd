"""Changes who belongs to a deployed federation; only the party concerned gets a new kit.

    add_department   a kit for who joins or comes back      \\
    rotate           a kit with new keys for a department    }  and one signed update for the coordinator
    revoke           no kit                                 /
    renew            a kit for the coordinator: new certificate and keys, a roster that is valid longer

The coordinator finds an update in its kit's state folder and hands it to every department before the next round;
who left is in no later round. A change is recorded under its serial before the new kit gets its name and before
the coordinator hears of it, so a kill in between costs a serial: do the same again, or `rotate` where a department
is in the roster already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lepton_fed.config import Federation
from lepton_fed.config.spelling import did_you_mean
from lepton_fed.deploy.administrator import Administrator
from lepton_fed.deploy.folder import read_public, whole_folder
from lepton_fed.deploy.key_request import Publics, read_request
from lepton_fed.deploy.keys import OwnKeys
from lepton_fed.deploy.kit import ADMINISTRATOR, COORDINATOR, FEDERATION, STATE, UPDATE
from lepton_fed.deploy.making import Maker
from lepton_fed.deploy.membership import (
    Membership,
    SignedMembership,
    check_follows,
    members_of,
    read_membership,
)
from lepton_fed.deploy.provisioning import DEPARTMENTS, require_enrolled
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from lepton_fed.secrecy import require_safe
from lepton_fed.storage.atomic import unwritable, write_atomically
from lepton_fed.storage.file_names import file_name


@dataclass(frozen=True)
class Changed:
    """A change that was made. `update`: the signed file; `kit`: the new kit; `told`: the coordinator's kit has it.

    `requested`: the public keys of a request, whose fingerprint is to be compared.
    """

    serial: int
    update: Path
    kit: Path | None
    told: bool
    requested: Publics | None = None


@dataclass(frozen=True)
class Places:
    """Where a change reads and writes. `out`: of a new kit; `coordinator`: its kit; None: beside the administrator."""

    administrator: Path
    out: Path | None = None
    coordinator: Path | None = None


Fill = Callable[[Maker, Path], None]
"""Fills an empty folder with a kit."""


def add_department(
    administrator: Path,
    federation: Federation,
    name: str,
    *,
    request: Path | None = None,
    out: Path | None = None,
    coordinator: Path | None = None,
    now: datetime | None = None,
) -> Changed:
    """A kit for a department that joins or comes back. `federation`: the file, with it.

    `request`: its request file; without, its keys are made here. `out`: the new kit's folder, default
    `departments/<name>` beside the administrator's. `coordinator`: its kit, default beside the administrator's.
    """
    office = Administrator.load(administrator)
    require_enrolled(federation, name)
    require_safe(federation.settings)
    if name in office.latest.roster.names:
        raise ConfigError(f"{name} is in the roster already; give it new keys with lepton-fed rotate")
    places = Places(administrator, out, coordinator)
    return _with_new_keys(office, federation.to_toml(), name, request, places, now or datetime.now(UTC))


def rotate(
    administrator: Path,
    name: str,
    *,
    request: Path | None = None,
    out: Path | None = None,
    coordinator: Path | None = None,
    now: datetime | None = None,
) -> Changed:
    """A kit with new keys for a department, whose old ones are refused from the next round on."""
    office = Administrator.load(administrator)
    _require_member(office, name)
    places = Places(administrator, out, coordinator)
    return _with_new_keys(office, office.latest.file, name, request, places, now or datetime.now(UTC))


def revoke(administrator: Path, name: str, *, coordinator: Path | None = None, now: datetime | None = None) -> Changed:
    """Takes a department out of the roster; its keys are refused from the next round on."""
    office = Administrator.load(administrator)
    _require_member(office, name)
    identities, nodes = _known(office.latest)
    del identities[name], nodes[name]
    signed = _next(office, office.latest.file, identities, nodes, now or datetime.now(UTC))
    return _made(office, signed, Places(administrator, None, coordinator))


def renew(administrator: Path, out: Path, *, now: datetime | None = None) -> Changed:
    """A kit for the coordinator in the new folder `out`: new certificate, keys and token, and a longer roster.

    The operator stops the coordinator, moves `state` from its old kit into this one, and starts it from here.
    """
    office, now = Administrator.load(administrator), now or datetime.now(UTC)
    identity = Identity.generate(COORDINATOR, os.urandom)
    signed = _next(office, office.latest.file, *_known(office.latest), now, coordinator=identity.public)
    with whole_folder(out) as folder:
        Maker(office, signed).coordinator(folder, identity, now)
        update = office.record(signed)
    # The old kit is not told: it would stop before the departments have heard of the new one.
    return Changed(signed.membership.serial, update, out, told=False)


def _with_new_keys(
    office: Administrator, file: str, name: str, request: Path | None, places: Places, now: datetime
) -> Changed:
    """A department's kit with keys that nobody had before, and the update that says so."""
    keys = OwnKeys.generate(name) if request is None else None
    publics = Publics.of(keys) if keys is not None else read_request(request or Path())
    if publics.name != name:
        raise ConfigError(f"{request} is from {publics.name!r}, not from {name!r}; give that department's request")
    _require_unused(office, publics)
    identities, nodes = _known(office.latest)
    identities[name], nodes[name] = publics.identity, publics.node
    signed = _next(office, file, identities, nodes, now)
    if places.out is None:
        places = replace(places, out=_free(places.administrator, name, signed.membership.serial))
    changed = _made(office, signed, places, lambda maker, folder: maker.department(folder, publics, keys))
    return replace(changed, requested=None if keys is not None else publics)


def _made(office: Administrator, signed: SignedMembership, places: Places, fill: Fill | None = None) -> Changed:
    """Kit aside, update recorded, kit named, coordinator told."""
    coordinator = _coordinator(office, places)
    if fill is None or places.out is None:
        update = office.record(signed)
    else:
        with whole_folder(places.out) as folder:
            fill(Maker(office, signed), folder)
            update = office.record(signed)
    if coordinator is not None:
        _tell(coordinator, signed)
    return Changed(signed.membership.serial, update, places.out, told=coordinator is not None)


def _next(
    office: Administrator,
    file: str,
    identities: Mapping[str, bytes],
    nodes: Mapping[str, bytes],
    now: datetime,
    coordinator: bytes | None = None,
) -> SignedMembership:
    """The membership after the latest, signed; ConfigError where it cannot follow."""
    old = office.latest
    try:
        settings = Federation.parse(file, Path(FEDERATION)).settings
        roster, sorted_nodes = members_of(settings, identities, nodes)
        new = Membership(old.serial + 1, roster, sorted_nodes, coordinator or old.coordinator, file, office.until(now))
        check_follows(old, new)
        return office.sign(new)
    except Malformed as error:
        raise ConfigError(f"the roster cannot be changed like this: {error}") from None


def _known(membership: Membership) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Identity keys and node keys of the members."""
    identities = {member.name: member.public for member in membership.roster.members}
    return identities, {node.name: node.public for node in membership.nodes}


def _require_member(office: Administrator, name: str) -> None:
    names = office.latest.roster.names
    if name not in names:
        hint = did_you_mean(name, names) or f"; there are {', '.join(names)}"
        raise ConfigError(f"{name!r} is not in the roster of serial {office.latest.serial}{hint}")


def _require_unused(office: Administrator, publics: Publics) -> None:
    """A key that was in a roster is not put there again: it was taken out for a reason."""
    for past in office.past:
        if publics.identity in {m.public for m in past.roster.members} or publics.node in {
            n.public for n in past.nodes
        }:
            raise ConfigError(
                f"the keys in the request of {publics.name} were in the roster of serial {past.serial}; have the "
                "department make new ones (lepton-fed request)"
            )


def _free(administrator: Path, name: str, serial: int) -> Path:
    """Where a department's new kit goes: its usual place, or beside an earlier kit."""
    usual = administrator.parent / DEPARTMENTS / file_name(name)
    return usual.with_name(f"{usual.name}-{serial}") if os.path.lexists(usual) else usual


def _coordinator(office: Administrator, places: Places) -> Path | None:
    """The coordinator's kit, if it is here; ConfigError if it is of another federation or knows more than we do."""
    kit = places.coordinator or places.administrator.parent / COORDINATOR
    if not kit.is_dir():
        if places.coordinator is not None:
            raise StorageError(f"{kit} is no folder; give the coordinator's kit, or leave it out and send the update")
        return None
    if read_public(kit / ADMINISTRATOR) != office.public:
        raise ConfigError(f"{kit} is a kit of another administrator; give the coordinator's kit of this federation")
    path = kit / STATE / UPDATE
    if path.exists():
        _require_in_step(office, path)
    return kit


def _require_in_step(office: Administrator, path: Path) -> None:
    """An administrator's folder from a back-up would sign a second update under a serial that is used."""
    try:
        known = read_membership(read_public(path), office.public)
    except Malformed as error:
        raise ConfigError(f"{path} is not what this administrator signed ({error}); remove it") from None
    if known.serial > office.latest.serial or known not in office.past:
        raise ConfigError(
            f"{path} has serial {known.serial} and is not among the updates of this administrator's folder, whose last "
            f"is {office.latest.serial}: the folder is an old copy; go on with the newest, or put that update there"
        )


def _tell(coordinator: Path, signed: SignedMembership) -> None:
    """Puts the update where the coordinator looks for it; it is public, and another account has to read it."""
    path = coordinator / STATE / UPDATE
    write_atomically(path, signed.to_bytes())
    try:
        path.chmod(0o644)
    except OSError as error:
        raise unwritable(error, path) from error
