"""What a question may say: SPARQL that only reads, and reads only what is in the dataset that it is given.

Refused before anything is asked: SERVICE, which would send what is read to any address; FROM, since whoever asks does
not choose the dataset; letters spelled `\\u0053`, which could spell either. Changes (INSERT, LOAD, ...) are no
questions, and the store that is asked is open for reading only.
"""

from __future__ import annotations

import re

from lepton_fed.errors import DataError

LONGEST = 20_000
"""Characters of a question."""

DEEPEST = 60
"""Brackets within brackets: the parser calls itself for each."""

# A parser may take a keyword right behind a number or another keyword (1e5SERVICE<…>, trueSERVICE<…>) and before a
# prefix (SERVICE:x), so the words are looked for inside of words and of prefixes as well. What stands behind a
# prefix or a ? is a name to any parser, to its last letter.
_TOKENS = re.compile(
    r"""
      (?P<quoted>\"\"\"(?:"{0,2}(?:[^"\\]|\\.))*\"\"\"|'''(?:'{0,2}(?:[^'\\]|\\.))*'''
                |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    | (?P<address><[^<>"{}|^`\\\x00-\x20]*>)
    | (?P<comment>\#[^\n\r]*)
    | (?P<variable>[?$]\w+)
    | (?P<prefix>(?:[^\W\d][\w.-]*)?:)(?:[\w.:%-]|\\.)*
    | (?P<escape>\\.)
    | (?P<word>[^\W\d]\w*)
    | (?P<open>[{(\[])
    | (?P<close>[})\]])
    """,
    re.VERBOSE | re.DOTALL,
)

_ANYWHERE = {
    "SERVICE": "asks another server (SERVICE); ask about the facts that are here",
    "FROM": "names its own graphs (FROM); it is asked of all that may be read, and GRAPH tells them apart",
}

_CHANGES = frozenset({"LOAD", "INSERT", "DELETE", "CLEAR", "DROP", "CREATE", "COPY", "MOVE"})


def require_question(text: str) -> None:
    """DataError, one sentence, for what is no question that may be asked."""
    if len(text) > LONGEST:
        raise DataError(f"the question has {len(text)} characters; at most {LONGEST} are taken")
    if re.search(r"\\[uU]", text):
        raise DataError("the question spells letters as \\u…; write them as they are")
    depth = 0
    for token in _TOKENS.finditer(text):
        match token.lastgroup:
            case "open":
                depth += 1
                if depth > DEEPEST:
                    raise DataError(f"the question has more than {DEEPEST} brackets within brackets; ask in parts")
            case "close":
                depth -= 1
            case "word" | "prefix" | "comment":
                _refuse(token[token.lastgroup])


def _refuse(word: str) -> None:
    word = word.upper()
    for refused, reason in _ANYWHERE.items():
        if refused in word:
            raise DataError(f"the question {reason}")
    if word in _CHANGES:
        raise DataError(f"the question would change facts ({word}); `lepton-fed knowledge import` does")
