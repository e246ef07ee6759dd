"""Names in a row, as sentences have them."""

from __future__ import annotations

from collections.abc import Iterable

from lepton_fed.translation.sentence import Sentence, joined, sentence


def some(names: Iterable[str], most: int = 8) -> Sentence:
    """Names in a row; of a long row its beginning and how many more there are."""
    listed = list(names)
    shown = joined(", ", listed[:most])
    return shown if len(listed) <= most else sentence("{names} and {more} more", names=shown, more=len(listed) - most)
