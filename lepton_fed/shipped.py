"""The examples that travel with the package, and copies of them to start from."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lepton_fed.errors import ConfigError, StorageError


def examples() -> dict[str, str]:
    """Name -> what its federation is for."""
    found = sorted((f for f in _home().iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): tomllib.loads(f.read_text("utf-8"))["federation"]["purpose"] for f in found}


def copy(name: str, folder: Path) -> Path:
    """Copies an example into a folder, never over a file; returns the federation file's path."""
    if name not in examples():
        raise ConfigError(f"there is no example {name!r}; choose {', '.join(examples())}")
    target = folder / f"{name}.toml"
    texts = {target: (_home() / f"{name}.toml").read_text("utf-8")}
    own = _home() / name
    if own.is_dir():
        texts |= {folder / name / f.name: f.read_text("utf-8") for f in own.iterdir() if f.name.endswith(".toml")}
    taken = next((path for path in texts if path.exists()), None)
    if taken is not None:
        raise StorageError(f"{taken} exists already; choose another folder")
    for path, text in texts.items():
        _write(path, text)
    return target


def _home() -> Traversable:
    return files("lepton_fed.configs")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
