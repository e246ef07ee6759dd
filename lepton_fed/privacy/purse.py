"""A department's privacy account under its own limit: asked when a plan comes, paid before its numbers leave.

objection(plan)    when the plan is shown: would it be refused? nothing is booked
pay(plan)          before masked numbers leave: booked durably, or Overspent
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lepton_fed.privacy.account import Accounts, Booking, Limit, Overspent
from lepton_fed.secagg.plan import Plan, cost_to, sampling_distance

WITHOUT_NOISE = (
    "it keeps a privacy budget for its rows, and numbers without noise cost an infinite epsilon: ask for noise in the "
    "federation file, or take [privacy] out of its own file"
)
"""Why a department with a budget takes no part in a release without noise."""


@dataclass(frozen=True)
class Booked:
    """What a booking came to, for whoever keeps a log of it: epsilons at `delta`, before and after."""

    data_set: str
    booking: Booking
    before: float
    after: float
    delta: float


@dataclass(eq=False)
class Purse:
    """One data set's account at its department. `booked` is told of every new booking, before any number leaves."""

    accounts: Accounts
    data_set: str
    limit: Limit
    booked: Callable[[Booked], None] = lambda _: None

    @property
    def spent(self) -> float:
        """Epsilon so far, at the limit's delta."""
        return self.accounts.read(self.data_set).epsilon(self.limit.delta)

    def objection(self, plan: Plan, department: str) -> str | None:
        """Why the department cannot afford this plan; None if it can, as things are now."""
        booking = booking_of(plan, department)
        if booking is None:
            return WITHOUT_NOISE
        try:
            self.accounts.read(self.data_set).book(booking, self.limit)
        except Overspent as error:
            return str(error)
        return None

    def pay(self, plan: Plan, department: str) -> None:
        """Books the plan's cost; Overspent if it is too much, and then the numbers must not leave."""
        booking = booking_of(plan, department)
        if booking is None:
            raise Overspent(WITHOUT_NOISE)
        before = self.accounts.read(self.data_set)
        after = self.accounts.book(self.data_set, booking, self.limit)
        if after != before:
            delta = self.limit.delta
            self.booked(Booked(self.data_set, booking, before.epsilon(delta), after.epsilon(delta), delta))


def booking_of(plan: Plan, department: str) -> Booking | None:
    """What taking part in a plan costs a department; None where some of its numbers carry no noise."""
    cost = cost_to(plan, department)
    if cost is None:
        return None
    names = ", ".join(group.name for group in plan.groups)
    about = f"{plan.federation}: {names} of round {plan.round}, attempt {plan.attempt}"
    return Booking(plan.instance, about, plan.round, cost, sampling_distance(plan))
