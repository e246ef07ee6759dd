"""A roster is taken only if the administrator signed it after the one that is known, and it changes nobody's terms."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_fed.deploy.administrator import Administrator
from lepton_fed.deploy.keys import OwnKeys
from lepton_fed.deploy.membership import Membership, SignedMembership, newer, read_membership, without
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import PeerError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from lepton_fed.secagg.roster import SignedRoster
from tests.deploy.conftest import NEWCOMER, joined
from tests.federations import FOUR, LINES, TARGET
from tests.thoroughness import at_most


@pytest.fixture(scope="module")
def signer(original: Provisioned) -> Identity:
    return Administrator.load(original.administrator).signer


@pytest.fixture(scope="module")
def old(original: Provisioned) -> Membership:
    return replace(Administrator.load(original.administrator).latest, serial=5)


def signed(membership: Membership, signer: Identity) -> bytes:
    return SignedMembership.sign(membership, signer).to_bytes()


def test_the_next_roster_is_taken(old: Membership, signer: Identity) -> None:
    new = replace(old, serial=6)
    assert newer(old, signed(new, signer), signer.public) == new


@settings(deadline=None)
@given(serial=st.integers(1, 12))
def test_only_a_larger_serial_is_taken(old: Membership, signer: Identity, serial: int) -> None:
    update = signed(replace(old, serial=serial), signer)
    if serial > 5:
        assert newer(old, update, signer.public).serial == serial
    else:
        with pytest.raises(PeerError, match=f"its serial is {serial}, and 5 is known here"):
            newer(old, update, signer.public)


def test_a_second_roster_with_the_same_serial_raises_the_alarm(old: Membership, signer: Identity) -> None:
    update = signed(replace(old, until=old.until + 1), signer)
    with pytest.raises(PeerError, match="ask the administrator who else holds its key"):
        newer(old, update, signer.public)


def test_a_roster_that_somebody_else_signed_is_refused(old: Membership, signer: Identity) -> None:
    new = replace(old, serial=6)
    stranger = Identity.generate("administrator", os.urandom)
    for update in (signed(new, stranger), SignedMembership(new, bytes(64)).to_bytes()):
        with pytest.raises(PeerError, match="does not verify"):
            newer(old, update, signer.public)


def test_a_signature_under_a_roster_or_a_kit_is_none_under_an_update(old: Membership, signer: Identity) -> None:
    new = replace(old, serial=6)
    for label, value in (("roster", new), ("kit", new), ("roster", new.roster)):
        update = SignedMembership(new, signer.sign(label, value)).to_bytes()
        with pytest.raises(PeerError, match="does not verify"):
            newer(old, update, signer.public)


def test_a_roster_without_serial_is_no_update(old: Membership, signer: Identity) -> None:
    with pytest.raises(PeerError, match=r"it is no roster update \(expected SignedMembership, found SignedRoster\)"):
        newer(old, SignedRoster.sign(old.roster, signer).to_bytes(), signer.public)


@settings(deadline=None, max_examples=at_most(60))
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_an_update_with_any_bit_turned_is_refused(old: Membership, signer: Identity, at: int, bit: int) -> None:
    content = bytearray(signed(replace(old, serial=6), signer))
    content[at % len(content)] ^= 1 << bit
    with pytest.raises(PeerError):
        newer(old, bytes(content), signer.public)


@given(content=st.binary(max_size=200))
def test_rubbish_is_refused(old: Membership, signer: Identity, content: bytes) -> None:
    with pytest.raises(PeerError):
        newer(old, content, signer.public)


def grown(old: Membership, folder: Path, **changes: Any) -> Membership:
    """The membership with a newcomer, and a federation file with further changes."""
    federation = joined(folder / "f", **changes)
    identities = {m.name: m.public for m in old.roster.members}
    nodes = {n.name: n.public for n in old.nodes}
    keys = OwnKeys.generate(NEWCOMER)
    from lepton_fed.deploy.membership import members_of

    roster, sorted_nodes = members_of(
        federation.settings, {**identities, NEWCOMER: keys.identity.public}, {**nodes, NEWCOMER: keys.node_public}
    )
    return replace(old, serial=6, roster=roster, nodes=sorted_nodes, file=federation.to_toml())


def test_a_department_may_join(old: Membership, signer: Identity, tmp_path: Path) -> None:
    new = grown(old, tmp_path)
    found = newer(old, signed(new, signer), signer.public)
    assert set(found.roster.names) == {*FOUR, TARGET, NEWCOMER}
    assert found.roster.colluders == 2  # A third of six, where the file leaves it out.
    assert found.fingerprint != old.fingerprint


def test_a_department_may_leave(old: Membership, signer: Identity) -> None:
    left = replace(
        old,
        serial=6,
        roster=replace(old.roster, members=old.roster.members[1:]),
        nodes=old.nodes[1:],
    )
    assert newer(old, signed(left, signer), signer.public) == left


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("aggregation", {"aggregation": {"secure": False}}),
        ("aggregation", {"aggregation": {"clip": 8.0}}),
        ("training", {"training": {"steps": 3, "batch": 8}}),
        ("weights", {"weights": {"counts": [1, 24]}}),
        ("model", {"model": {"name": "linear"}}),
        ("server", {"server": {"optimiser": "adam", "learning_rate": 0.05}}),
        ("departments", {"departments": [{"name": n} for n in (*FOUR, NEWCOMER, TARGET)]}),
        ("sharing", {"sharing": [{"what": "updates", "from": [*LINES, NEWCOMER], "to": ["*"]}]}),
        ("graph", {"graph": []}),
    ],
)
def test_nothing_else_is_smuggled_in_with_a_department_that_joins(
    old: Membership, signer: Identity, tmp_path: Path, key: str, changes: dict[str, Any]
) -> None:
    update = signed(grown(old, tmp_path, **changes), signer)
    with pytest.raises(PeerError, match=rf"\[{key}\] of its federation file differs"):
        newer(old, update, signer.public)


def test_taking_out_whom_nobody_mentions_changes_nothing(old: Membership) -> None:
    assert without(old.settings, frozenset({NEWCOMER})) == old.settings


def test_a_roster_of_another_federation_is_refused(old: Membership, signer: Identity) -> None:
    new = replace(old, serial=6, roster=replace(old.roster, federation="别的联邦"))
    with pytest.raises(PeerError, match="it is for '别的联邦', not for '小联邦'"):
        newer(old, signed(new, signer), signer.public)


def test_colluders_are_those_of_the_file(old: Membership, signer: Identity) -> None:
    new = replace(old, serial=6, roster=replace(old.roster, colluders=0))
    with pytest.raises(PeerError, match="the roster says 0 colluders, the federation file 1"):
        newer(old, signed(new, signer), signer.public)


def test_an_update_whose_file_cannot_be_read_is_refused(old: Membership, signer: Identity) -> None:
    with pytest.raises(PeerError, match=r"federation\.toml"):
        newer(old, signed(replace(old, serial=6, file="[federation]"), signer), signer.public)


def test_a_membership_of_nonsense_cannot_be_written(old: Membership) -> None:
    for changes in (
        {"serial": 0},
        {"until": -1},
        {"nodes": old.nodes[1:]},
        {"nodes": (old.nodes[0], replace(old.nodes[0], name=old.nodes[1].name), *old.nodes[2:])},
        {"coordinator": b"short"},
        {"coordinator": old.roster.members[0].public},
    ):
        with pytest.raises(Malformed):
            replace(old, **changes)  # type: ignore[arg-type]


def test_the_bytes_give_the_membership_back(old: Membership, signer: Identity) -> None:
    assert read_membership(signed(old, signer), signer.public) == old
