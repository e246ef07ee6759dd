"""What is told of a deployed run while it goes on."""

from __future__ import annotations

from lepton_fed.history import Measurement
from lepton_fed.messages import Reply


class Watcher:
    """Told what happens in a run; whoever shows it overrides what it shows."""

    def waiting(self, names: tuple[str, ...]) -> None:
        """For these departments."""

    def asked(self, number: int, names: int) -> None:
        """A round begins with so many departments."""

    def answered(self, name: str, reply: Reply) -> None:
        """A department has answered in an exchange."""

    def exchange(self, seconds: float) -> None:
        """An exchange is over."""

    def measured(self, number: int, measurements: tuple[Measurement, ...]) -> None:
        """This was measured after a round; it is known one exchange later."""

    def round(self, number: int, seconds: float) -> None:
        """A round is over."""

    def said(self, line: str) -> None:
        """Something that a person should know."""
