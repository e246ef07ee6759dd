"""The coordinator takes a run's task from the SuperLink itself, instead of being started by it.

    with taken_run(address, authority, secret) as grid:      a Grid of Flower's for GridTransport
        ...                                                  the run is COMPLETED, or FAILED with the reason

Flower would start a process for the run's ServerApp and install the submitted bundle in it. Here the bundle is never
looked at: what runs is the coordinator's own installed code, in its own long-lived process.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
from flwr.common.constant import SubStatus
from flwr.common.serde import run_from_proto
from flwr.proto.message_pb2 import Context
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from lepton_fed.errors import LeptonError, RoundError
from lepton_fed.flower.grid import pause
from lepton_fed.flower.heartbeat import beating

TASK = "flwr-serverapp"
ACQUIRE = "/flwr.proto.Runtime/AcquireTask"

FIRST_PAUSE = 0.02
"""Seconds before an object that is not there yet is asked for again; Flower's own is a second."""


@contextmanager
def taken_run(
    address: str,
    authority: bytes,
    secret: bytes,
    timeout: float = 3600.0,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[HttpGrid]:
    """The Grid of the next run that somebody submits; RoundError if nobody does so in `timeout` seconds.

    `secret`: of the SuperLink's runtime interface. One run at a time in one process.
    """
    ask_quickly()
    grid = HttpGrid(address, False, authority, token=_acquired(address, authority, secret, timeout, wait))
    try:
        with beating(lambda: grid._runtime_client.SendTaskHeartbeat(SendTaskHeartbeatRequest())):
            context = _identified(grid)
            outcome = SubStatus.FAILED, "the coordinator was interrupted"
            try:
                with _explained():
                    yield grid
                outcome = SubStatus.COMPLETED, ""
            except LeptonError as error:
                outcome = SubStatus.FAILED, str(error)
                raise
            except Exception as error:
                # Its text may say anything, and the SuperLink shows it to whoever asks for the run.
                outcome = SubStatus.FAILED, f"{type(error).__name__} at the coordinator; its log says more"
                raise
            finally:
                _hand_in(grid, context, *outcome)
    finally:
        grid.close()


@contextmanager
def _explained() -> Iterator[None]:
    """What the SuperLink says no to inside, as a sentence."""
    try:
        yield
    except RunNotRunningException:
        raise RoundError("the run was stopped; submit it again to go on after its last round") from None
    except httpx.HTTPStatusError as error:
        raise RoundError(
            f"the SuperLink refused the coordinator with status {error.response.status_code}; its log says why"
        ) from None


def _hand_in(grid: HttpGrid, context: Context, status: str, details: str) -> None:
    """Says once how the run ended; a SuperLink that is gone will find out by itself."""
    grid._retry_invoker.max_tries = 1
    with suppress(httpx.HTTPError, RunNotRunningException):
        request = PushTaskOutputRequest(context=context, sub_status=status, details=details)
        grid._runtime_client.PushTaskOutput(request)


def ask_quickly() -> None:
    """Has Flower's Grid ask again soon for objects that are still on their way, in this process."""
    defaults = inspect.unwrap(inflatable_utils.pull_objects).__kwdefaults__
    defaults["initial_backoff"] = FIRST_PAUSE


def _acquired(address: str, authority: bytes, secret: bytes, timeout: float, wait: Callable[[float], None]) -> str:
    """The token of the next run's task."""
    interceptors: list[ProtobufClientInterceptor] = [
        RuntimeVersionHttpInterceptor(component_name="SuperExec"),
        SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=frozenset({ACQUIRE})),
    ]
    start = time.monotonic()
    with RuntimeHttpClient.from_server_address(
        address, False, authority, interceptors, retry_invoker=make_simple_http_retry_invoker()
    ) as queue:
        while True:
            answer = queue.AcquireTask(AcquireTaskRequest(supported_task_types=[TASK]))
            if answer.HasField("task") and answer.token:
                return str(answer.token)
            waited = time.monotonic() - start
            if waited >= timeout:
                raise RoundError(f"nobody submitted a run within {timeout:g} seconds; lepton-fed submit does so")
            wait(pause(waited, timeout))


def _identified(grid: HttpGrid) -> Context:
    """Says once for this process whose messages are written here; returns the run's context, to be handed back."""
    given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
    TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
    TaskIdentity.node_id = given.context.node_id
    grid.set_run(run_from_proto(given.run))
    return given.context
