"""Seeds: one number and the name of a use give everything random, the same on every machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.seeds import derive, draw

uses = st.lists(st.one_of(st.text(max_size=4), st.integers(-3, 99)), max_size=4)
names = st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=12)


@given(st.integers(0, 2**70), uses)
def test_a_seed_fits_torchs_generators(seed: int, use: list[str | int]) -> None:
    assert 0 <= derive(seed, *use) < 2**63
    assert derive(seed, *use) == derive(seed, *use)


def test_a_seed_never_changes_from_release_to_release() -> None:
    assert derive(7, "order", "内科", 3) == 3931721781465941248
    assert draw(tuple("abcdefgh"), 3, 7, "participants", 1) == ("b", "c", "g")


@given(uses, uses, st.integers(0, 9), st.integers(0, 9))
def test_two_uses_never_share_a_seed(one: list[str | int], other: list[str | int], a: int, b: int) -> None:
    assert (derive(a, *one) == derive(b, *other)) == ((a, one) == (b, other))


def test_parts_cannot_run_into_each_other() -> None:
    assert derive(1, "ab", "c") != derive(1, "a", "bc")
    assert derive(1, "2") != derive(1, 2)
    assert derive(12) != derive(1, 2)


@given(names, st.integers(0, 15), st.integers(0, 99))
def test_a_draw_is_some_of_the_names_in_their_order_and_none_twice(listed: list[str], count: int, seed: int) -> None:
    drawn = draw(listed, count, seed, "round", 1)
    assert len(drawn) == min(count, len(listed))
    assert [n for n in listed if n in drawn] == list(drawn)


def test_everybody_is_drawn_about_equally_often() -> None:
    listed = tuple("abcdefgh")
    counts = dict.fromkeys(listed, 0)
    for number in range(2000):
        for name in draw(listed, 2, 5, "participants", number):
            counts[name] += 1
    assert all(420 < c < 580 for c in counts.values()), counts
