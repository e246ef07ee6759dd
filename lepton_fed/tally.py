"""What the replies of one exchange come to in the clear: each is checked, added and let go, in the file's order.

Here the coordinator sees every addend; `secure = true` replaces this adding by a secure sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lepton_fed.accounts import IN_THE_CLEAR, MEASURED, Account, ReleasedSum
from lepton_fed.cohorts import HubPlan
from lepton_fed.digests import release_digest
from lepton_fed.errors import PeerError
from lepton_fed.hub import Hub
from lepton_fed.messages import Addend, Done, Refused, Release, Reply
from lepton_fed.secagg.canonical import digest
from lepton_fed.settings import Settings


@dataclass(eq=False)
class Mean:
    """The weighted mean of updates as they come: Σ w·vector / Σ w and Σ w·spread / Σ w, added in that order."""

    mass: float = 0.0
    count: int = 0
    _spread: float = 0.0
    _total: Tensor | None = None

    def add(self, addend: Addend) -> None:
        if self._total is None:
            self._total = torch.zeros(addend.vector.size)
        self._total.add_(torch.from_numpy(addend.vector), alpha=addend.weight)
        self.mass += addend.weight
        self._spread += addend.weight * addend.spread
        self.count += 1

    def release(self) -> Release | None:
        """None where nothing, or nothing that weighs anything, was added. To be asked once."""
        if self._total is None or self.mass <= 0.0:
            return None
        return Release(self._total.div_(self.mass).numpy(), self.mass, self._spread / self.mass)


@dataclass(eq=False)
class Gathered:
    """What one exchange, or one secure sum, came to.

    `releases` and `counts` (how many departments are in it) by hub; `totals` of the report by name; `disclosed` and
    `seconds` by department; `answered`: who is in a sum. `clamped`: entries cut off at the clip, where they are
    counted. `models`: digests of hubs that only departments hold, agreed from `held`, by department. `accounts`: of
    each attempt at the sums, for the audit log.
    """

    releases: dict[str, Release] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    disclosed: dict[str, Mapping[str, float]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, Mapping[str, float]] = field(default_factory=dict)
    answered: tuple[str, ...] = ()
    clamped: int = 0
    warnings: tuple[str, ...] = ()
    models: Mapping[str, bytes] = field(default_factory=dict)
    held: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()


@dataclass(eq=False)
class Tally:
    """One exchange: sums by hub and by total, what was disclosed, who refused and why."""

    settings: Settings
    plans: Mapping[str, HubPlan]
    hubs: Mapping[str, Hub]
    sums: dict[str, Mean] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    disclosed: dict[str, Mapping[str, float]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, Mapping[str, float]] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    writers: dict[str, list[str]] = field(default_factory=dict)
    reporters: list[str] = field(default_factory=list)
    _sizes: dict[str, int] = field(default_factory=dict)

    def gathered(self, round: int = 0) -> Gathered:
        """All of it, as the sums of this round. To be asked once."""
        found = {hub: mean.release() for hub, mean in self.sums.items()}
        releases = {hub: release for hub, release in found.items() if release is not None}
        return Gathered(
            releases,
            {hub: mean.count for hub, mean in self.sums.items()},
            self.totals,
            self.disclosed,
            self.refusals,
            self.seconds,
            tuple(self.answered),
            accounts=(Account(round, 0, None, released=tuple(self._released(releases))),),
        )

    def _released(self, releases: Mapping[str, Release]) -> Iterator[ReleasedSum]:
        """What was added in the clear, as what it is."""
        for hub, release in releases.items():
            writers = tuple(sorted(self.writers[hub]))
            yield ReleasedSum(f"updates {IN_THE_CLEAR}", hub, writers, release_digest(release))
        if self.reporters:
            # Spelt in hexadecimal, since a total may have become infinite.
            result = digest("totals", tuple((name, float(total).hex()) for name, total in sorted(self.totals.items())))
            yield ReleasedSum(f"{MEASURED} {IN_THE_CLEAR}", "departments", tuple(sorted(self.reporters)), result)

    def take(self, name: str, reply: Reply) -> None:
        """Adds one department's reply; one that cannot be added counts as a refusal, all of it."""
        if isinstance(reply, Refused):
            self.refusals[name] = reply.reason
        elif isinstance(reply, Done):
            try:
                # Long updates are joined here, and let go at the end: others may hold the reply for longer.
                done = replace(reply, addends=dict(reply.addends))
                self._check(name, done)
            except PeerError as error:
                self.refusals[name] = str(error).removeprefix(f"{name}: ")
            else:
                self._add(name, done)

    def _check(self, name: str, done: Done) -> None:
        """PeerError where an addend may not go to its hub, or cannot be summed."""
        for hub, addend in done.addends.items():
            if hub not in self.plans or name not in self.plans[hub].may_write:
                raise PeerError(name, f"sent an update to hub {hub!r}, to which it may not write")
            if not _sound(addend, self._size(hub, addend)):
                raise PeerError(name, f"sent an update to hub {hub!r} that is not finite or has the wrong size")
        if not all(math.isfinite(value) for value in done.scores.values()):
            raise PeerError(name, "sent a score that is not finite")

    def _size(self, hub: str, addend: Addend) -> int:
        """Length of an update: the hub's model's, or where that does not say, as the first that came."""
        if self.settings.coupling.kind != "distill" and self.settings.training.correction == "none":
            return self.hubs[hub].state.model.size
        return self._sizes.setdefault(hub, addend.vector.size)

    def _add(self, name: str, done: Done) -> None:
        for hub, addend in done.addends.items():
            self.sums.setdefault(hub, Mean()).add(addend)
            self.writers.setdefault(hub, []).append(name)
        for key, value in done.scores.items():
            self.totals[key] = self.totals.get(key, 0.0) + value
        if done.scores:
            self.reporters.append(name)
        if done.disclosed:
            self.disclosed[name] = done.disclosed
        self.seconds[name] = done.seconds
        if done.addends:
            self.answered.append(name)


def _sound(addend: Addend, size: int) -> bool:
    """Whether an addend can enter a sum; its numbers are finite wherever its squared norm is."""
    if addend.vector.shape != (size,) or not addend.weight >= 0.0:
        return False
    return all(math.isfinite(n) for n in (float(addend.vector @ addend.vector), addend.spread, addend.weight))
