"""Statistics in a run's folder: `statistics.json`, written once before the first round.

Until they are there, `statistics.tries` counts how often a deployed coordinator has begun to ask for them.
"""

from __future__ import annotations

import json
from pathlib import Path

from lepton_fed.errors import StorageError
from lepton_fed.statistics import Findings
from lepton_fed.storage.atomic import write_atomically

NAME, TRIES = "statistics.json", "statistics.tries"


def write(folder: Path, findings: Findings) -> Path:
    """Into the folder, whole or not at all."""
    path = folder / NAME
    write_atomically(path, json.dumps(findings.written(), ensure_ascii=False, indent=1))
    return path


def read(folder: Path) -> Findings | None:
    """What was written there; None if nothing was."""
    path = folder / NAME
    try:
        return Findings.read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{path} cannot be read ({type(error).__name__}); take it away to go on without") from None


def tried(folder: Path) -> int:
    """How often they were asked for before; counts this time, too."""
    path = folder / TRIES
    try:
        before = int(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        before = 0
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read ({type(error).__name__}); take it away") from None
    write_atomically(path, str(before + 1))
    return before
