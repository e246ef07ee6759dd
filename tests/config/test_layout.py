"""Paragraphs and columns line up where names are twice as wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lepton_fed.config.layout import WIDTH, columns, item, paragraph
from lepton_fed.translation import some


def test_columns_begin_at_the_same_place_in_every_script() -> None:
    rows = list(columns([("研发部门", "一"), ("ab", "二"), ("é", "三")]))
    assert rows == ["  研发部门   一", "  ab         二", "  é          三"]
    assert {cell_len(row[: row.index(mark)]) for row, mark in zip(rows, "一二三", strict=True)} == {13}


@given(st.lists(st.text("ab研发 ", max_size=30), max_size=30).map(" ".join))
def test_a_paragraph_keeps_its_words_and_its_width(text: str) -> None:
    lines = list(paragraph(text))
    assert " ".join(lines).split() == text.split()
    assert all(cell_len(line) <= WIDTH or len(line.split()) == 1 for line in lines)


def test_the_lines_of_an_entry_stand_under_its_first_word() -> None:
    first, *rest = item("word " * 50)
    assert first.startswith("  - word")
    assert rest
    assert all(line.startswith("    word") for line in rest)


def test_a_long_row_of_names_is_cut_and_counted() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefghij"), most=3) == "a, b, c and 7 more"
