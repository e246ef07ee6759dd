"""What the portal refuses, each with the key of a sentence that is there in every language.

PortalError
├── Unacceptable     what was sent cannot be used as it is
├── Sensitive        it holds what looks sensitive; carries the places
├── NotThere         no such thing, or none that this person may know of: the same answer
├── Nobody           nobody signs in by that name; for administrators, who may know that
├── Forbidden        the person may see it, and may not do that
├── Conflict         it has changed meanwhile, or is not in the state for that
├── Unready          something has to be put right before that; says how much
├── TooLarge         more than is read of a request
└── TooMany          too often in too short a time; says when to come back
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lepton_fed.errors import LeptonError
from lepton_fed.portal.wording import wording
from lepton_fed.translation import translated

if TYPE_CHECKING:
    from lepton_fed.portal.entries.sensitive import Finding


class PortalError(LeptonError):
    """A refusal; as text it is the English sentence."""

    status = 400

    def __init__(self, key: str, **values: object) -> None:
        self.key, self.values = key, values
        super().__init__(self.said("en"))

    def said(self, language: str) -> str:
        """The sentence in a language, with those of the federation in it as far as they have words there."""
        values = {k: translated(v, language) if isinstance(v, str) else v for k, v in self.values.items()}
        return wording(language)(f"error.{self.key}", **values)


class Unacceptable(PortalError):
    """What was sent cannot be used as it is."""

    status = 422


class Sensitive(PortalError):
    """A text holds what looks sensitive, and nobody has said what to do about it."""

    status = 409

    def __init__(self, title: tuple[Finding, ...], body: tuple[Finding, ...]) -> None:
        self.title, self.body = title, body
        super().__init__("sensitive", count=len(title) + len(body))


class NotThere(PortalError):
    """There is no such thing, or none that this person may know of."""

    status = 404

    def __init__(self) -> None:
        super().__init__("not_there")


class Nobody(PortalError):
    """Nobody signs in by that name, and whoever asks may know which names there are."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__("nobody", name=name)


class Forbidden(PortalError):
    """The person may not do that."""

    status = 403


class Conflict(PortalError):
    """It has changed meanwhile, or is not in the state for that."""

    status = 409


class Unready(PortalError):
    """Something has to be put right before that."""

    status = 409

    def __init__(self, count: int) -> None:
        super().__init__("unready", count=count)


class TooLarge(PortalError):
    """More was sent than is read of such a request."""

    status = 413

    def __init__(self) -> None:
        super().__init__("too_large")


class TooMany(PortalError):
    """Too often in too short a time."""

    status = 429

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__("too_many", seconds=seconds)
