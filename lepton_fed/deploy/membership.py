"""Who belongs to a deployed federation, as one signed value with a serial that only grows.

    administrator --signs--> Membership 1, 2, 3, ...   coordinator --hands on--> departments: newer(old, update)

A membership holds the roster of secure sums, every department's node key, the coordinator's key and the
federation file. Only the administrator can make one; the coordinator carries it, and may lie about it in two
ways only: show an old one, or show none.

*Roll-back.* Who has seen serial n refuses everything up to n, so an old roster works on nobody who saw a newer
one. A department keeps the newest it saw in its `state` folder, beside its ledger: who puts an old copy of that
folder back forgets both, and the ledger's page says what that costs.

*Withholding.* A coordinator can keep a new roster to itself. Nobody is protected from a revoked department until
they hear of it, and whose key was stolen is then one more who may collude with the coordinator: sums hide as long
as those, the thief included, are at most `colluders`. It cannot show the new roster to some and the old one to
others and go on: plans carry the roster's hash, a department refuses a plan for another roster than its own, and
fewer than the threshold reveal nothing. Withholding ends at `until`, after which no kit starts; and because an
update is a public file, an administrator who distrusts the coordinator sends it to the departments directly
(`lepton-fed update`), and tells them the serial.

*Smuggling.* An update may let departments join or leave, and nothing else: what remains of the new federation file
without those who joined must be the old one. A coordinator with the administrator's help changes no setting of a
department that did not get a new kit.

*A second spelling.* Two different updates with one serial mean that the administrator's key is used by somebody
else, or that its folder came back from a back-up; the second one is refused and named as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lepton_fed.config import Federation
from lepton_fed.deploy.keys import read_node_public
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity, verify
from lepton_fed.secagg.roster import Roster, check_name
from lepton_fed.settings import Flow, Grant, Settings, Weights
from lepton_fed.sums import colluders, enrolled, roster_of

LABEL = "roster update"
FILE = Path("federation.toml")


@dataclass(frozen=True)
class Node(Wire):
    """A department's name and the P-384 key (PEM) by which Flower knows its node."""

    KIND = "membership-node"
    name: str
    public: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        if read_node_public(self.public) is None:
            raise Malformed(f"{self.name}: the node's key is no P-384 public key in PEM form")


@dataclass(frozen=True)
class Membership(Wire):
    """The members from `serial` on. `coordinator`: its Ed25519 key. `file`: the resolved federation file's text.
    `until`: seconds since 1970, after which it is not used any more.
    """

    KIND = "membership"
    serial: int
    roster: Roster
    nodes: tuple[Node, ...]
    coordinator: bytes
    file: str
    until: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.serial < 1 or self.until < 0:
            raise Malformed("a membership has a serial of at least 1 and an end")
        if tuple(node.name for node in self.nodes) != self.roster.names:
            raise Malformed("a membership has one node for each department of its roster, in its order")
        if len({node.public for node in self.nodes}) != len(self.nodes):
            raise Malformed("two departments have one node key")
        if len(self.coordinator) != 32 or self.coordinator in {m.public for m in self.roster.members}:
            raise Malformed("the coordinator needs an Ed25519 key of 32 bytes that is no department's")

    @cached_property
    def settings(self) -> Settings:
        """What the federation file says; ConfigError if it cannot be read."""
        return Federation.parse(self.file, FILE).settings

    @property
    def fingerprint(self) -> str:
        """Of the federation file: 64 hex digits."""
        return Federation(self.settings, FILE).fingerprint

    @property
    def end(self) -> datetime:
        return datetime.fromtimestamp(self.until, UTC)

    def alike(self, other: Membership) -> bool:
        """Whether it is the same departments by the same keys, and the same federation file."""
        return self.roster == other.roster and self.fingerprint == other.fingerprint

    def node(self, name: str) -> bytes:
        """The node key of a department (PEM); Malformed if it is no member."""
        for node in self.nodes:
            if node.name == name:
                return node.public
        raise Malformed(f"{name!r} is not in the roster of {self.roster.federation!r}")


@dataclass(frozen=True)
class SignedMembership(Wire):
    """A membership and its administrator's signature; `verified` is the way to the membership for who received it."""

    KIND = "signed-membership"
    membership: Membership
    signature: bytes

    @classmethod
    def sign(cls, membership: Membership, administrator: Identity) -> SignedMembership:
        return cls(membership, administrator.sign(LABEL, membership))

    def verified(self, administrator: bytes) -> Membership:
        """The membership; Malformed unless the administrator (32 bytes) signed it and it fits its own file."""
        verify(administrator, self.signature, LABEL, self.membership)
        check_fits(self.membership)
        return self.membership


