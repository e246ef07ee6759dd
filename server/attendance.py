"""Which departments are there: waited for, told the membership, known by the process that each is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lepton_fed.errors import RoundError
from lepton_fed.flower.greetings import Updated
from lepton_fed.flower.link_transport import LinkTransport
from lepton_fed.flower.superlink import Link

from .watcher import Watcher

LOOK = 0.1
"""Seconds between two looks at who is there."""


@dataclass(eq=False)
class Attendance:
    """At one coordinator. `look` is called again and again while anybody is waited for; what it raises ends the run."""

    link: Link
    watcher: Watcher
    look: Callable[[], None]
    _greeted: dict[str, int] = field(default_factory=dict, init=False)
    """How often each department had connected when it was last told the membership."""

    def present(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Who of these is connected."""
        online = set(self.link.members.online)
        return tuple(name for name in names if name in online)

    def greet(self, transport: LinkTransport, names: tuple[str, ...], update: bytes, run: str) -> None:
        """Tells everybody who has connected since the membership, and hears which process it is."""
        arrivals = self.link.members.arrivals
        new = {name for name in self.present(names) if arrivals.get(name, 0) != self._greeted.get(name, 0)}
        for name, reply in transport.update(update, new, run).items() if new else ():
            if isinstance(reply, Updated):
                self._greeted[name] = arrivals[name]
            else:
                self.watcher.said(f"{name} does not take the membership: {reply.reason}")

    def greet_anew(self) -> None:
        """There is another membership, which nobody has been told."""
        self._greeted.clear()

    def gather(self, names: tuple[str, ...], seconds: float, least: int) -> None:
        """Waits for all of `names` before the first round, and later for as many as are needed.

        RoundError where fewer than `least` have come in time.
        """
        needed = least if self._greeted else len(names)
        start, told = time.monotonic(), False
        while True:
            here = self.present(names)
            if len(here) >= needed:
                return
            missing = tuple(name for name in names if name not in here)
            if not told:
                self.watcher.waiting(missing)
                told = True
            if time.monotonic() - start >= seconds:
                if len(here) >= least:
                    return
                raise RoundError(
                    f"{'、'.join(missing)} did not connect within {seconds:g} seconds; start them, then submit again"
                )
            self.look()
            time.sleep(LOOK)
