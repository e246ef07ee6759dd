"""A privacy account: what is spent only grows, never beyond the limit, and one question is paid for once."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.privacy import Account, Booking, Limit, MemoryAccounts, Overspent
from lepton_fed.secagg.skellam import NOTHING, ORDERS, Cost, cost

LIMIT = Limit(8.0, 1e-5)


def one(number: int, multiplier: float = 4.0, distance: float = 0.0) -> Booking:
    """A release of 100 entries under this noise multiplier."""
    spent = cost(100, 1.0, 2.0**12, (multiplier * 2.0**12) ** 2)
    return Booking(number.to_bytes(32, "big"), f"release {number}", number, spent, distance)


requests = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([2.0, 4.0, 8.0, 16.0])), max_size=40)


@given(requests, st.sampled_from([0.5, 2.0, 8.0]))
def test_an_account_does_what_a_set_of_paid_questions_does(asked: list[tuple[int, float]], budget: float) -> None:
    limit, account, paid = Limit(budget, 1e-5), Account(), dict[int, Booking]()
    for number, multiplier in asked:
        booking = one(number, multiplier)
        would_be = {**paid, number: booking} if number not in paid else paid
        total = Cost(tuple(sum(values) for values in zip(*(b.cost.rdp for b in would_be.values()), strict=True)))
        same = paid.get(number, booking) == booking
        try:
            account = account.book(booking, limit)
            paid = would_be
            assert same
        except Overspent:
            assert not same or total.epsilon(1e-5) > budget * (1 - 1e-12)
        assert account.bookings == tuple(paid.values())
        assert account.epsilon(1e-5) <= budget


@given(st.permutations(range(6)))
def test_the_order_of_bookings_changes_nothing(order: list[int]) -> None:
    account = Account()
    for number in order:
        account = account.book(one(number, 3.0 + number), Limit(100.0, 1e-5))
    assert account.epsilon(1e-5) == Account(tuple(one(k, 3.0 + k) for k in range(6))).epsilon(1e-5)


def test_nothing_booked_has_cost_nothing() -> None:
    assert Account().epsilon(1e-5) == 0.0


def test_one_question_is_paid_for_once_and_never_at_two_prices() -> None:
    account = Account().book(one(1), LIMIT)
    assert account.book(one(1), LIMIT) is account
    with pytest.raises(Overspent, match="booked before at another cost"):
        account.book(one(1, 2.0), LIMIT)


def test_the_sentence_says_what_is_spent_of_what() -> None:
    account = Account().book(one(1), Limit(1.2, 1e-5))
    with pytest.raises(Overspent, match=r"its privacy budget is spent: 1\.\d+ of 1\.2 at delta 1e-05, and this rel"):
        account.book(one(2), Limit(1.2, 1e-5))


def test_what_samplers_leave_out_is_taken_from_delta() -> None:
    exact, cut = Account((one(1),)), Account((one(1, distance=9e-6),))
    assert cut.epsilon(1e-5) == exact.epsilon(1e-5 - 9e-6) > exact.epsilon(1e-5)
    assert Account((one(1, distance=2e-5),)).epsilon(1e-5) == inf
    with pytest.raises(Overspent):
        Account().book(one(1, distance=1e-5), LIMIT)


@pytest.mark.parametrize("value", [-1.0, inf, float("nan")])
def test_a_cost_that_is_no_cost_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite number from 0 up"):
        Booking(bytes(32), "", 1, Cost((value, *NOTHING.rdp[1:])))
    with pytest.raises(ValueError, match="one finite number"):
        Booking(bytes(32), "", 1, Cost((0.0,) * (len(ORDERS) - 1)))


def test_a_limit_is_a_budget_at_a_delta() -> None:
    for budget in (0.0, -1.0, inf):
        with pytest.raises(ValueError, match="budget must be a positive number"):
            Limit(budget, 1e-5)
    with pytest.raises(ValueError, match="delta must be between 0 and 1"):
        Limit(1.0, 1.0)


def test_accounts_are_apart_by_data_set() -> None:
    accounts = MemoryAccounts()
    accounts.book("生产线数据", one(1), LIMIT)
    assert accounts.read("物料管理") == Account()
    assert accounts.read("生产线数据").bookings == (one(1),)
