"""Arguments of the benchmarks: what cannot be measured is one sentence and exit code 2, as with `lepton-fed`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from lepton_fed.errors import LeptonError


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """Reads a whole number that is neither less nor more."""
    wanted = f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return read


def existing(text: str) -> Path:
    """Reads the path of a file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def folder_with(*names: str) -> Callable[[str], Path]:
    """Reads the path of a folder that has these files."""

    def read(text: str) -> Path:
        for name in names:
            existing(f"{text}/{name}")
        return Path(text)

    return read


def amount(text: str) -> float:
    """Reads a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def some_of(*names: str) -> Callable[[str], list[str]]:
    """Reads names with commas between them."""

    def read(text: str) -> list[str]:
        found = text.split(",")
        for name in found:
            if name not in names:
                raise argparse.ArgumentTypeError(f"there is no {name!r}; choose {', '.join(names)}")
        return found

    return read


def begin(main: Callable[[], None]) -> None:
    """Measure; an error of ours is a sentence."""
    try:
        main()
    except LeptonError as error:
        print(f"benchmarks.{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
