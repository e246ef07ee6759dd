"""One data set's privacy account: what its releases have cost together, and whether another one still fits.

    Account --book(booking, limit)--> Account        or Overspent, and nothing has changed

    spent = epsilon of (sum of all RDP costs, order by order) at delta - (sum of what samplers leave out)

Costs are of one adjacency: the department's whole contribution set to zero (`lepton_fed.secagg.skellam`). They are
kept as they were computed, and are added up exactly rounded, so no order of booking gains anything. `Account` is the
value and holds every rule; whoever keeps accounts (`Accounts`) makes it durable. A booking comes before its numbers
leave: a department that is killed in between has wasted budget, and never overspends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import fsum, inf, isfinite
from typing import Protocol

from lepton_fed.secagg.skellam import ORDERS, Cost

BYTES_OF_QUESTION = 32


class Overspent(Exception):
    """The budget does not allow the booking; says why. The caller turns it into its refusal."""


@dataclass(frozen=True)
class Limit:
    """How much may be spent: `budget` is an epsilon at `delta`."""

    budget: float
    delta: float

    def __post_init__(self) -> None:
        if not 0 < self.budget < inf:
            raise ValueError(f"a privacy budget must be a positive number, not {self.budget}")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta must be between 0 and 1, not {self.delta}")


@dataclass(frozen=True)
class Booking:
    """One release that was paid for.

    `question`: 32 bytes that name what was asked (`Plan.instance`); the same question is booked once. `about`: a line
    for a person. `distance`: what the release adds to delta, since its noise is drawn from finite tables.
    """

    question: bytes
    about: str
    round: int
    cost: Cost
    distance: float = 0.0

    def __post_init__(self) -> None:
        if len(self.question) != BYTES_OF_QUESTION:
            raise ValueError(f"a question is named by {BYTES_OF_QUESTION} bytes, found {len(self.question)}")
        if len(self.cost.rdp) != len(ORDERS) or not all(isfinite(one) and one >= 0 for one in self.cost.rdp):
            raise ValueError("a cost is one finite number from 0 up for each order")
        if not 0 <= self.distance < 1:
            raise ValueError(f"what a release adds to delta is from 0 up and below 1, not {self.distance}")


@dataclass(frozen=True)
class Account:
    """All bookings of one data set, in their order.

    >>> from lepton_fed.secagg.skellam import cost
    >>> one = Booking(bytes(32), "round 1", 1, cost(entries=100, norm=1.0, scale=2.0**12, variance=2.0**28))
    >>> account = Account().book(one, Limit(8.0, 1e-5))
    >>> account.book(one, Limit(8.0, 1e-5)) == account
    True
    >>> round(account.epsilon(1e-5), 2)
    1.01
    """

    bookings: tuple[Booking, ...] = ()

    def book(self, booking: Booking, limit: Limit) -> Account:
        """With one booking more; itself if the question was booked before. Overspent beyond the limit."""
        known = self._by_question.get(booking.question)
        if known is not None:
            if (known.cost, known.distance) != (booking.cost, booking.distance):
                raise Overspent("this very question was booked before at another cost; ask for a new attempt")
            return self
        after = Account((*self.bookings, booking))
        spent = after.epsilon(limit.delta)
        if spent > limit.budget:
            raise Overspent(
                f"its privacy budget is spent: {self.epsilon(limit.delta):.4g} of {limit.budget:g} at delta "
                f"{limit.delta:g}, and this release would make it {spent:.4g}"
            )
        return after

    def epsilon(self, delta: float) -> float:
        """What has been spent at `delta`; infinite where the samplers' distances leave nothing of delta."""
        if not self.bookings:
            return 0.0
        left = delta - self.distance
        return self.cost.epsilon(left) if left > 0 else inf

    @cached_property
    def cost(self) -> Cost:
        """All costs together: `(len(ORDERS),)`, each sum rounded once."""
        return Cost(tuple(map(fsum, zip(*(one.cost.rdp for one in self.bookings), strict=True))))

    @cached_property
    def distance(self) -> float:
        return fsum(one.distance for one in self.bookings)

    @cached_property
    def _by_question(self) -> dict[bytes, Booking]:
        return {one.question: one for one in self.bookings}


class Accounts(Protocol):
    """Where accounts are kept, by the name of the data set."""

    def read(self, data_set: str) -> Account:
        """The account as it is now; empty where nothing was booked."""

    def book(self, data_set: str, booking: Booking, limit: Limit) -> Account:
        """Books durably, in one step with looking what is left: no other process can book in between.

        Returns once a power cut could not undo it. Overspent: nothing was booked.
        """


class MemoryAccounts:
    """Accounts for tests: they survive nothing but their own process."""

    def __init__(self, accounts: Iterable[tuple[str, Account]] = ()) -> None:
        self.accounts = dict(accounts)

    def read(self, data_set: str) -> Account:
        return self.accounts.get(data_set, Account())

    def book(self, data_set: str, booking: Booking, limit: Limit) -> Account:
        self.accounts[data_set] = self.read(data_set).book(booking, limit)
        return self.accounts[data_set]
