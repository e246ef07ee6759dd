"""The optional libraries of the knowledge graph, imported when they are first needed; the extra `knowledge`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from lepton_fed.errors import ConfigError


def oxigraph() -> ModuleType:
    """RDF and SPARQL."""
    return _imported("pyoxigraph", "pyoxigraph")


def intersection() -> ModuleType:
    """Private set intersection on an elliptic curve."""
    return _imported("private_set_intersection.python", "openmined-psi")


def conversion() -> ModuleType:
    """Traditional Chinese as simplified."""
    return _imported("opencc", "opencc")


@cache
def _imported(module: str, package: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError:
        raise ConfigError(
            f"the knowledge graph needs the package {package}, which is not installed; install the extra `knowledge`"
        ) from None
