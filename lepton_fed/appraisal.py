"""Models measured on a department's own rows for somebody else, once a round and asker.

Evaluate ──► objections ──► its policies ──► Evaluated: metrics, of how many rows (rounded down)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lepton_fed.couplings.participant import Participant
from lepton_fed.digests import hub_digest, models_hash
from lepton_fed.enforcement import Guard
from lepton_fed.measuring import Gauge
from lepton_fed.messages import PARTS, Evaluate, Evaluated, HubState, Refused
from lepton_fed.objections import ANOTHER_FILE, Objections
from lepton_fed.privacy.purse import WITHOUT_NOISE


@dataclass(eq=False)
class Appraiser:
    """Answers for one department. `accounted`: its rows have a budget, which metrics without noise would pass by."""

    objections: Objections
    participant: Participant
    gauge: Gauge
    accounted: bool
    _last: dict[str, tuple[int, bytes]] = field(default_factory=dict, init=False, repr=False)
    """By who asked: of which round, and which models were measured."""

    def answer(self, message: Evaluate, policies: Guard) -> Evaluated | Refused:
        """What these models come to on the rows that it asks for, if that may be told."""
        rows = self.gauge.parts().get(message.part)
        reason = self._objection(message, 0 if rows is None else len(rows))
        if reason is None and rows is not None:
            reason = policies.evaluation(message.asker, message.purpose, len(rows), message.round)
        if reason is not None or rows is None:
            return Refused(reason or f"it has no {message.part} rows")
        self._last[message.asker] = message.round, _models(message.hubs)
        found: dict[str, float] = {}
        for name, hub in message.hubs.items():
            self.participant.load(self.participant.receive(hub.model))
            found |= {f"{name}/{metric}": value for metric, value in self.gauge.measured(rows).items()}
        return Evaluated({key: value for key, value in found.items() if np.isfinite(value)}, rounded_down(len(rows)))

    def _objection(self, message: Evaluate, rows: int) -> str | None:
        """Why this is refused whatever its policies say, or None."""
        if message.fingerprint != self.objections.fingerprint:
            return ANOTHER_FILE
        reason = self.objections.to_now(message.round)
        if reason is not None:
            return reason
        if self.accounted:
            return WITHOUT_NOISE
        if message.part not in PARTS:
            return f"there are no {message.part!r} rows; there are {' and '.join(PARTS)}"
        settings = self.objections.settings
        if settings.coupling.kind == "distill":
            return "under distill a hub is no model but predictions, which cannot be measured on other rows"
        if not message.hubs:
            return "no model is shown"
        reason = self.objections.to_hubs(message.hubs, reported=False)
        if reason is not None:
            return reason
        least = settings.data.minimum_rows
        if rows < least:
            return f"it has fewer {message.part} rows than the data contract asks for, {least}"
        last, models = self._last.get(message.asker, (-1, b""))
        if message.round < last or (message.round == last and models != _models(message.hubs)):
            # Model after model, its rows could be found out.
            return f"it has measured models of round {last} for {message.asker} already, and does so once a round"
        return None


def _models(hubs: Mapping[str, HubState]) -> bytes:
    """32 bytes that stand for these models."""
    return models_hash({name: hub_digest(hub) for name, hub in hubs.items()})


def rounded_down(count: int) -> int:
    """The largest 1, 2 or 5 times a power of ten that is not above it: 317 becomes 200, and 0 stays 0."""
    ten = 10 ** (len(str(count)) - 1)
    return max((step * ten for step in (1, 2, 5) if step * ten <= count), default=0)
