"""Exact linear algebra for the audit: rank and leverage over the rationals, lightest vectors of a row space.

The search for a light vector runs modulo a prime, which is sound: where the rank is the same modulo p, a
rational vector supported on T reduces, scaled to coprime integers, to a non-zero vector modulo p supported
within T. What is found modulo p is confirmed over the rationals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, gcd, lcm

import numpy as np
import numpy.typing as npt

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]
Residues = npt.NDArray[np.int64]

PRIMES = (2**31 - 1, 2**31 - 19, 2**31 - 61)
"""Products of two residues stay below 2^62."""


class TooHard(Exception):
    """The search gave up within its budget; the caller must take the answer to be the bad one."""


def integer_row(row: Row) -> tuple[int, ...]:
    """The coprime integers proportional to `row`, the first non-zero one positive."""
    scale = lcm(*(entry.denominator for entry in row)) if row else 1
    integers = [int(entry * scale) for entry in row]
    divisor = gcd(*integers) or 1
    sign = -1 if next((entry for entry in integers if entry), 1) < 0 else 1
    return tuple(sign * entry // divisor for entry in integers)


def reduce_rows(matrix: Matrix) -> tuple[Matrix, tuple[int, ...]]:
    """Reduced echelon form without zero rows, and its pivot columns."""
    rows = [list(row) for row in matrix]
    width, pivots, top = len(matrix[0]) if matrix else 0, [], 0
    for column in range(width):
        pivot = next((index for index in range(top, len(rows)) if rows[index][column]), None)
        if pivot is None:
            continue
        rows[top], rows[pivot] = rows[pivot], rows[top]
        head = rows[top][column]
        rows[top] = [entry / head for entry in rows[top]]
        for index, row in enumerate(rows):
            if index != top and row[column]:
                factor = row[column]
                rows[index] = [a - factor * b for a, b in zip(row, rows[top], strict=True)]
        pivots.append(column)
        top += 1
    return tuple(tuple(row) for row in rows[:top]), tuple(pivots)


def rank(matrix: Matrix) -> int:
    """Rank over the rationals."""
    return len(reduce_rows(matrix)[1])


def null_left(matrix: Matrix) -> Matrix:
    """A basis of the coefficient rows u with u * matrix = 0."""
    height = len(matrix)
    extended = tuple(row + tuple(Fraction(i == j) for j in range(height)) for i, row in enumerate(matrix))
    width = len(matrix[0]) if matrix else 0
    return tuple(row[width:] for row in reduce_rows(extended)[0] if not any(row[:width]))


def leverages(matrix: Matrix) -> Row:
    """Diagonal of the orthogonal projector on the row space: how much of one combination each column can
    be.
    """
    rows, _ = reduce_rows(matrix)
    if not rows:
        return (Fraction(0),) * (len(matrix[0]) if matrix else 0)
    gram = tuple(tuple(_dot(a, b) for b in rows) for a in rows)
    height = len(rows)
    extended = tuple(row + tuple(Fraction(i == j) for j in range(height)) for i, row in enumerate(gram))
    inverse = [row[height:] for row in reduce_rows(extended)[0]]
    columns = list(zip(*rows, strict=True))
    return tuple(_dot(column, tuple(_dot(row, column) for row in inverse)) for column in columns)


def light_support(matrix: Matrix, sizes: Sequence[int], budget: int, effort: int) -> tuple[int, ...] | None:
    """Columns T with total size at most `budget` that carry a non-zero vector of the row space, or None if
    there are none.

    T is a smallest such set among those met first; raises `TooHard` after `effort` steps.
    """
    reduced, _ = reduce_rows(matrix)
    exact = len(reduced)
    for prime in PRIMES:
        residues = _echelon(np.array([integer_row(row) for row in reduced], dtype=object) % prime, prime)
        if len(residues) != exact:
            continue
        steps = iter(range(effort))
        for support in _light(residues.astype(np.int64), np.array(sizes, np.int64), budget, prime, steps):
            if carries(matrix, support):
                return support
            break
        else:
            return None
    raise TooHard


def carries(matrix: Matrix, support: Sequence[int]) -> bool:
    """Whether some non-zero vector of the row space vanishes outside `support`: deleting it lowers the
    rank.
    """
    keep = [column for column in range(len(matrix[0])) if column not in set(support)]
    return rank(tuple(tuple(row[column] for column in keep) for row in matrix)) < rank(matrix)


def _dot(left: Row, right: Row) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def _echelon(rows: npt.NDArray[np.object_] | Residues, prime: int, order: Sequence[int] | None = None) -> Residues:
    """Reduced echelon form modulo `prime`, pivots sought in the given column order, zero rows dropped."""
    work = np.array(rows, dtype=np.int64)
    top = 0
    for column in range(work.shape[1]) if order is None else order:
        found = np.flatnonzero(work[top:, column])
        if found.size == 0:
            continue
        pivot = top + int(found[0])
        if pivot != top:
            work[[top, pivot]] = work[[pivot, top]]
        work[top] = work[top] * pow(int(work[top, column]), -1, prime) % prime
        factors = work[:, column].copy()
        factors[top] = 0
        work = (work - factors[:, None] * work[top][None, :]) % prime
        top += 1
        if top == len(work):
            break
    return work[:top]


def _light(rows: Residues, sizes: Residues, budget: int, prime: int, steps: Iterator[int]) -> Iterator[tuple[int, ...]]:
    """Supports of total size at most `budget` in the row space of `rows` (independent), at least one if one
    exists.

    Information sets: with q disjoint sets of r independent columns, a vector of size <= budget is non-zero
    on at most budget // q columns of one of them, so it lies in a subspace that vanishes on r - budget // q
    of its columns. (Brouwer and Zimmermann's bound, turned into a recursion.)
    """
    if next(steps, None) is None:
        raise TooHard
    height = len(rows)
    if height == 0:
        return
    for row in rows:
        if int(sizes[row != 0].sum()) <= budget:
            yield tuple(np.flatnonzero(row).tolist())
            return
    if height == 1:
        return
    for subspace in _subspaces(rows, sizes, budget, prime):
        yield from _light(subspace, sizes, budget, prime, steps)


def _subspaces(rows: Residues, sizes: Residues, budget: int, prime: int) -> Iterator[Residues]:
    """Smaller spaces, one of which holds a vector within the budget if `rows` does (two rows or more)."""
    height = len(rows)
    bases = _information_sets(rows, sizes, prime)
    count = min(range(1, len(bases) + 1), key=lambda one: _branches(bases[:one], budget, height))
    free = _free(bases[:count], budget, height)
    if free < height:
        for basis, _ in bases[:count] if free else ():
            for kept in combinations(range(height), free):
                yield _echelon(basis[list(kept)], prime)
        return
    for column in np.flatnonzero(rows.any(axis=0)).tolist():
        # A vector of minimal support vanishes on r - 1 independent columns, so on at least one.
        order = [column, *(other for other in range(rows.shape[1]) if other != column)]
        yield _echelon(_echelon(rows, prime, order)[1:], prime)


def _information_sets(rows: Residues, sizes: Residues, prime: int) -> list[tuple[Residues, int]]:
    """Disjoint sets of independent columns, each as (the basis that is the identity there, its smallest
    column size).
    """
    left = [int(column) for column in np.argsort(-sizes, kind="stable") if rows[:, column].any()]
    found = []
    while len(left) >= len(rows):
        basis = _echelon(rows, prime, left)
        pivots = [int(np.flatnonzero(row[left])[0]) for row in basis if row[left].any()]
        if len(pivots) < len(rows):
            break
        chosen = {left[pivot] for pivot in pivots}
        found.append((basis, int(min(sizes[column] for column in chosen))))
        left = [column for column in left if column not in chosen]
    return found


def _free(bases: list[tuple[Residues, int]], budget: int, height: int) -> int:
    """On one of these sets a vector within the budget is non-zero at no more than this many columns."""
    return min(height, budget // sum(size for _, size in bases))


def _branches(bases: list[tuple[Residues, int]], budget: int, height: int) -> tuple[bool, float]:
    """A guess at the work that these sets lead to, smaller is better."""
    free = _free(bases, budget, height)
    return (free >= height, len(bases) * comb(height, free) * 50.0**free)
