"""Departments' own files, seen from outside: whether they are here, whether others can read a password."""

from __future__ import annotations

import re
from pathlib import Path

_PASSWORD = re.compile(r"""(?i)(?:password|passwd|pwd|secret|token)["']?\s*=|://[^\s:/@"']*:[^\s@"']+@""")
"""`password = ...` (not `password_file`, which only says where one is), or scheme://user:password@host."""


def state(path: Path) -> str:
    """One phrase about the file at `path`; nothing that is written in it."""
    try:
        text, mode = path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mode & 0o777
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return f"{path} is not here" if missing else f"{path} cannot be read: {error.strerror}"
    if not _PASSWORD.search(text):
        return f"{path} is here"
    if mode & 0o077:
        return f"{path} holds a password and others can read it (mode {mode:o}); run: chmod 600 '{path}'"
    return f"{path} is here and holds a password (mode {mode:o})"
