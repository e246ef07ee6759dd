"""What speaks against a message before anything is done with it, whatever policies say.

a sentence, or None        the file's fingerprint, the round, the hubs, what was received, who may write where
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from lepton_fed.cohorts import HubPlan
from lepton_fed.messages import Consult, Declare, HubState, Work
from lepton_fed.settings import Settings
from lepton_fed.sizes import Sizes

ANOTHER_FILE = "the coordinator's federation file differs from this department's copy"

MOST_REQUESTS = 256
"""In one Consult: each costs up to a millisecond."""


@dataclass(frozen=True, eq=False)
class Objections:
    """One department's, by its own copy of the federation file. `home`: the hub that it learns from, if it does."""

    settings: Settings
    fingerprint: str
    plans: Mapping[str, HubPlan]
    may_write: Set[str]
    home: str | None
    sizes: Sizes

    def to_round(self, message: Declare | Work, *, worked: int, declared_for: int, declared: str) -> str | None:
        """Given the last rounds in which it has worked and declared, and the hub that it declared then."""
        if message.fingerprint != self.fingerprint:
            return ANOTHER_FILE
        if message.round <= worked:
            return f"round {message.round} is over: this department has already worked in round {worked}"
        if message.round > self.settings.rounds.count + 1:
            return f"the federation file has {self.settings.rounds.count} rounds, not {message.round}"
        if isinstance(message, Declare) and message.round <= declared_for:
            return f"it has declared its hub for round {declared_for} and does so once"
        reported = isinstance(message, Work) and message.report
        reason = self.to_hubs(message.hubs, reported=reported)
        if reason is not None:
            return reason
        return self.to_work(message, declared) if isinstance(message, Work) else None

    def to_hubs(self, shown: Mapping[str, HubState], *, reported: bool) -> str | None:
        """Hubs that the file does not have, or models that cannot be worked with."""
        unknown = [name for name in shown if name not in self.plans]
        if unknown:
            return f"the federation file has no hub {unknown[0]!r}"
        if not all(self.sizes.fit(hub, reported=reported) for hub in shown.values()):
            return "a received model is not finite or has the wrong size"
        return None

    def to_consulting(self, message: Consult) -> str | None:
        """Too much is asked, or about a round that there is not."""
        if message.fingerprint != self.fingerprint:
            return ANOTHER_FILE
        if len(message.requests) > MOST_REQUESTS:
            return f"it is asked about {len(message.requests)} requests at once; ask about {MOST_REQUESTS}"
        return self.to_now(message.round)

    def to_now(self, round: int) -> str | None:
        """A round that the file does not have; 0 is before the first."""
        count = self.settings.rounds.count
        return None if 0 <= round <= count else f"the federation file has {count} rounds, not {round}"

    def to_work(self, work: Work, declared: str) -> str | None:
        """A hub that it may not write to, or one that is missing. `declared`: which it said that it would write to."""
        forbidden = sorted(set(work.write) - self.may_write)
        if forbidden:
            return f"its policy does not let its update reach hub {forbidden[0]!r}"
        clusters = self.settings.coupling.kind == "clusters"
        if clusters and not self.settings.aggregation.secure and work.write not in ((), (declared,)):
            return "it has declared another hub than it is asked to write to"
        needed = set(work.write)
        if clusters:
            # It trains from a mixture of all: shown different hubs, departments would train from different models.
            needed = set(self.plans) if work.write else needed
        elif work.hubs or work.write:
            if self.home is None:
                return "it takes no part in training"
            needed.add(self.home)
        missing = sorted(needed - set(work.hubs))
        return f"the message lacks the model of hub {missing[0]!r}, which this department needs" if missing else None
