"""What is said to an identity provider, and what is believed of its answers (OpenID Connect Core, code flow with PKCE).

    address(state, nonce, verifier) ──browser──► the provider ──browser──► code ──► claims(code, nonce, verifier)

Believed is an ID token of this issuer for this client, signed by one of its keys, that has not ended and repeats the
nonce. Keys are asked for again when a token names one that is not known, once a minute at most.
"""

from __future__ import annotations

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
from joserfc.jws import JWSRegistry, extract_compact

from lepton_fed.errors import ConfigError
from lepton_fed.portal.identity.asked import Asked
from lepton_fed.portal.identity.kept import Kept
from lepton_fed.portal.identity.provider import Provider, require_secured
from lepton_fed.portal.identity.refusals import Away, NotBelieved

__all__ = ["Away", "Claims", "NotBelieved", "ProviderConnection"]

KEPT = 3600.0
"""Seconds for which what the provider says of itself is kept."""

AGAIN = 60.0
LEEWAY = 60
"""Seconds that its clock may differ from ours."""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures with a key that only the provider has: not `none`, and not those of a shared secret."""


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
        self._asked = Asked(provider.authority, clock)
        self._about = Kept(self._metadata, clock)
        self._keys = Kept(self._key_set, clock)

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
            # Authlib knows the hash that goes with Ed25519 by the older name alone.
            header = found.header | ({"alg": "EdDSA"} if found.header["alg"] == "Ed25519" else {})
            claims = CodeIDToken(found.claims, header, expected, about)
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotBelieved(f"the ID token is not believed ({type(error).__name__}: {error})") from None
        if not isinstance(subject := found.claims.get("sub"), str) or not 0 < len(subject) <= 255:
            raise NotBelieved("the ID token names no subject")
        return Claims(self.provider.issuer, subject, dict(found.claims))

    def _decoded(self, token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(token, self._keys.get(KEPT), registry=registry)
        except InvalidKeyIdError:
            pass
        except JoseError:
            # Of a token that names no key only its signature tells that the key is another one now.
            if "kid" in extract_compact(token.encode()).headers():
                raise
        return jwt.decode(token, self._keys.get(AGAIN), registry=registry)

    def _key_set(self) -> KeySet:
        return KeySet.import_key_set(dict(self._asked("GET", self._endpoint("jwks_uri"))))  # type: ignore[arg-type]

    def _endpoint(self, name: str) -> str:
        found = self._about.get(KEPT).get(name)
        if not isinstance(found, str):
            raise NotBelieved(f"the provider names no {name}")
        try:
            require_secured(found, name)
        except ConfigError as error:
            raise NotBelieved(str(error)) from None
        return found

    def _metadata(self) -> Mapping[str, Any]:
        found = self._asked("GET", self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self.provider.issuer:
            raise NotBelieved("the provider calls itself otherwise than the portal's file does")
        return found