def members_of(
    settings: Settings, identities: Mapping[str, bytes], nodes: Mapping[str, bytes]
) -> tuple[Roster, tuple[Node, ...]]:
    """Roster and nodes in canonical order, from public keys by department; Malformed where they do not fit."""
    roster = roster_of(settings, identities)
    return roster, tuple(Node(name, nodes[name]) for name in roster.names)


def read_membership(update: bytes, administrator: bytes) -> Membership:
    """The membership in canonical bytes, signed by this administrator; Malformed for anything else."""
    try:
        signed = SignedMembership.from_bytes(update)
    except Malformed as error:
        raise Malformed(
            f"it is no roster update ({error}); take the newest file of the folder updates at the administrator"
        ) from None
    return signed.verified(administrator)


def newer(old: Membership, update: bytes, administrator: bytes) -> Membership:
    """The membership in `update`, if this administrator signed it after `old`; PeerError otherwise.

    Refused: foreign signatures, serials up to that of `old`, another federation, settings that an update may not
    change. `administrator`: its 32-byte public key, from this party's own kit.
    """
    try:
        new = read_membership(update, administrator)
        if new.serial < old.serial or new == old:
            raise Malformed(f"its serial is {new.serial}, and {old.serial} is known here; only a larger one is taken")
        if new.serial == old.serial:
            raise Malformed(
                f"it has serial {new.serial} as the one known here has, and says something else; ask the "
                "administrator who else holds its key"
            )
        check_follows(old, new)
    except (Malformed, ConfigError) as error:
        raise PeerError(LABEL, f"refused, and the known roster stays: {error}") from None
    return new


def check_fits(membership: Membership) -> None:
    """Malformed unless roster and federation file are of one federation, with the file's colluders."""
    settings = membership.settings
    strangers = set(membership.roster.names) - set(enrolled(settings))
    if strangers:
        raise Malformed(f"{', '.join(sorted(strangers))} has no role in the federation file")
    if membership.roster.colluders != colluders(settings):
        raise Malformed(
            f"the roster says {membership.roster.colluders} colluders, the federation file {colluders(settings)}"
        )


def check_follows(old: Membership, new: Membership) -> None:
    """Malformed unless departments joined and left, and nothing else changed."""
    if new.roster.federation != old.roster.federation:
        raise Malformed(f"it is for {new.roster.federation!r}, not for {old.roster.federation!r}")
    joined = frozenset(new.settings.names) - frozenset(old.settings.names)
    try:
        left = without(new.settings, joined)
    except ValueError as error:
        raise Malformed(f"its federation file says nothing without the departments that join: {error}") from None
    for key in (f.name for f in fields(left)):
        if getattr(left, key) != getattr(old.settings, key):
            raise Malformed(
                f"[{key}] of its federation file differs by more than the departments that join; such a change needs "
                "new kits for everybody (lepton-fed provision)"
            )


def without(settings: Settings, names: frozenset[str]) -> Settings:
    """The settings as they are for everybody else: entries of `names` taken out wherever departments are listed."""
    return replace(
        settings,
        departments=tuple(d for d in settings.departments if d.name not in names),
        graph=tuple(edge for edge in settings.graph if not {edge.from_, edge.to} & names),
        sharing=tuple(flow for one in settings.sharing for flow in _flow(one, names)),
        access=tuple(grant for one in settings.access for grant in _grant(one, names)),
        weights=_weights(settings.weights, names),
    )


def _flow(flow: Flow, names: frozenset[str]) -> tuple[Flow, ...]:
    from_, to = _left(flow.from_, names), _left(flow.to, names)
    return (replace(flow, from_=from_, to=to),) if from_ and to else ()


def _grant(grant: Grant, names: frozenset[str]) -> tuple[Grant, ...]:
    who, owner = _left(grant.who, names), _left(grant.owner, names)
    return (replace(grant, who=who, owner=owner),) if who and owner else ()


def _left(listed: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in listed if name not in names)


def _weights(weights: Weights, names: frozenset[str]) -> Weights:
    """Tables of weights lose the entries of `names`; a word or a number stays."""
    alpha, beta = weights.alpha, weights.beta
    if isinstance(alpha, dict):
        alpha = {name: weight for name, weight in alpha.items() if name not in names}
    if isinstance(beta, dict):
        beta = {name: weight for name, weight in beta.items() if name not in names}
    return replace(weights, alpha=alpha, beta=beta)
