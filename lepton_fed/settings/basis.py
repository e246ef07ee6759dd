"""What the classes of all tables share: how pydantic reads them, and how they refuse."""

from __future__ import annotations

from typing import Any, ClassVar

from lepton_fed.translation import Sentence, sentence

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
    require(text.strip() != "", sentence("{key} may not be blank", key=key))
    # The ideographic space counts as unprintable to Python and is at home in Chinese names.
    printable = text.replace("\u3000", " ").isprintable()
    require(
        printable, sentence("{key} may hold no line break, tab or invisible character: {text!r}", key=key, text=text)
    )


# ---------------------------------------------------------------- what many of them say


def too_small(key: str, value: object) -> Sentence:
    """Of a number from 1 on."""
    return sentence("{key} must be at least 1, not {value}", key=key, value=value)


def not_positive(key: str, value: object) -> Sentence:
    """Of a number above 0."""
    return sentence("{key} must be positive, not {value}", key=key, value=value)


def negative(key: str, value: object) -> Sentence:
    """Of a number from 0 on."""
    return sentence("{key} may not be negative: {value}", key=key, value=value)


def outside(key: str, value: object, range: str) -> Sentence:  # noqa: A002
    """Of a number in a range such as [0, 1)."""
    return sentence("{key} must be in {range}, not {value}", key=key, value=value, range=range)


def beyond(key: str, value: object) -> Sentence:
    """Of a share."""
    return sentence("{key} must be between 0 and 1, not {value}", key=key, value=value)
