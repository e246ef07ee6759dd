"""The coordinator holds one accumulator and the vector in flight, whatever the number of departments."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from lepton_fed.secagg.canonical import Wire
from lepton_fed.secagg.client import Contribution
from lepton_fed.secagg.messages import Delivery
from lepton_fed.secagg.server import secure_sum
from tests.secagg.federation import Federation, group


@pytest.mark.parametrize("count", [4, 12])
def test_peak_memory_does_not_grow_with_departments(count: int) -> None:
    federation, length = Federation.of(count), 1_000_000
    one = Contribution(np.ones(length, np.float32), np.ones(2))
    for department in federation.departments.values():
        department.contributions = {"model": one}
    plan = federation.plan((group(federation.names, length=length),))
    flow = secure_sum(plan, federation.roster, federation.advertised())

    def replies(requests: dict[str, Wire]) -> Iterator[tuple[str, Wire]]:
        for name, request in requests.items():
            yield name, federation.departments[name].handle(request)

    requests = next(flow)
    while not isinstance(next(iter(requests.values())), Delivery):
        requests = flow.send(replies(requests))
    tracemalloc.start()
    try:
        while True:
            requests = flow.send(replies(requests))
    except StopIteration as end:
        outcome = end.value
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (outcome.sums["model", "all"].vector == count).all()
    assert peak < 2.7 * one.vector.nbytes
