"""What departments want of each other, carried outside of a run: tables, and what two of them both know.

lepton-fed carry KIT -> carried(kit, link): whoever is there takes the membership, says what it wants, gets it
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from lepton_fed.deploy.kit import CoordinatorKit
from lepton_fed.errands import Done, run_errands
from lepton_fed.flower.greetings import Updated
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.flower.signed import Members
from lepton_fed.flower.signed_grid import SignedGrid
from lepton_fed.flower.superlink import Link
from lepton_fed.transport import drive


def carried(
    kit: CoordinatorKit, link: Link, look: Callable[[], None], said: Callable[[str], None], grace: float = 10.0
) -> Done:
    """Everything that those who are there now want. `said` is told each thing; what `look` raises ends it."""
    with link.run() as grid:
        numbers = link.members.numbers
        names = {number: name for name, number in numbers.items()}
        signed = SignedGrid(grid, kit.identity, Members.of(kit.membership), names=names)
        deadline = float(kit.federation.settings.rounds.deadline)
        transport = LinkTransport(grid, signed, numbers, deadline, grace, look, lambda: link.members.arrivals)
        there = set(link.members.online).intersection(kit.membership.roster.names)
        greeted = transport.update(kit.update, there)
        for name, reply in greeted.items():
            if not isinstance(reply, Updated):
                said(f"{name} does not take the membership: {reply.reason}")
        willing = sorted(name for name, reply in greeted.items() if isinstance(reply, Updated))
        done = drive(run_errands(willing, secrets.token_hex(16)), transport)
    for errand in done.all:
        said(str(errand))
    if not done.all:
        said("nobody who is there wants anything of another one")
    return done
