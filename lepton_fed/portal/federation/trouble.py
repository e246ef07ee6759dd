"""The federation's own refusals, as refusals of the portal: a sentence on a page instead of a broken one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lepton_fed.errors import LeptonError
from lepton_fed.portal.errors import PortalError
from lepton_fed.translation import said_by


class Unreadable(PortalError):
    """Something of the federation cannot be read as it is; carries the sentence that says what."""

    status = 503

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__("unreadable", sentence=sentence)


@contextmanager
def told() -> Iterator[None]:
    """Turns what the federation refuses within the block into `Unreadable`."""
    try:
        yield
    except PortalError:
        raise
    except LeptonError as error:
        raise Unreadable(said_by(error)) from None
