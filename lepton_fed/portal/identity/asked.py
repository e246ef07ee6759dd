"""One question to an identity provider over HTTP: a JSON object, small enough, and all of it within a deadline.

A provider that did not answer is taken to be away for some seconds: whoever asks meanwhile waits for nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from lepton_fed.errors import ConfigError
from lepton_fed.portal.identity.refusals import Away, NotBelieved

SECONDS = 10.0
"""For the whole answer, however slowly it trickles."""

QUIET = 5.0
"""Seconds for which a provider that did not answer is not asked."""

LARGEST = 512 * 1024


class Asked:
    """Threads may share one. `authority`: as in `Provider`."""

    def __init__(self, authority: Path | None, clock: Callable[[], float]) -> None:
        try:
            self._trusted = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise ConfigError(f"{authority} holds no certificates that can be used: {error}") from None
        self._clock = clock
        self._away_until = float("-inf")

    def __call__(self, method: str, address: str, **more: Any) -> Mapping[str, Any]:
        """What it answers; no redirect is followed. NotBelieved, Away."""
        if self._clock() < self._away_until:
            raise Away("the identity provider did not answer a moment ago")
        try:
            status, body = asyncio.run(self._answer(method, address, **more))
            found = httpx.Response(status, content=body).json()
        except (httpx.HTTPError, OSError) as error:  # With what TLS refuses and the deadline.
            self._away_until = self._clock() + QUIET
            raise Away(f"the identity provider does not answer ({type(error).__name__})") from None
        except ValueError:
            raise NotBelieved("the provider answers with something else than JSON") from None
        if not isinstance(found, dict) or (status != 200 and "error" not in found):
            raise NotBelieved(f"the provider answers {status}")
        return found

    async def _answer(self, method: str, address: str, **more: Any) -> tuple[int, bytes]:
        # Timeouts of httpx are for each read: what trickles would never end. Only a coroutine can be stopped anywhere.
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(verify=self._trusted, timeout=SECONDS, trust_env=False) as client,
            client.stream(method, address, headers={"Accept": "application/json"}, **more) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise ValueError("too large")
            return answer.status_code, body
