"""The reason that somebody gives for an answer, as it is kept: one line that everybody sees as it was written.

U+200D between pictures     kept: it makes one of them
U+202E                      refused: a line turned around reads as another one, in a terminal as in the audit log
"""

from __future__ import annotations

import unicodedata

from lepton_fed.errors import ConfigError

LONGEST_REASON = 500

_JOINERS = "\u200c\u200d"
"""Between letters, as Persian, scripts of India and joined pictures have them; they hide and turn nothing."""


_EMPTY = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs of which nothing is seen."""


def one_line(why: str) -> str:
    """Without line breaks and blanks at its ends; empty where nothing in it would be seen."""
    line = " ".join(why.split())
    seen = any(c not in _JOINERS + _EMPTY and unicodedata.category(c) not in ("Mn", "Zs") for c in line)
    return line if seen else ""


def unseen(line: str) -> str:
    """The first character, as U+202E, that is not seen as what it is: a control, an override, a half; or nothing."""
    found = next((c for c in line if not c.isprintable() and c not in _JOINERS), None)
    return "" if found is None else f"U+{ord(found):04X}"


def kept(why: str) -> str:
    """As the store keeps it; ConfigError for what it does not."""
    line = one_line(why)
    if len(line) > LONGEST_REASON:
        raise ConfigError(f"a reason has {LONGEST_REASON} characters at most, not {len(line)}; shorten it")
    if character := unseen(line):
        raise ConfigError(f"a reason holds only what everybody sees as it is; leave out {character}")
    return line
