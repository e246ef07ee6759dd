"""What is wrong with an identity provider: it is not believed, or it is away."""

from __future__ import annotations

from lepton_fed.errors import LeptonError


class NotBelieved(LeptonError):
    """What came from the provider is not what a provider says to us; why is for the log."""


class Away(LeptonError):
    """The provider does not answer."""
