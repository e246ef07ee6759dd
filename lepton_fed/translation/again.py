"""A text as somebody stored or said it, put together anew as the sentence that it was.

    again("pass 2 of at most 3", [lambda turn: sentence("pass {turn} of at most {budget}", turn=turn, budget=3)])

It is known which sentences there can be, all but a gap in each; the one that is the text is the one that was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Making = Callable[[str], str]
"""A sentence, by what stands in its gap if it has one."""

GAP = "\0"
"""No text that is stored or shown has it."""


def again(text: str, makings: Iterable[Making]) -> str:
    """The first of these sentences that is the text; the text itself if none is."""
    for make in makings:
        head, _, tail = make(GAP).partition(GAP)
        made = make(text[len(head) : len(text) - len(tail)])
        if made == text:
            return made
    return text


def always(one: str) -> Making:
    """A sentence without a gap."""
    return lambda _: one
