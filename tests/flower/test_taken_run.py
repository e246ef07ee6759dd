"""Tests of the resident coordinator's hold on a run: how it begins, how it ends, what the SuperLink is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from flwr.common.constant import SubStatus
from flwr.proto.message_pb2 import Context
from flwr.proto.run_pb2 import Run
from flwr.proto.runtime_pb2 import AcquireTaskResponse, PullTaskInputResponse
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity

from lepton_fed.errors import LeptonError, RoundError
from lepton_fed.flower.taken_run import taken_run

AUTHORITY, SECRET = b"", b"a secret of the runtime"


@dataclass(eq=False)
class Runtime:
    """Stands for the SuperLink: the run appears at the third look."""

    looks: int = 0
    ends: list[tuple[str, str]] = field(default_factory=list)
    closed: int = 0

    def AcquireTask(self, request: Any) -> AcquireTaskResponse:
        assert list(request.supported_task_types) == ["flwr-serverapp"]
        self.looks += 1
        answer = AcquireTaskResponse()
        if self.looks >= 3:
            answer.task.task_id = 9
            answer.token = "a token"
        return answer

    def PullTaskInput(self, request: Any) -> PullTaskInputResponse:
        return PullTaskInputResponse(context=Context(run_id=5, node_id=1), run=Run(run_id=5), task_id=9)

    def PushTaskOutput(self, request: Any) -> None:
        self.ends.append((request.sub_status, request.details))

    def SendTaskHeartbeat(self, request: Any) -> None: ...

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    runtime = Runtime()
    monkeypatch.setattr(RuntimeHttpClient, "from_server_address", lambda *_, **__: runtime)
    monkeypatch.setitem(inflatable_utils.pull_objects.__kwdefaults__, "initial_backoff", 1)
    yield runtime
    assert runtime.closed == 2 or runtime.looks < 3


def taken(timeout: float = 60.0, waited: list[float] | None = None) -> Any:
    pauses = waited if waited is not None else []
    return taken_run("localhost:1", AUTHORITY, SECRET, timeout, pauses.append)


def test_a_run_is_taken_when_somebody_submits_it(runtime: Runtime) -> None:
    waited: list[float] = []
    with taken(waited=waited) as grid:
        assert grid.run.run_id == 5
        assert (TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id) == (5, 1, 9)
    assert len(waited) == 2
    assert runtime.ends == [(SubStatus.COMPLETED, "")]


def test_nobody_waits_for_ever(runtime: Runtime) -> None:
    with pytest.raises(RoundError, match="nobody submitted"), taken(timeout=0.0):
        pass


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (RoundError("round 3 has no update"), "round 3 has no update"),
        (ValueError("row 17: 李明"), "ValueError at the coordinator; its log says more"),
        (KeyboardInterrupt(), "the coordinator was interrupted"),
    ],
)
def test_a_run_that_fails_says_so_and_no_more(runtime: Runtime, raised: BaseException, told: str) -> None:
    with pytest.raises(type(raised)), taken():
        raise raised
    assert runtime.ends == [(SubStatus.FAILED, told)]


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (RunNotRunningException(), "the run was stopped"),
        (
            httpx.HTTPStatusError("400", request=httpx.Request("POST", "https://x"), response=httpx.Response(400)),
            "refused the coordinator with status 400",
        ),
    ],
)
def test_what_the_superlink_says_no_to_is_a_sentence(runtime: Runtime, raised: Exception, sentence: str) -> None:
    with pytest.raises(LeptonError, match=sentence), taken():
        raise raised
    assert len(runtime.ends) == 1
