"""An operator's side of a coordinator's control interface: submit, stop, status, logs, carry, with the kit's token."""

from __future__ import annotations

from typing import Any

import httpx

from lepton_fed.closing import Closing
from lepton_fed.deploy.certificates import Address, client_context, clock_in
from lepton_fed.deploy.kit import COORDINATOR, CoordinatorKit
from lepton_fed.errors import ConfigError, PeerError
from lepton_fed.translation import Sentence, sentence, term

PATIENCE = 30.0
"""Seconds that an answer may take."""


class Operator(Closing):
    """Whoever holds the coordinator's kit. `address`: host:port, default: the kit's. Use it in a `with`."""

    def __init__(self, kit: CoordinatorKit, address: str | None = None) -> None:
        self.address = str(kit.address if address is None else Address.parse(address))
        self._client = httpx.Client(
            base_url=f"https://{self.address}",
            verify=client_context(kit.folder),
            headers={"authorization": f"Bearer {kit.token}"},
            timeout=PATIENCE,
            # A proxy of the environment would see the token's holder ask, and is not needed for one's own coordinator.
            trust_env=False,
        )

    def submit(self, federation: str) -> dict[str, Any]:
        """Begin the run of this federation file, or go on with it."""
        return self._asked("submit", {"federation": federation})

    def stop(self) -> dict[str, Any]:
        return self._asked("stop")

    def carry(self) -> dict[str, Any]:
        """Carry what departments want of each other now."""
        return self._asked("carry")

    def status(self) -> dict[str, Any]:
        return self._asked("status")

    def logs(self, after: int = 0) -> list[tuple[int, str]]:
        """Lines of the coordinator's log after a number, each with its own."""
        return [(int(number), str(line)) for number, line in self._asked("logs", {"after": after})["lines"]]

    def _asked(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """PeerError where the coordinator cannot be reached, ConfigError with its sentence where it says no."""
        try:
            answer = self._client.post(f"/v1/control/{what}", json=body or {})
        except httpx.HTTPError as error:
            raise PeerError(term(COORDINATOR), _why(error, self.address)) from None
        if answer.status_code in (401, 403):
            why = sentence("it does not know this kit's token; use the newest kit of the coordinator")
            raise PeerError(term(COORDINATOR), why)
        if answer.status_code == 409:
            raise ConfigError(answer.text)
        if answer.status_code != 200:
            why = sentence("it answers with status {status}; its log says why", status=answer.status_code)
            raise PeerError(term(COORDINATOR), why)
        said: dict[str, Any] = answer.json()
        return said

    def close(self) -> None:
        self._client.close()


def _why(error: httpx.HTTPError, address: str) -> Sentence:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return clock_in(str(error)) or sentence(
            "what answers at {address} has no certificate of this federation for that name; use the name that the kits "
            "were made with, or on the coordinator's machine localhost",
            address=address,
        )
    return sentence(
        "it cannot be reached at {address} ({kind}); start it with lepton-fed server, or say where it is with "
        "--address",
        address=address,
        kind=type(error).__name__,
    )
