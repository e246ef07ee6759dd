"""Loads `module:callable`, but only from modules that whoever runs it has allowed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from lepton_fed.errors import ConfigError


def load_callable(name: str, key: str, built_in: Iterable[str], allowed: tuple[str, ...]) -> Callable[..., Any]:
    """The callable called `module:callable`; ConfigError if it is not allowed or cannot be found.

    The federation file comes from the coordinator. Importing what it names would let the coordinator run any
    code, so a department's own file lists the modules it runs (`code = ["our_models"]`; submodules included).
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(
            f"{key}: {name!r} is not built in ({', '.join(sorted(built_in))}) nor written module:callable"
        )
    if not _inside(module, allowed):
        raise ConfigError(
            f"{key}: code of module {module!r} is not allowed here; add it to `code` in the department's own file"
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise ConfigError(
            f"{key}: module {module!r} cannot be imported ({error.name or 'unknown'} is missing)"
        ) from None
    except Exception as error:
        raise ConfigError(f"{key}: module {module!r} fails when it is imported ({type(error).__name__})") from None
    if not callable(found):
        raise ConfigError(f"{key}: module {module!r} has no callable {attribute!r}")
    # What a module has merely imported (`from subprocess import run`) is not its own.
    if not _inside(getattr(found, "__module__", None) or "", allowed):
        raise ConfigError(f"{key}: {name!r} is defined in another module than those allowed here; name that module")
    return found  # type: ignore[no-any-return]


def _inside(module: str, allowed: Iterable[str]) -> bool:
    return any(module == a or module.startswith(a + ".") for a in allowed)
