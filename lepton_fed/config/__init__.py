"""The federation file: TOML in, checked settings out, and what they mean in plain words."""

from lepton_fed.config.consistency import require_consistent
from lepton_fed.config.explain import explain
from lepton_fed.config.federation import Federation

__all__ = ["Federation", "explain", "require_consistent"]
