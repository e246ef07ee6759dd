"""What the tests of the coordinator's process need around them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from flwr.supercore.task_identity import TaskIdentity


@pytest.fixture(autouse=True)
def coordinators_leave_no_trace() -> Iterator[None]:
    """A coordinator says once per process who it is, and Flower writes its log to the terminal."""
    level = logging.getLogger("flwr").level
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("flwr").setLevel(level)
    TaskIdentity._run_id = TaskIdentity._node_id = TaskIdentity._task_id = None
