"""A port that stops leaves no connection open, whatever its callers were about to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lepton_fed.flower.link_limits import Limits
from tests.flower.link import Place, connected, provisioned, received, started, until

pytestmark = pytest.mark.flower


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with started(provisioned(tmp_path / "停"), Limits(head=600.0, stall=600.0, refusals=(1e6, 1e6))) as place:
        yield place


@contextmanager
def stopping(place: Place) -> Iterator[None]:
    """It is being stopped in the block, and has stopped afterwards, with nothing left open."""
    stop = threading.Thread(target=place.link.stop)
    stop.start()
    try:
        until(lambda: not place.link._server.servers[0].is_serving())
        yield
    finally:
        stop.join(60)
    assert not stop.is_alive()
    assert not place.link._server.server_state.connections


def asking(place: Place) -> bytes:
    """The head of a request whose body is not sent."""
    said = f"POST /v1/control/stop HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nauthorization: Bearer {place.kit.token}"
    return f"{said}\r\n\r\n".encode()


def test_a_request_that_does_not_come_to_an_end_is_closed(place: Place) -> None:
    place.link._server.config.timeout_graceful_shutdown = 1
    with connected(place) as peer:
        peer.sendall(asking(place))
        until(lambda: place.link._server.server_state.tasks)
        with stopping(place):
            received(peer)


def test_who_shakes_hands_too_late_is_closed_and_not_waited_for(place: Place) -> None:
    place.link._server.config.timeout_graceful_shutdown = 60
    with connected(place) as first, socket.create_connection(("127.0.0.1", place.link.port), timeout=60) as second:
        first.sendall(asking(place))
        until(lambda: place.link._server.server_state.tasks and place.link._server.doors._all == 2)
        with stopping(place):
            with place.tls().wrap_socket(second, server_hostname="localhost") as late:
                assert received(late) == b""
            first.shutdown(socket.SHUT_RDWR)
