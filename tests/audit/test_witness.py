"""A department countersigns what continues the head that it keeps, and nothing else; refusing changes nothing."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.audit import (
    Head,
    HeadFile,
    Inconsistent,
    KeptHead,
    MemoryHead,
    SignedHead,
    Witness,
    leaf_hash,
)
from lepton_fed.audit.heads import CounterSignature
from lepton_fed.audit.merkle import Frontier, consistency_path
from lepton_fed.errors import StorageError
from lepton_fed.secagg.errors import Malformed
from lepton_fed.secagg.keys import Identity
from tests.audit.example import COORDINATOR, DEPARTMENTS, KEYS, LOG, at

MINE = DEPARTMENTS["研发部门"]


class History:
    """One history of a log: roots and proofs for every size."""

    def __init__(self, entries: list[bytes]) -> None:
        self.trees = [Frontier()]
        self.rows = []
        for entry in entries:
            tree, made = self.trees[-1].grown(leaf_hash(entry))
            self.trees.append(tree)
            self.rows.append(made)

    def proof(self, first: int, second: int) -> tuple[bytes, ...]:
        return consistency_path(first, second, lambda level, place: self.rows[((place + 1) << level) - 1][level])

    def head(self, size: int, second: int = 0, signer: Identity = COORDINATOR, log: str = LOG) -> SignedHead:
        return SignedHead.sign(Head(log, size, self.trees[size].root, at(second)), signer)


TRUE = History([b"%d" % k for k in range(20)])
FORKED = History([b"%d" % (k if k < 7 else -k) for k in range(20)])


def witness(kept: KeptHead | None = None) -> Witness:
    return Witness(MINE, LOG, KEYS.coordinator, kept or MemoryHead())


def refused(one: Witness, head: SignedHead, proof: tuple[bytes, ...]) -> str:
    before = one.kept.read()
    with pytest.raises(Inconsistent) as caught:
        one.shown(head, proof)
    assert one.kept.read() == before
    return str(caught.value)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8).map(sorted))
def test_every_head_of_one_history_is_countersigned_in_turn(sizes: list[int]) -> None:
    one = witness()
    for second, size in enumerate(sizes):
        head = TRUE.head(size, second)
        signature = one.shown(head, TRUE.proof(one.size, size))
        signature.check(head.head, (MINE.public,))
        assert one.size == size
        assert one.kept.read() == head


def test_the_same_head_again_gets_the_same_signature() -> None:
    one = witness()
    assert one.shown(TRUE.head(5), ()) == one.shown(TRUE.head(5), ())


@given(st.integers(8, 20), st.integers(8, 20))
def test_a_forked_log_is_refused_whatever_proof_comes_with_it(seen: int, shown: int) -> None:
    seen, shown = min(seen, shown), max(seen, shown)
    one = witness()
    one.shown(TRUE.head(seen), ())
    for history in (TRUE, FORKED):
        assert "forked or edited" in refused(one, FORKED.head(shown, 1), history.proof(seen, shown))


def test_a_log_that_was_rolled_back_is_refused() -> None:
    one = witness()
    one.shown(TRUE.head(9, 5), ())
    assert "it has 8 entries and 9 were seen: the log was rolled back" in refused(one, TRUE.head(8, 6), ())
    assert "older than the one seen last" in refused(one, TRUE.head(9, 4), ())
    assert "forked or edited" in refused(one, FORKED.head(9, 6), ())


def test_only_this_coordinators_heads_of_this_log_are_looked_at() -> None:
    one = witness()
    assert "does not verify" in refused(one, TRUE.head(3, signer=MINE), ())
    assert "of the log '别的', not of '制造'" in refused(one, TRUE.head(3, log="别的"), ())
    assert "no head was seen before" in refused(one, TRUE.head(3), (bytes(32),))
    edited = TRUE.head(3)
    assert "does not verify" in refused(one, replace(edited, head=replace(edited.head, size=4)), ())


def test_a_coordinator_may_have_had_several_keys() -> None:
    old = Identity("coordinator", bytes([9]) * 32)
    one = Witness(MINE, LOG, (old.public, COORDINATOR.public), MemoryHead())
    one.shown(TRUE.head(3, signer=old), ())
    one.shown(TRUE.head(5), TRUE.proof(3, 5))


def test_neither_signature_passes_for_the_other() -> None:
    head = TRUE.head(3)
    with pytest.raises(Malformed):
        CounterSignature("研发部门", head.signature).check(head.head, (COORDINATOR.public,))
    with pytest.raises(Malformed):
        SignedHead(head.head, CounterSignature.sign(head.head, COORDINATOR).signature).check(KEYS.coordinator)
    with pytest.raises(Malformed, match="no key"):
        head.check(())


def test_a_head_comes_back_from_its_bytes_and_from_no_others() -> None:
    head = TRUE.head(3)
    assert SignedHead.read(head.written) == head
    for wrong in (head.written[:-1], head.to_bytes(), head.head.to_bytes(), b""):
        with pytest.raises(Malformed):
            SignedHead.read(wrong)


def test_a_head_that_cannot_be_is_refused() -> None:
    for changes in ({"size": -1}, {"root": b"x"}, {"previous": b"x"}, {"log": ""}):
        with pytest.raises(Malformed):
            replace(TRUE.head(1).head, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the file


def test_a_kept_head_outlives_its_process_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "头.head"
    assert HeadFile(path).read() is None
    witness(HeadFile(path)).shown(TRUE.head(9), ())
    assert HeadFile(path).read() == TRUE.head(9)
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    assert "rolled back" in refused(witness(HeadFile(path)), TRUE.head(8, 1), ())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["头.head", "头.head.lock"]


@pytest.mark.parametrize("file", [False, True])
def test_two_heads_shown_at_once_are_not_both_signed(tmp_path: Path, file: bool) -> None:
    kept: KeptHead = HeadFile(tmp_path / "head") if file else MemoryHead()
    witness(kept).shown(TRUE.head(3), ())

    class Late:
        """Reads what was kept before another process kept the true history's head."""

        def read(self) -> SignedHead | None:
            return TRUE.head(3)

        def replace(self, old: SignedHead | None, new: SignedHead) -> None:
            kept.replace(old, new)

    witness(kept).shown(TRUE.head(9), TRUE.proof(3, 9))
    with pytest.raises(Inconsistent, match="two heads were shown at once"):
        witness(Late()).shown(FORKED.head(9), FORKED.proof(3, 9))
    assert kept.read() == TRUE.head(9)


def test_a_kept_head_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(b"x")
    with pytest.raises(StorageError, match="is damaged or no kept head"):
        HeadFile(path).read()
    with pytest.raises(StorageError, match="cannot read"):
        HeadFile(tmp_path).read()
    with pytest.raises(StorageError, match="missing does not exist"):
        HeadFile(tmp_path / "missing" / "head").replace(None, TRUE.head(1))


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "head.part").write_bytes(b"half")
    kept = HeadFile(tmp_path / "head")
    kept.replace(None, TRUE.head(1))
    assert kept.read() == TRUE.head(1)
