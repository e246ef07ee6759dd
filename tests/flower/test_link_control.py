"""Tests of the operator's interface: what is asked and answered, over the application and over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lepton_fed.deploy.kit import COORDINATOR, CoordinatorKit
from lepton_fed.deploy.provisioning import Provisioned
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.flower.link_control import control
from lepton_fed.flower.link_gate import CONTROL
from lepton_fed.flower.operator import Operator
from lepton_fed.local import free_port
from tests.flower.link import STATUS, Conducting, Place, provisioned, refused, started, until


@pytest.fixture
def conductor() -> Conducting:
    return Conducting()


@dataclass
class Client:
    """Asks the application without a wire."""

    conductor: Conducting

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._asked("GET", path))

    def post(self, path: str, **body: Any) -> httpx.Response:
        return asyncio.run(self._asked("POST", path, **body))

    async def _asked(self, method: str, path: str, **body: Any) -> httpx.Response:
        over = httpx.ASGITransport(control(self.conductor), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=over, base_url="http://here") as client:
            return await client.request(method, path, **body)


@pytest.fixture
def client(conductor: Conducting) -> Client:
    return Client(conductor)


# ---------------------------------------------------------------- what is asked


def test_every_question_reaches_the_conductor(client: Client, conductor: Conducting) -> None:
    bodies: dict[str, Any] = {"submit": {"federation": "一个文件"}, "logs": {"after": 7}}
    for name in sorted(CONTROL):
        answer = client.post(f"/v1/control/{name}", json=bodies.get(name, {}))
        assert (answer.status_code, answer.json()["state"]) == (200, "运行")
    assert conductor.asked == [("carry",), ("logs", 7), ("status",), ("stop",), ("submit", "一个文件")]


def test_logs_begin_at_the_first_line_where_nothing_is_said(client: Client, conductor: Conducting) -> None:
    assert client.post("/v1/control/logs").status_code == 200
    assert conductor.asked == [("logs", 0)]


def test_what_cannot_be_done_is_a_sentence(client: Client, conductor: Conducting) -> None:
    conductor.no = "一个运行正在进行; stop it first"
    for name in CONTROL:
        answer = client.post(f"/v1/control/{name}", json={"federation": ""})
        assert (answer.status_code, answer.text) == (409, conductor.no)


RUBBISH = [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"federation": 3}', b'{"federation": null}', b"\xff\xfe"]
RUBBISH += [b'{"federation": "\\ud800"}', b"[" * 100_000]


@pytest.mark.parametrize("body", RUBBISH)
def test_a_submission_that_does_not_read_is_refused(client: Client, conductor: Conducting, body: bytes) -> None:
    answer = client.post("/v1/control/submit", content=body)
    assert (answer.status_code, answer.text) == (422, "the body is no Submission in JSON")
    assert conductor.asked == []


@pytest.mark.parametrize("body", [b"[]", b'{"after": "x"}', b'{"after": 1.5}', b'{"after": 1e400}', b"rubbish"])
def test_a_question_about_the_log_that_does_not_read_is_refused(
    client: Client, conductor: Conducting, body: bytes
) -> None:
    assert client.post("/v1/control/logs", content=body).status_code == 422
    assert conductor.asked == []


def test_a_failure_of_ours_shows_nothing_of_itself(client: Client, conductor: Conducting) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("the token is 1234, in /srv/kit")

    conductor.status = fail  # type: ignore[method-assign]
    answer = client.post(STATUS)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


def test_health_says_whether_all_is_well_and_metrics_are_text(client: Client, conductor: Conducting) -> None:
    assert (client.get("/health").status_code, client.get("/health").json()) == (200, {"healthy": True})
    conductor.well = False
    assert (client.get("/health").status_code, client.get("/health").json()) == (503, {"healthy": False})
    metrics = client.get("/metrics")
    assert (metrics.text, metrics.headers["content-type"]) == ("rounds 3\n", "text/plain; version=1.0.0; charset=utf-8")


# ---------------------------------------------------------------- over the wire

pytestmark = pytest.mark.flower


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    return provisioned(tmp_path_factory.mktemp("控制"))


@pytest.fixture(scope="module")
def place(made: Provisioned) -> Iterator[Place]:
    with started(made) as place:
        yield place


@pytest.fixture
def operator(place: Place) -> Iterator[Operator]:
    place.conductor.asked, place.conductor.no = [], ""
    with Operator(place.kit, place.at) as operator:
        yield operator


def test_an_operator_asks_over_the_wire(place: Place, operator: Operator) -> None:
    assert operator.submit("一个文件")["state"] == "运行"
    assert operator.status()["state"] == operator.stop()["state"] == "运行"
    assert operator.logs(3) == [(1, "一行")]
    assert operator.carry()["state"] == "运行"
    assert place.conductor.asked == [("submit", "一个文件"), ("status",), ("stop",), ("logs", 3), ("carry",)]


def test_an_operator_is_told_in_a_sentence_what_cannot_be_done(place: Place, operator: Operator) -> None:
    place.conductor.no = "没有运行; submit one"
    with pytest.raises(ConfigError, match="没有运行; submit one"):
        operator.stop()
    assert (place.last().actor, place.last().action, place.last().outcome) == (
        "operator",
        "/v1/control/stop",
        "refused",
    )


def test_a_larger_question_than_anybody_may_ask_is_not_read(place: Place, operator: Operator) -> None:
    with refused(place, 413, "/v1/control/submit", "at most 1048576 bytes", actor="operator"):
        chunks = (bytes(2**16) for _ in range(17))
        place.ask("POST", "/v1/control/submit", headers=place.token, content=chunks).raise_for_status()
    assert place.conductor.asked == []


def test_rubbish_over_the_wire_is_refused_and_recorded(place: Place, operator: Operator) -> None:
    with refused(place, 422, "/v1/control/submit", "the answer was 422", actor="operator"):
        place.ask("POST", "/v1/control/submit", headers=place.token, content=b"rubbish").raise_for_status()


def test_an_operator_with_an_old_token_is_told_to_use_the_newest_kit(place: Place) -> None:
    with (
        Operator(replace(place.kit, token="0" * 64), place.at) as operator,
        pytest.raises(PeerError, match="use the newest kit") as raised,
    ):
        operator.status()
    assert raised.value.peer == COORDINATOR
    assert (place.last().actor, place.last().outcome) == ("", "refused")


def test_where_nobody_listens_an_operator_is_told_what_to_start(place: Place) -> None:
    with (
        Operator(place.kit, f"localhost:{free_port()}") as operator,
        pytest.raises(PeerError, match="lepton-fed server"),
    ):
        operator.status()


def test_another_authoritys_coordinator_is_not_told_the_token(place: Place, tmp_path: Path) -> None:
    other = CoordinatorKit.load(provisioned(tmp_path / "other").coordinator)
    before = len(place.sink.events)
    with Operator(other, place.at) as operator, pytest.raises(PeerError, match="no certificate of this federation"):
        operator.submit("a file")
    until(lambda: place.sink.events[before:])
    assert {(event.actor, event.action) for event in place.sink.events[before:]} == {("", "connect")}
    assert ("submit", "a file") not in place.conductor.asked


def test_the_token_is_not_shown(place: Place, operator: Operator) -> None:
    assert place.kit.token not in repr(operator) + repr(vars(operator))
