"""SHA-256 of the code that would run at a department: lepton-fed itself and the modules that its own file allows.

What a policy compares as `context.code`: a department that has looked at one release and at its own modules lets those
train and no others. Files are compared by content, wherever they are installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ITSELF = "lepton_fed"
KINDS = (".py", ".cedarschema")


@cache
def code_digest(allowed: tuple[str, ...] = ()) -> str:
    """`sha256:...` over lepton-fed and the allowed modules, with everything below them; once for each process."""
    state = hashlib.sha256()
    for module in (ITSELF, *sorted(set(allowed))):
        for name, path in _files(module):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            state.update(f"{module} {name} {content}\n".encode())
    return f"sha256:{state.hexdigest()}"


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """The files of a module and of what is below it, each with its place there; none where it is not installed."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return
    if not spec.submodule_search_locations:
        if spec.origin is not None and Path(spec.origin).is_file():
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for folder in map(Path, spec.submodule_search_locations):
        found = {p.relative_to(folder).as_posix(): p for kind in KINDS for p in folder.rglob(f"*{kind}")}
        yield from sorted(found.items())
