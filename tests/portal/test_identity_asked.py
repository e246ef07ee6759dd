"""What an identity provider is asked, and what it costs where it does not answer, answers slowly, or has new keys."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from lepton_fed.errors import ConfigError
from lepton_fed.portal.identity import asked, connection, kept, pending
from lepton_fed.portal.identity.asked import Asked
from lepton_fed.portal.identity.connection import Away, NotBelieved, ProviderConnection
from lepton_fed.portal.identity.kept import Kept
from lepton_fed.portal.identity.pending import Pending
from lepton_fed.portal.identity.provider import Provider
from lepton_fed.portal.serving import own_certificate
from tests.portal.browser import HERE
from tests.portal.identity_provider import CLIENT, SECRET, Claims, served
from tests.portal.identity_provider import Provider as Honest


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def honest() -> Iterator[Honest]:
    with served() as made:
        yield made


def connected(one: Honest, clock: Clock | None = None) -> ProviderConnection:
    made = Provider(issuer=one.issuer, client=CLIENT, secret=SECRET, address=HERE, shown="x")
    return ProviderConnection(made, clock=clock or Clock())


def claimed(one: Honest, there: ProviderConnection) -> str:
    """The subject for which a code was given."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    one.codes["c"] = {"nonce": "n", "code_challenge": challenge}
    return there.claims(code="c", nonce="n", verifier=verifier).subject


def nameless(one: Honest) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode({"alg": "RS256"}, claims, one.key)


def test_a_new_key_is_asked_for_where_tokens_name_none(honest: Honest) -> None:
    clock = Clock()
    there = connected(honest, clock)
    honest.sign = nameless(honest)
    assert claimed(honest, there) == "s-1"
    honest.rotate()
    with pytest.raises(NotBelieved):
        claimed(honest, there)
    clock.now += connection.AGAIN + 1
    assert claimed(honest, there) == "s-1"
    assert honest.asked.count("/keys") == 2


def test_a_bad_signature_by_a_key_that_is_named_asks_for_nothing(honest: Honest) -> None:
    clock = Clock()
    there = connected(honest, clock)
    assert claimed(honest, there) == "s-1"
    clock.now += connection.AGAIN + 1
    other = Honest()
    other.rotate("one")
    honest.sign = other.signed
    with pytest.raises(NotBelieved):
        claimed(honest, there)
    assert honest.asked.count("/keys") == 1


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # Providers still use the older name.
@pytest.mark.parametrize("name", ["Ed25519", "EdDSA"])
def test_the_hash_of_an_access_token_goes_with_either_name_of_ed25519(honest: Honest, name: str) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    honest.key = key  # type: ignore[assignment]
    half = base64.urlsafe_b64encode(hashlib.sha512(b"a").digest()[:32]).rstrip(b"=").decode()
    honest.sign = lambda claims: jwt.encode({"alg": name, "kid": "ed"}, claims, key, algorithms=[name])
    honest.said = {"at_hash": half}
    assert claimed(honest, connected(honest)) == "s-1"
    honest.said = {"at_hash": "A" * len(half)}
    with pytest.raises(NotBelieved):
        claimed(honest, connected(honest))


def test_a_provider_that_was_away_is_left_alone_for_some_seconds() -> None:
    clock, dialled = Clock(), 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

        def hang_up() -> None:
            nonlocal dialled
            for _ in range(2):
                taken, _ = listening.accept()
                dialled += 1
                taken.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        ask = Asked(None, clock)
        for _ in range(5):
            with pytest.raises(Away):
                ask("GET", address)
        assert dialled == 1
        clock.now += asked.QUIET
        with pytest.raises(Away):
            ask("GET", address)
        thread.join()
    assert dialled == 2


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(asked, "SECONDS", 0.5)
    first = {"head": b"HTTP/1.1 200 OK\r\nX: ", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"}[part]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle() -> None:
            taken, _ = listening.accept()
            with taken:
                try:
                    taken.sendall(first)
                    for _ in range(600):
                        taken.sendall(b" ")
                        time.sleep(0.1)
                except OSError:
                    pass

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(Away, match="TimeoutError"):
            Asked(None, time.monotonic)("GET", f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()


def test_one_asks_and_the_others_go_on_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PATIENCE", 0.1)
    clock, going, asking = Clock(), threading.Event(), threading.Event()
    answers = iter(["old", "new"])

    def ask() -> str:
        if (found := next(answers)) == "new":
            asking.set()
            going.wait(20)
        return found

    one = Kept(ask, clock)
    assert one.get(60) == "old"
    clock.now += 100
    with ThreadPoolExecutor(1) as threads:
        newest = threads.submit(one.get, 60)
        assert asking.wait(20)
        assert one.get(3600) == "old", "an hour is not over"
        with pytest.raises(Away):
            one.get(60)
        going.set()
        assert newest.result() == "new"
    assert one.get(60) == "new"


@contextmanager
def secured(folder: Path) -> Iterator[tuple[str, Path]]:
    """Something that answers in TLS with a certificate of an authority that only a file names."""
    own = own_certificate(folder, "localhost", datetime.now(UTC))
    assert own.authority is not None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Not to the tests' output."""

        def handle_error(self, *_: Any) -> None:
            """Nor this."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/", own.authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_certificates_that_the_machine_trusts_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with secured(tmp_path) as (address, authority):
        with pytest.raises(Away):
            Asked(None, Clock())("GET", address)
        assert Asked(authority, Clock())("GET", address) == {}
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert Asked(None, Clock())("GET", address) == {}


def test_a_file_of_certificates_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no certificates"):
        Asked(tmp_path / "none.pem", Clock())


def test_where_to_go_on_to_is_kept_up_to_a_length() -> None:
    made = Pending()
    whole = "/" + "a" * (pending.LONGEST - 1)
    assert made.begin(whole, 0.0)[1].back == whole
    assert made.begin(whole + "a", 0.0)[1].back == "/"


def test_whoever_never_came_back_is_forgotten_by_time() -> None:
    made = Pending()
    for k in range(100):
        made.begin("/", float(k))
    made.begin("/", 99.0 + pending.SECONDS)
    assert len(made._attempts) == 2


def test_the_attempts_of_one_place_push_out_their_own_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "MOST", 10)
    made = Pending()
    cookie, attempt = made.begin("/", 0.0, "there")
    for _ in range(100):
        made.begin("/", 1.0, "a flood")
    assert len(made._attempts) == 10
    assert made.finish(cookie, attempt.state, 2.0) is not None
    for k in range(100):
        made.begin("/", 2.0, f"place {k}")
    assert len(made._attempts) == 10
