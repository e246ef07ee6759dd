"""Plain text that lines up on a terminal where 研发部门 takes eight places: paragraphs and columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lepton_fed.config.spelling import one_line

WIDTH = 100
"""Places a line may take; a word that is longer stands alone on its line."""
INDENT = "  "


def paragraph(text: str, first: str = INDENT, rest: str = INDENT) -> Iterator[str]:
    """Lines of `text`, broken at blanks."""
    from rich.cells import cell_len

    line, empty = first, True
    for word in one_line(text).split(" "):
        if not empty and cell_len(line) + 1 + cell_len(word) > WIDTH:
            yield line
            line, empty = rest, True
        line, empty = (line + word if empty else f"{line} {word}"), False
    yield line


def item(text: str) -> Iterator[str]:
    """Lines of one entry of a list."""
    return paragraph(text, INDENT + "- ", INDENT + "  ")


def columns(rows: Sequence[Sequence[str]], indent: str = INDENT) -> Iterator[str]:
    """Rows of cells, each column as wide as its widest cell."""
    from rich.cells import cell_len

    clean = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*clean, strict=True)]
    for row in clean:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield (indent + "   ".join(padded)).rstrip()
