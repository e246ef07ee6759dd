"""The federation's own refusals, as refusals of the portal: a sentence on a page instead of a broken one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lepton_fed.errors import LeptonError
from lepton_fed.portal.errors import PortalError
from lepton_fed.translation import Sentence


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
        raise Unreadable(sentence_of(error)) from None


def sentence_of(error: LeptonError) -> str:
    """What it says, as it was put together where it was raised: then it can be said in another language."""
    said = error.args[0] if error.args else ""
    return said if isinstance(said, Sentence) else str(error)
