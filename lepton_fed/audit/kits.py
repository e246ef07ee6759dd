"""The audit log in a kit: whose keys sign what, and where a party keeps its side of the log.

coordinator's state/    lepton-fed.sqlite   the log          audit-keys.json   every key that a roster has had
department's state/     audit.head          last head seen   audit.docket      what it decided, spent and made
"""

from __future__ import annotations

from lepton_fed.audit.entries import MembershipTaken, moment
from lepton_fed.audit.head_file import HeadFile
from lepton_fed.audit.heads import Keys
from lepton_fed.audit.key_file import read_keys, together, write_keys
from lepton_fed.audit.own_log import DepartmentLog, now
from lepton_fed.audit.run_log import Signers
from lepton_fed.audit.witness import Witness
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit, Kit
from lepton_fed.deploy.membership import Membership
from lepton_fed.storage.docket_file import DocketFile

HEAD, DOCKET, KEYS = "audit.head", "audit.docket", "audit-keys.json"


def keys_of(kit: Kit) -> Keys:
    """The keys that the kit's rosters have had, as far as it knows them."""
    path = kit.state / KEYS
    now_valid = _keys(kit.membership)
    return together(read_keys(path), now_valid) if path.exists() else now_valid


def remember_keys(kit: CoordinatorKit) -> None:
    """Keep the keys of the membership in use: later ones may not have them, and entries signed by them stay."""
    known = keys_of(kit)
    path = kit.state / KEYS
    if not path.exists() or read_keys(path) != known:
        write_keys(known, path)


def signers_of(kit: CoordinatorKit) -> Signers:
    """Who signs the log of this kit's federation now."""
    roster = kit.membership.roster
    return Signers(roster.federation, kit.identity, {one.name: one.public for one in roster.members})


def log_of(kit: DepartmentKit) -> DepartmentLog:
    """A department's side of the log, with its own identity and files."""
    membership = kit.membership
    head = HeadFile(kit.state / HEAD)
    witness = Witness(kit.keys.identity, membership.roster.federation, (membership.coordinator,), head)
    return DepartmentLog(witness, docket_of(kit))


def docket_of(kit: DepartmentKit) -> DocketFile:
    """What a department noted."""
    return DocketFile(kit.state / DOCKET)


def membership_entry(membership: Membership, run: str) -> MembershipTaken:
    """That the coordinator goes by a membership."""
    roster = membership.roster
    return MembershipTaken(
        time=moment(now()),
        run=run,
        serial=membership.serial,
        federation=roster.federation,
        roster=roster.hash,
        members=tuple((one.name, one.public) for one in roster.members),
        coordinator=membership.coordinator,
        until=membership.until * 1_000_000,
    )


def _keys(membership: Membership) -> Keys:
    roster = membership.roster
    departments = {one.name: (one.public,) for one in roster.members}
    return Keys(roster.federation, (membership.coordinator,), departments)
