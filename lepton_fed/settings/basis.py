"""What the classes of all tables share: how pydantic reads them, and how they refuse."""

from __future__ import annotations

from typing import Any, ClassVar

EVERYONE = "*"
"""Stands for all departments wherever a list of names is expected."""


def alias(name: str) -> str:
    """TOML key of a field: `lambda_` is written `lambda`, `from_` is written `from`."""
    return name.rstrip("_")


class Strict:
    """Read by pydantic when it validates a dataclass: unknown keys are errors, `lambda_` reads `lambda`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "alias_generator": alias,
        "validate_by_name": True,
        "validate_by_alias": True,
        "allow_inf_nan": False,
    }


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_words(key: str, text: str) -> None:
    """One line that can be printed and read: names, purposes, what is shared."""
    require(text.strip() != "", f"{key} may not be blank")
    # The ideographic space counts as unprintable to Python and is at home in Chinese names.
    printable = text.replace("\u3000", " ").isprintable()
    require(printable, f"{key} may hold no line break, tab or invisible character: {text!r}")
