"""Names become file names that every common file system takes, and come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lepton_fed.errors import StorageError
from lepton_fed.storage.file_names import file_name, name_of

names = st.text(min_size=1, max_size=20)
awkward = st.text('%/\\:*?"<>|. \x00\x1f\x7fnulCOM1文', min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("生产车间 L", "生产车间 L"),
        ("R&D (研发)", "R&D (研发)"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        ("100%", "100%25"),
        (".hidden", "%2Ehidden"),
        ("end. ", "end.%20"),
        ("v1.2", "v1.2"),
        ("NUL", "%4EUL"),
        ("com1.old", "%63om1.old"),
        ("comet", "comet"),
        ("line\nbreak", "line%0Abreak"),
    ],
)
def test_safe_characters_stay_and_unsafe_ones_are_escaped(name: str, expected: str) -> None:
    assert file_name(name) == expected


@given(name=names | awkward)
@example(name="\ud800")
def test_a_file_name_is_safe_and_comes_back(name: str) -> None:
    escaped = file_name(name)
    assert name_of(escaped) == name
    assert not set(escaped) & set('/\\:*?"<>|')
    assert all(character >= " " for character in escaped)
    assert escaped[0] != "."
    assert escaped[-1] not in ". "
    assert escaped.split(".")[0].strip().lower() not in ("con", "prn", "aux", "nul", "com1", "lpt9")


@given(one=names | awkward, other=names | awkward)
def test_different_names_never_share_a_file(one: str, other: str) -> None:
    assume(one != other)
    assert file_name(one) != file_name(other)


@given(name=awkward)
def test_a_file_of_that_name_can_be_made_where_it_should_be(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    path = folder / f"{file_name(name)}.safetensors"
    path.write_text("x")
    assert list(folder.iterdir()) == [path]


def test_an_empty_name_and_one_that_is_too_long_are_refused(tmp_path: Path) -> None:
    (tmp_path / f"{file_name('长' * 81)}.safetensors").write_text("x")
    with pytest.raises(StorageError, match="too long for a file name"):
        file_name("长" * 82)
    with pytest.raises(StorageError, match="empty name"):
        file_name("")
