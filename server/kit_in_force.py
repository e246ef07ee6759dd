"""The coordinator's kit that a run goes by: its membership may change between two rounds, never within one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.deploy.membership import Membership, read_membership
from lepton_fed.errors import LeptonError
from lepton_fed.flower.superlink import Link, nodes_of
from lepton_fed.storage.exchange_journal import Played

from .watcher import Watcher

NEWER = 2.0
"""Seconds between two looks for a newer membership in the kit's state folder."""


@dataclass(eq=False)
class KitInForce:
    """`kit` is what holds; a newer one waits for the round to end."""

    kit: CoordinatorKit
    link: Link
    watcher: Watcher
    newer: CoordinatorKit | None = field(default=None, init=False)
    _looked: float = field(default=0.0, init=False)

    def go_by_the_round_under_way(self, known: Played, done: int) -> None:
        """A round in which departments have given numbers is ended by the membership that it was begun with.

        Who has left since is away, and who has joined takes part from the next round on. `done`: rounds completed.
        """
        now = self.kit.membership
        if not known.membership:
            return
        update = bytes.fromhex(known.membership)
        began = read_membership(update, self.kit.administrator)
        under_way = known.given and known.round == done + 1 and not began.alike(now)
        if began.coordinator == now.coordinator and (under_way or closed(done, began, now)):
            self.newer, self.kit = self.kit, replace(self.kit, membership=began, update=update)

    def look(self) -> None:
        """Notices a newer membership, every few seconds."""
        now = time.monotonic()
        if now - self._looked >= NEWER:
            self._looked = now
            self.notice()

    def notice(self) -> None:
        """Takes a newer membership from the kit's state folder: who left it is refused at once, others from the next
        round on.
        """
        known = self.newer or self.kit
        try:
            found = known.current()
        except LeptonError as error:
            self.watcher.said(str(error))
            return
        if found is not known:
            self.newer = found
            self.link.allow(nodes_of(found))

    def take_newer(self) -> None:
        """The newer one holds from now on."""
        assert self.newer is not None
        self.kit, self.newer = self.newer, None
        self.watcher.said(f"the membership of serial {self.kit.membership.serial} holds from now on")


def closed(round: int, old: Membership, new: Membership) -> bool:
    """Whether nobody can join after so many rounds: the coordinator does not have the model that they would need."""
    return round > 0 and old.settings.aggregation.sealed and new.fingerprint != old.fingerprint
