"""What is said to an identity provider, and what is believed of its answers (OpenID Connect Core, code flow with PKCE).

    address(state, nonce, verifier) ──browser──► the provider ──browser──► code ──► claims(code, nonce, verifier)

Believed is an ID token of this issuer for this client, signed by one of its keys, that has not ended and repeats the
nonce. Keys are asked for again when a token names one that is not known, once a minute at most.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from lepton_fed.errors import ConfigError, LeptonError
from lepton_fed.portal.identity.provider import Provider, require_secured

SECONDS = 10.0
LARGEST = 512 * 1024
KEPT = 3600.0
"""Seconds for which what the provider says of itself is kept."""

AGAIN = 60.0
LEEWAY = 60
"""Seconds that its clock may differ from ours."""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures with a key that only the provider has: not `none`, and not those of a shared secret."""


class NotBelieved(LeptonError):
    """What came from the provider is not what a provider says to us; why is for the log."""


class Away(LeptonError):
    """The provider does not answer."""


@dataclass(frozen=True)
class Claims:
    """Who somebody is: `subject` for ever, the rest as the provider has it today."""

    issuer: str
    subject: str
    said: Mapping[str, object]


class ProviderConnection:
    """Threads may share one."""

    def __init__(self, provider: Provider, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._about: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser."""
        at = self._endpoint("authorization_endpoint")
        asked = {
            "response_type": "code",
            "client_id": self.provider.client,
            "redirect_uri": self.provider.back,
            "scope": " ".join(self.provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{at}{'&' if urlsplit(at).query else '?'}{urlencode(asked)}"

    def claims(self, *, code: str, nonce: str, verifier: str) -> Claims:
        """What the provider says of whoever brought the code; NotBelieved, Away."""
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.provider.back,
            "code_verifier": verifier,
        }
        who = httpx.BasicAuth(self.provider.client, self.provider.secret)
        answer = self._asked("POST", self._endpoint("token_endpoint"), data=given, auth=who)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotBelieved(f"the token endpoint refused ({str(answer.get('error', 'no ID token'))[:100]})")
        return self._believed(token, nonce, answer.get("access_token"))

    def _believed(self, token: str, nonce: str, access_token: object) -> Claims:
        try:
            found = self._decoded(token)
            expected = {
                "iss": {"essential": True, "values": [self.provider.issuer]},
                "aud": {"essential": True, "value": self.provider.client},
                "nonce": {"essential": True, "value": nonce},
            }
            about = {"nonce": nonce, "client_id": self.provider.client}
            if isinstance(access_token, str):
                about["access_token"] = access_token
            claims = CodeIDToken(found.claims, found.header, expected, about)
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotBelieved(f"the ID token is not believed ({type(error).__name__}: {error})") from None
        if not isinstance(subject := found.claims.get("sub"), str) or not 0 < len(subject) <= 255:
            raise NotBelieved("the ID token names no subject")
        return Claims(self.provider.issuer, subject, dict(found.claims))

    def _decoded(self, token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(token, self._key_set(), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(token, self._key_set(newest=True), registry=registry)

    def _key_set(self, *, newest: bool = False) -> KeySet:
        with self._lock:
            now = self._clock()
            kept = self._keys
            if kept is None or now - kept[0] > (AGAIN if newest else KEPT):
                self._keys = kept = (now, KeySet.import_key_set(dict(self._asked("GET", self._endpoint("jwks_uri")))))  # type: ignore[arg-type]
            return kept[1]

    def _endpoint(self, name: str) -> str:
        found = self._metadata().get(name)
        if not isinstance(found, str):
            raise NotBelieved(f"the provider names no {name}")
        try:
            require_secured(found, name)
        except ConfigError as error:
            raise NotBelieved(str(error)) from None
        return found

    def _metadata(self) -> Mapping[str, Any]:
        now = self._clock()
        if self._about is None or now - self._about[0] > KEPT:
            found = self._asked("GET", self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self.provider.issuer:
                raise NotBelieved("the provider calls itself otherwise than the portal's file does")
            self._about = (now, found)
        return self._about[1]

    def _asked(self, method: str, address: str, **more: Any) -> Mapping[str, Any]:
        """A JSON object, small enough; no redirect is followed."""
        try:
            trusted = (
                True if self.provider.authority is None else ssl.create_default_context(cafile=self.provider.authority)
            )
            with (
                httpx.Client(verify=trusted, timeout=SECONDS, trust_env=False) as client,
                client.stream(method, address, headers={"Accept": "application/json"}, **more) as answer,
            ):
                body = b"".join(_bounded(answer))
                found = httpx.Response(answer.status_code, content=body).json()
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise Away(f"the identity provider does not answer ({type(error).__name__})") from None
        except ValueError:
            raise NotBelieved("the provider answers with something else than JSON") from None
        if not isinstance(found, dict) or (answer.status_code != 200 and "error" not in found):
            raise NotBelieved(f"the provider answers {answer.status_code}")
        return found


def _bounded(answer: httpx.Response) -> list[bytes]:
    parts, size = [], 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > LARGEST:
            raise ValueError("too large")
        parts.append(part)
    return parts
