"""The Merkle tree of RFC 9162, section 2.1: roots, proofs of inclusion and of consistency, appends in O(log n).

    MTH({}) = SHA-256()    leaf = SHA-256(0x00 | entry)    node = SHA-256(0x01 | left | right)

    level 2            ●                 a complete subtree (level l, position p) spans the entries from p 2^l to
    level 1      ●           ●           (p + 1) 2^l - 1, and is complete with the last of them: `Frontier.grown` gives
    level 0   ●     ●     ●     ●   ●    its hash then, once. Everything else follows from these.

The prefixes keep an entry from being passed off as a node, and a node as an entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lepton_fed.audit.errors import Unproven

HASH = 32
"""Bytes of a hash."""

EMPTY = hashlib.sha256().digest()
"""The root of a tree without entries."""

Complete = Callable[[int, int], bytes]
"""The hash of a complete subtree, by level and position."""


def leaf_hash(entry: bytes) -> bytes:
    """32 bytes that stand for an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes that stand for two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """A tree of `size` entries, as the hashes of its complete subtrees that no larger one holds, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count() or any(len(h) != HASH for h in self.hashes):
            raise Unproven(f"a tree of {self.size} entries has another frontier than {len(self.hashes)} hashes")

    @property
    def root(self) -> bytes:
        """32 bytes."""
        if not self.hashes:
            return EMPTY
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def grown(self, leaf: bytes) -> tuple[Frontier, tuple[bytes, ...]]:
        """The tree with one leaf more, and the hashes that it completes: the leaf's own, then level 1, 2, ...

        >>> _, hashes = Frontier(1, (bytes(32),)).grown(bytes(32))
        >>> len(hashes)
        2
        """
        made = [leaf]
        left = list(self.hashes)
        for _ in range(trailing_ones(self.size)):
            made.append(node_hash(left.pop(), made[-1]))
        return Frontier(self.size + 1, (*left, made[-1])), tuple(made)


def trailing_ones(number: int) -> int:
    """How many bits at the lower end are set: how many subtrees above its leaf the entry of that index completes."""
    return (~number & (number + 1)).bit_length() - 1


def frontier(size: int, complete: Complete) -> Frontier:
    """The frontier of the first `size` entries."""
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(complete(level, start >> level))
            start += 1 << level
    return Frontier(size, tuple(hashes))


def inclusion_path(index: int, size: int, complete: Complete) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of section 2.1.3.1: the proof that an entry is in the tree, the lowest hash first."""
    if not 0 <= index < size:
        raise Unproven(f"a tree of {size} entries has no entry {index}")
    return tuple(_path(index, 0, size, complete))


def _path(index: int, start: int, end: int, complete: Complete) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, complete), _span(middle, end, complete)]
    return [*_path(index, middle, end, complete), _span(start, middle, complete)]


def consistency_path(first: int, second: int, complete: Complete) -> tuple[bytes, ...]:
    """PROOF(first, D[second]) of section 2.1.4.1; empty where the sizes are equal or the first is 0."""
    if not 0 <= first <= second:
        raise Unproven(f"a tree of {second} entries cannot continue one of {first}")
    if first == 0:
        return ()
    return tuple(_subproof(first, 0, second, True, complete))


def _subproof(first: int, start: int, end: int, whole: bool, complete: Complete) -> list[bytes]:
    """`whole`: whether the span so far is one of the first tree's own, so that its hash is known."""
    if first == end - start:
        return [] if whole else [_span(start, end, complete)]
    half = _split(end - start)
    middle = start + half
    if first <= half:
        return [*_subproof(first, start, middle, whole, complete), _span(middle, end, complete)]
    return [*_subproof(first - half, middle, end, False, complete), _span(start, middle, complete)]


def _span(start: int, end: int, complete: Complete) -> bytes:
    """MTH of the entries from `start` to `end - 1`, where `start` is a multiple of the largest power of 2 within."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return complete(level, start >> level)
    middle = start + _split(count)
    return node_hash(_span(start, middle, complete), _span(middle, end, complete))


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Section 2.1.3.2: returns quietly if the leaf is entry `index` of the tree; raises `Unproven` if not."""
    _check_hashes((leaf, root, *path))
    if not 0 <= index < size:
        raise Unproven(f"a tree of {size} entries has no entry {index}")
    at, last, found = index, size - 1, leaf
    for one in path:
        if last == 0:
            raise Unproven("the proof is longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(one, found)
            at, last = _up_to_right_child(at, last)
        else:
            found = node_hash(found, one)
        at, last = at >> 1, last >> 1
    if last != 0 or found != root:
        raise Unproven(f"the proof does not lead from entry {index} to the root of the {size} entries")


def check_consistency(first: int, second: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Section 2.1.4.2: returns quietly if the second tree begins with the first; raises `Unproven` if not."""
    _check_hashes((old_root, new_root, *path))
    if not 0 <= first <= second:
        raise Unproven(f"a tree of {second} entries cannot continue one of {first}")
    if first in (0, second):
        _check_trivial(first, second, path, old_root, new_root)
        return
    old, new = _roots_of_proof(first, second, path, old_root)
    if (old, new) != (old_root, new_root):
        raise Unproven(f"the {second} entries do not begin with the {first} known ones")


def _check_trivial(first: int, second: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    same = old_root == new_root if first == second else old_root == EMPTY
    # The empty tree has one root only.
    if path or not same or (second == 0 and new_root != EMPTY):
        raise Unproven(f"the {second} entries do not begin with the {first} known ones")


def _roots_of_proof(first: int, second: int, path: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The two roots that the proof leads to."""
    hashes = [old_root, *path] if first & (first - 1) == 0 else list(path)
    shift = trailing_ones(first - 1)
    at, last = first - 1 >> shift, second - 1 >> shift
    if len(path) == 0:
        raise Unproven("the proof of consistency is empty")
    old = new = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            raise Unproven("the proof is longer than the tree is high")
        if at & 1 or at == last:
            old, new = node_hash(one, old), node_hash(one, new)
            at, last = _up_to_right_child(at, last)
        else:
            new = node_hash(new, one)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Unproven("the proof is shorter than the tree is high")
    return old, new


def _up_to_right_child(at: int, last: int) -> tuple[int, int]:
    """Past the levels at which the node stands alone at the right edge and is its own parent."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(one) != HASH for one in hashes):
        raise Unproven(f"a hash of the tree has {HASH} bytes")
