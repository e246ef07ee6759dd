"""What run.json says of a run: which one, with what programs, and how it ended."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, TypeAlias, get_args
from uuid import uuid4

Status: TypeAlias = Literal["running", "finished", "failed", "stopped"]
"""`stopped`: somebody ended it on purpose; it can go on. A killed process leaves `running`."""

STATUSES: tuple[str, ...] = get_args(Status)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run. `started` and `finished` are UTC; `fingerprint` is the sha256 of the federation's settings."""

    id: str
    name: str
    fingerprint: str
    seed: int
    started: datetime
    status: Status = "running"
    reason: str = ""
    finished: datetime | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, *, name: str, fingerprint: str, seed: int) -> RunRecord:
        """A run that begins now, with an id of its own and the versions in use."""
        return cls(
            id=str(uuid4()),
            name=name,
            fingerprint=fingerprint,
            seed=seed,
            started=datetime.now(UTC),
            versions=versions(),
        )

    def ended(self, status: Status, reason: str = "") -> RunRecord:
        """The same run, ended now."""
        return replace(self, status=status, reason=reason, finished=datetime.now(UTC))

    def resumed(self) -> RunRecord:
        """The same run, going on with the versions in use now."""
        return replace(self, status="running", reason="", finished=None, versions=versions())

    def to_text(self) -> str:
        """As JSON, times in ISO 8601."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2, default=datetime.isoformat) + "\n"


def read_record(text: str) -> RunRecord:
    """The record of that JSON; ValueError if it is none."""
    match json.loads(text):
        case {
            "id": str(id_),
            "name": str(name),
            "fingerprint": str(fingerprint),
            "seed": int(seed),
            "started": str(started),
            "status": str(status),
            "reason": str(reason),
            "finished": None | str() as finished,
            "versions": dict(found),
        } if status in STATUSES:
            return RunRecord(
                id=id_,
                name=name,
                fingerprint=fingerprint,
                seed=seed,
                started=datetime.fromisoformat(started),
                status=status,  # type: ignore[arg-type]  # the guard has checked it
                reason=reason,
                finished=None if finished is None else datetime.fromisoformat(finished),
                versions=found,
            )
    raise ValueError("not a run's record")


def versions() -> dict[str, str]:
    """Versions of Python, PyTorch and this program, without importing any of them."""
    return {
        "python": platform.python_version(),
        "torch": _version("torch"),
        "lepton_fed": _version("lepton-fed"),
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        # Run from a source tree that was never installed.
        return "unknown"
