"""The round as a whole: exact sums, drop-outs at every exchange, recovery, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_fed.secagg.errors import RoundFailed
from tests.secagg.federation import Federation, expected, without


def same(sum_, wanted) -> None:
    assert np.array_equal(sum_.vector, wanted.vector)
    assert np.array_equal(sum_.scalars, wanted.scalars)


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10])
def test_the_sum_of_everybody_is_exact(count: int) -> None:
    federation = Federation.of(count)
    outcome = federation.run(federation.plan())
    assert outcome.survivors == federation.names
    same(outcome.sums["model", "all"], expected(federation, federation.names))


@pytest.mark.parametrize("exchange", [1, 2, 3, 4])
@pytest.mark.parametrize("gone", [("d00",), ("d03", "d09"), ("d05",)])
def test_drop_outs_at_every_exchange_leave_the_sum_over_the_survivors(exchange: int, gone: tuple[str, ...]) -> None:
    federation = Federation.of(10)
    outcome = federation.run(federation.plan(), without(*gone, exchange=exchange))
    left = tuple(n for n in federation.names if exchange > 2 or n not in gone)
    assert outcome.survivors == left
    same(outcome.sums["model", "all"], expected(federation, left))
    assert outcome.reasons == dict.fromkeys(gone, "did not answer")


@pytest.mark.parametrize(("exchange", "spent"), [(1, False), (2, True), (3, True), (4, True)])
def test_too_many_drop_outs_fail_cleanly_and_say_whether_the_model_is_spent(exchange: int, spent: bool) -> None:
    federation = Federation.of(10)
    with pytest.raises(RoundFailed) as failure:
        federation.run(federation.plan(), without("d00", "d01", "d02", "d03", exchange=exchange))
    assert failure.value.spent is spent
