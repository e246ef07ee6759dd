"""How long a coordinator waits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lepton_fed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a coordinator waits, in seconds; what one exchange may take at most stands in the federation file.

    `wait`: for departments to come, where too few are there. `grace`: at least, for the others, once as many have
    answered as an exchange needs.
    """

    wait: float = 600.0
    grace: float = 10.0

    def __post_init__(self) -> None:
        for name, seconds in (("--wait", self.wait), ("--grace", self.grace)):
            if not 0 <= seconds < math.inf:
                raise ConfigError(f"{name} must be a number of seconds from 0 up, not {seconds:g}")
