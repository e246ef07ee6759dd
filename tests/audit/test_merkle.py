"""Roots and proofs are those of RFC 9162: by its example, by known values, and by its definitions taken literally."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.audit.errors import Unproven
from lepton_fed.audit.merkle import (
    EMPTY,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_path,
    frontier,
    inclusion_path,
    leaf_hash,
    node_hash,
    trailing_ones,
)

# ---------------------------------------------------------------- the definitions, taken literally


def mth(d: list[bytes]) -> bytes:
    """Section 2.1.1."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return hashlib.sha256(b"\x00" + d[0]).digest()
    k = split(len(d))
    return hashlib.sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: list[bytes]) -> list[bytes]:
    """Section 2.1.3.1."""
    if len(d) == 1:
        return []
    k = split(len(d))
    return [*path(m, d[:k]), mth(d[k:])] if m < k else [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    """Section 2.1.4.1."""
    if m == len(d):
        return [] if b else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


class Stored:
    """A tree grown leaf by leaf, keeping what a database would: each entry's completed subtrees."""

    def __init__(self, entries: list[bytes]) -> None:
        self.tree = Frontier()
        self.roots = [self.tree.root]
        self.rows: list[tuple[bytes, ...]] = []
        for entry in entries:
            self.tree, made = self.tree.grown(leaf_hash(entry))
            self.rows.append(made)
            self.roots.append(self.tree.root)

    def complete(self, level: int, position: int) -> bytes:
        return self.rows[((position + 1) << level) - 1][level]


def numbered(size: int) -> list[bytes]:
    return [b"%d" % k for k in range(size)]


# ---------------------------------------------------------------- known values

LEAVES = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The entries of the example by which implementations of RFC 6962 compare themselves."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots_of_the_eight_entry_example_come_out(size: int) -> None:
    assert Stored(LEAVES[:size]).tree.root.hex() == ROOTS[size]


def test_the_example_of_section_2_1_5_has_its_proofs() -> None:
    """The tree of seven entries drawn there, with its names for the nodes."""
    entries = numbered(7)
    stored = Stored(entries)
    a, b, c, d, e, f, j = (leaf_hash(entry) for entry in entries)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k = node_hash(g, h)
    l = node_hash(i, j)  # noqa: E741
    assert stored.tree.root == node_hash(k, l)
    found = {index: inclusion_path(index, 7, stored.complete) for index in (0, 3, 4, 6)}
    assert found == {0: (b, h, l), 3: (c, g, l), 4: (f, j, k), 6: (i, k)}
    proofs = {first: consistency_path(first, 7, stored.complete) for first in (3, 4, 6)}
    assert proofs == {3: (c, d, g, l), 4: (l,), 6: (i, j, k)}


# ---------------------------------------------------------------- every size


@given(st.integers(0, 200))
def test_roots_are_those_of_the_definition_and_every_append_is_logarithmic(size: int) -> None:
    entries = numbered(size)
    stored = Stored(entries)
    assert stored.tree.root == mth(entries)
    assert len(stored.tree.hashes) == size.bit_count()
    assert all(len(made) == trailing_ones(k) + 1 for k, made in enumerate(stored.rows))
    assert frontier(size, stored.complete) == stored.tree


@given(st.integers(1, 150).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_inclusion_proofs_are_those_of_the_definition_and_verify(place: tuple[int, int]) -> None:
    index, size = place
    entries = numbered(size)
    stored = Stored(entries)
    proof = inclusion_path(index, size, stored.complete)
    assert list(proof) == path(index, entries)
    check_inclusion(leaf_hash(entries[index]), index, size, proof, stored.tree.root)


@given(st.integers(1, 150).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_consistency_proofs_are_those_of_the_definition_and_verify(sizes: tuple[int, int]) -> None:
    first, second = sizes
    entries = numbered(second)
    stored = Stored(entries)
    proof = consistency_path(first, second, stored.complete)
    assert list(proof) == subproof(first, entries, True)
    check_consistency(first, second, proof, stored.roots[first], stored.roots[second])


@given(st.integers(0, 60).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size))))
def test_a_proof_from_a_tree_that_has_grown_since_is_that_of_its_size(sizes: tuple[int, int]) -> None:
    """Stored subtrees serve every size up to the present one."""
    size, now = sizes
    stored = Stored(numbered(now))
    for index in range(size):
        check_inclusion(leaf_hash(b"%d" % index), index, size, inclusion_path(index, size, stored.complete),
                        stored.roots[size])  # fmt: skip


