"""A department's name as a file name and back: Chinese stays, what some file system refuses becomes %XX.

    file_name("生产车间 L") == "生产车间 L"    file_name("a/b?") == "a%2Fb%3F"    file_name("NUL") == "%4EUL"

Different names give different file names. Those of names that differ only in case, or only in how an accent
is composed, differ likewise; some file systems would still take them for one.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from lepton_fed.errors import StorageError

# `%` is among them, so that every % in a file name begins an escape and reading it back is unambiguous.
_UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.|[. ]$')

# Windows reserves these whatever follows the first dot, in either case.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)", re.IGNORECASE)

_LONGEST = 255 - len(".safetensors")
"""Bytes of UTF-8 that common file systems allow for a name, less our longest ending."""


def file_name(name: str) -> str:
    """The file name, without an ending, for a name; StorageError if it is empty or too long."""
    escaped = _UNSAFE.sub(lambda match: _escape(match.group()), name)
    if _RESERVED.match(escaped):
        escaped = _escape(escaped[0]) + escaped[1:]
    if not escaped:
        raise StorageError("a file cannot be named after an empty name; give the department a name")
    size = len(escaped.encode())
    if size > _LONGEST:
        raise StorageError(
            f"{name[:20]}… is too long for a file name ({size} bytes, at most {_LONGEST}); shorten the name"
        )
    return escaped


def name_of(file_name: str) -> str:
    """The name whose `file_name` this is, its ending left off."""
    return unquote(file_name, errors="surrogatepass")


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))
