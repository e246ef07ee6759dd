"""Secrets struck out of text, however they are spelled there: a second lock behind never writing them.

    Redaction([token, key]).of("Bearer dG9rZW4…") == "Bearer (secret)"

Spellings: the text itself and as Python quotes it, hexadecimal, and base64, also where the secret is only a part of
what was encoded; of a PEM file, each line of the key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

HIDDEN = "(secret)"

SHORTEST = 8
"""Bytes of a secret. A shorter one would strike out words that only happen to hold it."""


class Redaction:
    """`of` strikes out the given secrets. ValueError for one that is shorter than 8 bytes."""

    def __init__(self, secrets: Iterable[bytes | str] = ()) -> None:
        found = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: the start of a spelling may be a spelling too.
        words = "|".join(re.escape(word) for word in sorted(found, key=lambda word: (-len(word), word)))
        self._pattern = re.compile(words) if words else None

    def of(self, text: str) -> str:
        """The text with `(secret)` for each secret."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def __repr__(self) -> str:
        return "Redaction(...)"


def _spellings(secret: bytes | str) -> Iterator[str]:
    content = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    if len(content) < SHORTEST:
        raise ValueError(f"a secret of {len(content)} bytes cannot be told from ordinary text; {SHORTEST} are needed")
    yield from _quoted(repr(content)[2:-1])
    yield from (content.hex(), content.hex().upper())
    yield from _base64(content)
    text = content.decode(errors="replace")
    if "\ufffd" not in text:
        yield from _quoted(text)
        yield from _quoted(repr(text)[1:-1])
        yield from (line for line in map(str.strip, text.splitlines()) if _holds_key(line))


def _quoted(text: str) -> Iterator[str]:
    """A text, and a text that ends its line, as PEM does and as files do: with its end and without."""
    yield text
    bare = text.strip().removesuffix("\\n")
    if len(bare.encode(errors="surrogatepass")) >= SHORTEST:
        yield bare


def _holds_key(line: str) -> bool:
    """Whether a line of a file of several lines is more than a heading."""
    return len(line.encode(errors="surrogatepass")) >= 2 * SHORTEST and not line.startswith("-----")


def _base64(content: bytes) -> Iterator[str]:
    """Both alphabets: the secret by itself, and at each of the three places where it may begin in what was encoded."""
    yield base64.b64encode(content).decode().rstrip("=")
    yield base64.urlsafe_b64encode(content).decode().rstrip("=")
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode()
        # Characters that neighbours have a part in are left out.
        start, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        whole = text[start:end]
        yield from (whole, whole.translate(str.maketrans("+/", "-_")))
