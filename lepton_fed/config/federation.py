"""One federation: its settings, the file they came from, and a fingerprint that names them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from lepton_fed.config import consistency
from lepton_fed.config.load import complain, read_text, read_tree, validate
from lepton_fed.config.spelling import nearest
from lepton_fed.errors import ConfigError
from lepton_fed.settings import Settings
from lepton_fed.translation import Sentence, sentence

WHAT = "federation file"
HEADER = "# The resolved federation file: every default written out.\n\n"


@dataclass(frozen=True)
class Federation:
    """A federation file that has been read and checked. Other files' paths are relative to its folder."""

    settings: Settings
    path: Path

    @classmethod
    def load(cls, path: str | Path) -> Federation:
        """The federation in the TOML file at `path`; ConfigError, one sentence, if it cannot be used."""
        path = Path(path)
        return cls.parse(read_text(path, WHAT), path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Federation:
        """The federation that a file at `path` with this text would be; the file need not exist."""
        settings = validate(read_tree(text, path, Settings, WHAT), Settings, text, path)
        problems = consistency.problems(settings)
        if problems:
            complain(*problems[0], text, path, more=len(problems) - 1)
        return cls(settings, path)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the settings in canonical JSON: of what a file means, not where it stands."""
        canonical = json.dumps(
            written(self.settings), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_toml(self) -> str:
        """The settings as a federation file that says every default; it loads back to equal settings."""
        import tomli_w

        return HEADER + tomli_w.dumps(written(self.settings))

    def department_file(self, name: str) -> Path:
        """Where a department's own file is. ConfigError for a name that is no department."""
        self.require(name, str(self.path))
        return self.path.parent / (self.settings.department(name).file or f"{self.path.stem}/{name}.toml")

    def require(self, name: str, called: str) -> None:
        """ConfigError for a name that is no department; `called`: what this file is called there."""
        try:
            self.settings.department(name)
        except KeyError:
            raise ConfigError(_no_department(called, name, nearest(name, self.settings.names))) from None

    @property
    def common_path(self) -> Path | None:
        """The common unlabelled examples of `distill`; None under other couplings."""
        common = self.settings.coupling.common
        return None if common is None else self.path.parent / common.path


def _no_department(file: str, name: str, near: str | None) -> Sentence:
    if near is None:
        return sentence("{file} has no department {name!r}", file=file, name=name)
    return sentence("{file} has no department {name!r}; did you mean '{near}'?", file=file, name=name, near=near)


def written(value: Any) -> Any:
    """Settings as TOML's own values: tables by key, lists, and no entry where a value is None."""
    if is_dataclass(value):
        pairs = ((f.name.rstrip("_"), getattr(value, f.name)) for f in fields(value))
        return {key: written(inner) for key, inner in pairs if inner is not None}
    if isinstance(value, dict):
        return {key: written(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [written(inner) for inner in value]
    return value
