"""A small identity provider on this machine, honest unless it is told to lie about one thing."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "portal", "a secret of two"

Claims = dict[str, Any]


@functools.cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one"})


class Provider:
    """`claims`: changes what it says of somebody; `header`, `sign`: how an ID token is signed."""

    def __init__(self) -> None:
        self.codes: dict[str, dict[str, str]] = {}
        self.key = _first_key()
        self.subject, self.said = "s-1", {"preferred_username": "Wang", "name": "王芳"}
        self.claims: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.issuer = self.calls_itself = ""
        self.asked: list[str] = []

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def rotate(self, kid: str = "") -> None:
        """Another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": kid or secrets.token_hex(4)})

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes on to, with a code."""
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert query["client_id"] == CLIENT
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        """What a code is worth, once, to whoever began with its challenge."""
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if authorization != f"Basic {expected}" or asked is None or challenge.decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300}
        token = self.sign(self.claims({**claims, "nonce": asked["nonce"], **self.said}))
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}

    def answer(self, path: str) -> tuple[int, Claims]:
        self.asked.append(path)
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        assert path == "/.well-known/openid-configuration"
        at = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return 200, {"issuer": self.calls_itself, **{key: f"{self.issuer}/{where}" for key, where in at.items()}}


def unsigned(claims: Claims) -> str:
    """An ID token that says that it needs no signature."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def with_shared_secret(key: RSAKey) -> Callable[[Claims], str]:
    """An ID token signed by what everybody can read: the public key, taken for a secret."""

    def sign(claims: Claims) -> str:
        said = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
        return f"{said}.{_written(hmac.digest(key.as_pem(private=False), said.encode(), 'sha256'))}"

    return sign


def _part(value: object) -> str:
    return _written(json.dumps(value).encode())


def _written(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@contextmanager
def served() -> Iterator[Provider]:
    """One on a port of 127.0.0.1."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(dict(parse_qsl(parts.query))))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._json(*provider.answer(parts.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            self._json(*provider.token(form, self.headers.get("Authorization", "")))

        def _json(self, status: int, value: Claims) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = provider.calls_itself = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