# ---------------------------------------------------------------- what must fail


@given(st.data())
def test_an_inclusion_proof_holds_for_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    stored = Stored(numbered(size))
    proof, root, leaf = inclusion_path(index, size, stored.complete), stored.tree.root, leaf_hash(b"%d" % index)
    wrong = [
        (leaf_hash(b"x"), index, size, proof, root),
        (leaf, index, size, (*proof, bytes(32)), root),
        (leaf, index, size, proof, bytes(32)),
        (leaf, index, size, (*proof, b"short"), root),
        (leaf, -1, size, proof, root),
        (leaf, size, size, proof, root),
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (leaf, index, size, proof[:-1], root),
            (leaf, index, size, (*proof[:place], bytes(32), *proof[place + 1 :]), root),
        ]
    other = data.draw(st.integers(0, size - 1).filter(lambda k: k != index)) if size > 1 else -1
    wrong += [(leaf, other, size, proof, root)]
    for one in wrong:
        with pytest.raises(Unproven):
            check_inclusion(*one)


def test_a_node_is_not_passed_off_as_an_entry() -> None:
    stored = Stored(numbered(4))
    left, right = stored.complete(1, 0), stored.complete(1, 1)
    for forged in (left + right, b"\x01" + left + right):
        with pytest.raises(Unproven):
            check_inclusion(leaf_hash(forged), 0, 1, (), stored.tree.root)


@given(st.data())
def test_a_consistency_proof_holds_for_nothing_else(data: st.DataObject) -> None:
    second = data.draw(st.integers(2, 40))
    first = data.draw(st.integers(1, second - 1))
    stored = Stored(numbered(second))
    proof = consistency_path(first, second, stored.complete)
    old, new = stored.roots[first], stored.roots[second]
    place = data.draw(st.integers(0, len(proof) - 1))
    wrong = [
        (first, second, (*proof, bytes(32)), old, new),
        (first, second, proof[:-1], old, new),
        (first, second, (*proof[:place], bytes(32), *proof[place + 1 :]), old, new),
        (first, second, proof, new, old),
        (first, second, proof, bytes(32), new),
        (first, second, proof, old, bytes(32)),
        (second, first, proof, old, new),
        (second, second, proof, new, new),
        (0, second, proof, EMPTY, new),
        (first, second, (), old, new),
        (first, first, (), old, new),
        (0, second, (), old, new),
        (-1, second, proof, old, new),
    ]
    for one in wrong:
        with pytest.raises(Unproven):
            check_consistency(*one)


@given(st.data())
def test_the_second_size_must_be_used_up(data: st.DataObject) -> None:
    """A verifier that does not ask for this accepts trees of the wrong size."""
    second = data.draw(st.integers(2, 40))
    first = data.draw(st.integers(1, second - 1))
    stored = Stored(numbered(second))
    proof = consistency_path(first, second, stored.complete)
    for other in range(first + 1, 80):
        # Sizes whose proofs have the same form say the same of the hashes; the signed head says which size it is.
        if _form(first, other) != _form(first, second):
            with pytest.raises(Unproven):
                check_consistency(first, other, proof, stored.roots[first], stored.roots[second])


def _form(first: int, second: int) -> tuple[object, ...]:
    """Which of the proof's hashes are to the left of what: two sizes with the same answer cannot be told apart."""
    at, last, found = first - 1, second - 1, []
    while at & 1:
        at, last = at >> 1, last >> 1
    while last:
        if at & 1 or at == last:
            found.append("left")
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found.append("right")
        at, last = at >> 1, last >> 1
    return tuple(found)


def test_any_tree_continues_the_empty_one_and_itself() -> None:
    root = Stored(numbered(5)).tree.root
    check_consistency(0, 5, (), EMPTY, root)
    check_consistency(5, 5, (), root, root)
    check_consistency(0, 0, (), EMPTY, EMPTY)
    with pytest.raises(Unproven):
        check_consistency(0, 0, (), EMPTY, root)


def test_what_cannot_be_asked_is_refused() -> None:
    complete = Stored(numbered(3)).complete
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(Unproven, match="has no entry"):
            inclusion_path(index, size, complete)
    with pytest.raises(Unproven, match="cannot continue"):
        consistency_path(3, 2, complete)
    with pytest.raises(Unproven, match="another frontier"):
        Frontier(3, (bytes(32),))
