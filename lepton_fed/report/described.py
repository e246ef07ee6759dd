"""An `<svg>` with what it says to those who do not see it, as a sentence that can be said in another language."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from lepton_fed.report.words import visible

_TITLE = re.compile("(<title(?: [^>]*)?>).*?(</title>)", re.DOTALL)


class Drawing(str):
    """The text of an `<svg>`; its `<title>` is the description in English."""

    description: str

    def changed(self, change: Callable[[str], str]) -> Drawing:
        """The drawing with its text changed, described as it was."""
        return drawing_of(change(str(self)), self.description)

    def told(self, description: str) -> str:
        """The drawing with this description instead."""
        return _TITLE.sub(lambda found: found[1] + escape(visible(description), quote=False) + found[2], self, count=1)


def drawing_of(text: str, description: str) -> Drawing:
    """An `<svg>` and what it says."""
    made = Drawing(text)
    made.description = description
    return made
