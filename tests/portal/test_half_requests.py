"""A connection whose request never comes is ended; one that is answered slowly is not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra `portal` is not installed")

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lepton_fed.portal import serving
from lepton_fed.portal.half_requests import impatient
from tests.portal.world import World

WITHIN = 0.2
ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

Begin = Callable[[bytes], socket.socket]


async def slow(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Answers when nobody would be waited for any longer."""
    await asyncio.sleep(3 * WITHIN)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def protocols() -> Iterator[Any]:
    yield H11Protocol
    with contextlib.suppress(ImportError):
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        yield HttpToolsProtocol


@pytest.fixture(params=list(protocols()), ids=lambda one: one.__name__)
def begin(request: pytest.FixtureRequest) -> Iterator[Begin]:
    """A connection to a server that begins when this has been sent: it waits for nothing that a test is slow to send.

    The loop of asyncio looks at what has come before it looks at its clock.
    """
    config = uvicorn.Config(
        slow,
        http=impatient(request.param, WITHIN),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=60,
    )
    server = uvicorn.Server(config)
    with (
        serving.listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname(), timeout=30) as line,
    ):
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})

        def begin(sent: bytes) -> socket.socket:
            line.sendall(sent)
            running.start()
            return line

        yield begin
        line.close()
        server.should_exit = True
        if running.ident is not None:
            running.join()


def is_ended(line: socket.socket) -> bool:
    """Whether nothing comes any more, which is waited for."""
    with contextlib.suppress(ConnectionError):
        return line.recv(100) == b""
    return True


def answered(line: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"ok") and (some := line.recv(100)):
        found += some
    return found


@pytest.mark.parametrize("sent", [b"", ASKED[:-2]])
def test_half_a_request_is_waited_for_in_vain_and_then_no_longer(begin: Begin, sent: bytes) -> None:
    assert is_ended(begin(sent))


def test_letters_that_go_on_coming_hold_no_connection(begin: Begin) -> None:
    line = begin(ASKED[:-2])
    with contextlib.suppress(ConnectionError):
        for _ in range(1_000):
            line.settimeout(WITHIN / 10)
            with contextlib.suppress(TimeoutError):
                if line.recv(100) == b"":
                    return
            line.sendall(b"a: b\r\n")
        pytest.fail("still there")


def test_a_request_is_answered_however_long_that_takes_and_half_a_further_one_is_ended(begin: Begin) -> None:
    line = begin(ASKED)
    assert answered(line).endswith(b"ok")
    line.sendall(ASKED)
    assert answered(line).endswith(b"ok")
    line.sendall(ASKED[:9])
    assert is_ended(line)


def test_the_portal_waits_no_longer_than_that(there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[object, float]]()

    def noted(http: Any, within: float) -> Any:
        asked.append((http, within))
        return impatient(http, within)

    monkeypatch.setattr(serving, "impatient", noted)
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: asked.append((server.config.http, len(sockets))))
    made = serving.own_certificate(tmp_path, "localhost", datetime.now(UTC))
    serving.serve(there.portal, "127.0.0.1", 0, made, lambda port: None)
    (_, within), (used, _) = asked
    assert within == serving.HEAD_WITHIN
    assert used.__name__ == "Impatient"  # type: ignore[attr-defined]
