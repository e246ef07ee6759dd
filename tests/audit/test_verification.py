"""Every edited, dropped, added, reordered, duplicated or forked entry or head is found, and said where it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from lepton_fed.audit import (
    CounterSignature,
    Entry,
    Keys,
    Opening,
    Record,
    Sealed,
    SignedHead,
    Tampered,
    Verdict,
    Written,
    append,
    seal,
    verify,
    written,
)
from lepton_fed.audit.heads import Head
from lepton_fed.audit.log import openings
from lepton_fed.audit.verification import verify_written
from lepton_fed.secagg.canonical import encode
from lepton_fed.storage import schema, sqlite_url
from lepton_fed.storage.database import Database
from lepton_fed.translation import speaks, translated
from tests.audit.edits import edits, others
from tests.audit.example import (
    COORDINATOR,
    DEPARTMENTS,
    KEYS,
    LOG,
    NAMES,
    NOON,
    Example,
    filled,
    head_of,
    records,
    unguarded,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The example as it is read from its database."""
    opened = schema.opened(sqlite_url(tmp_path_factory.mktemp("log") / "a.sqlite"), patience=10, durable=False)
    filled(opened)
    found = written(opened, LOG)
    opened.close()
    return found


def sentences(verdict: Verdict) -> list[str]:
    """What was found, each of which can be said in Chinese."""
    said = [finding.sentence for finding in verdict.findings]
    assert [one for one in said if not speaks(one, "zh")] == []
    return said


def checked(log: Written, kept: dict[str, SignedHead] | None = None) -> Verdict:
    return verify_written(log, KEYS, kept)


def with_records(log: Written, *found: Record) -> Written:
    return replace(log, records=found)


def test_an_untouched_log_is_sound_and_says_who_vouches_for_it(whole: Written) -> None:
    verdict = checked(whole, {"研发部门": whole.heads[-1].signed})
    assert verdict.sound
    verdict.require()
    assert (verdict.size, verdict.heads, verdict.sealed) == (11, 3, 11)
    assert verdict.countersigned == {"研发部门": 11, "生产车间": 11}
    assert verdict.text == (
        "log 制造: 11 entries, 3 heads\n"
        "verified: each of the 11 entries is as the coordinator signed it\n"
        "the first 11 entries are countersigned by 生产车间\n"
        "the first 11 entries are countersigned by 研发部门"
    )


def test_a_verdict_is_said_in_chinese_line_by_line(whole: Written) -> None:
    sound = checked(whole, {"研发部门": whole.heads[-1].signed})
    assert [translated(line, "zh") for line in sound.lines] == [
        "日志 制造：11 条，3 个签名头",
        "已核验：11 条都与协调者签名时一致",
        "前 11 条由生产车间会签",
        "前 11 条由研发部门会签",
    ]
    other = replace(whole.records[2], body=whole.records[0].body)
    broken = checked(with_records(whole, *whole.records[:2], other, *whole.records[3:9]))
    assert [translated(line, "zh") for line in broken.lines] == [
        "日志 制造：9 条，3 个签名头",
        "与签名时不一致，发现 2 处：",
        "条目 2（成员名单，2026-01-02 11:59:51 UTC）被改动过：它的散列与一起保存的不同",
        "条目 9 至 10 被删除：签名头 2（2026-01-02 12:02:00 UTC）是对 11 条签名的",
    ]
    assert broken.text.splitlines() == list(broken.lines)


# ---------------------------------------------------------------- each field of each kind

NUMBERS = range(11)


@pytest.mark.parametrize("number", NUMBERS)
def test_an_edit_of_any_field_is_found_where_it_is(whole: Written, number: int) -> None:
    """The editor changes the bytes of the entry and nothing else."""
    record = whole.records[number]
    for name, edited in edits(Entry.read(record.body)):
        changed = replace(record, body=edited.body)
        verdict = checked(with_records(whole, *whole.records[:number], changed, *whole.records[number + 1 :]))
        said = sentences(verdict)
        assert len(said) == 1, (name, said)
        assert said[0].startswith(f"entry {number} ({edited.TITLE}, "), name
        assert "was edited" in said[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_edit_of_any_field_is_found_when_every_hash_was_made_anew(whole: Written, number: int) -> None:
    """The editor can write all of the database, and has not the coordinator's key."""
    bodies = [record.body for record in whole.records]
    first, last = next((a, b) for a, b in [(0, 3), (4, 7), (8, 10)] if a <= number <= b)
    for name, edited in edits(Entry.read(bodies[number])):
        found = records([*bodies[:number], edited.body, *bodies[number + 1 :]])
        said = sentences(checked(with_records(whole, *found)))
        assert len(said) == 1, (name, said)
        assert said[0].startswith(f"among entries {first} to {last} something was edited"), name


@pytest.mark.parametrize("number", NUMBERS)
def test_an_edit_of_any_field_is_found_when_the_coordinator_signs_it(whole: Written, number: int) -> None:
    """The editor has the coordinator's key, too. One department keeps the last head it saw."""
    bodies = [record.body for record in whole.records]
    kept = {"研发部门": whole.heads[-1].signed}
    for name, edited in edits(Entry.read(bodies[number])):
        found = records([*bodies[:number], edited.body, *bodies[number + 1 :]])
        forged = resigned(found, [4, 8, 11])
        assert checked(Written(LOG, found, forged)).sound
        said = sentences(checked(Written(LOG, found, forged), kept))
        assert said == [
            "研发部门 keeps a head over 11 entries with another root than these: the log was forked or edited"
        ], name


def resigned(found: tuple[Record, ...], sizes: list[int]) -> tuple[Sealed, ...]:
    """Heads over these entries with the coordinator's key."""
    from lepton_fed.audit.merkle import Frontier

    heads: list[Sealed] = []
    tree, trees = Frontier(), [Frontier()]
    for record in found:
        tree, _ = tree.grown(record.nodes[0])
        trees.append(tree)
    for number, size in enumerate(sizes):
        previous = heads[-1].signed.head.hash if heads else bytes(32)
        head = Head(LOG, size, trees[size].root, number, previous)
        heads.append(Sealed(number, SignedHead.sign(head, COORDINATOR)))
    return tuple(heads)


def test_an_edit_in_the_database_is_found(example: Example) -> None:
    unguarded(example.database)
    for number, entry in enumerate(example.entries):
        for name, edited in dict(edits(entry)).items():
            _update(example.database, "audit_entry", number, "body", edited.body)
            (said,) = sentences(checked(written(example.database, LOG)))
            assert said.startswith(f"entry {number} ("), name
        _update(example.database, "audit_entry", number, "body", entry.body)
    assert checked(written(example.database, LOG)).sound


def _update(database: Database, table: str, number: int, column: str, value: bytes) -> None:
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = :v WHERE number = :n"), {"v": value, "n": number})


def test_bytes_that_are_no_entry_any_more_are_found(whole: Written) -> None:
    record = whole.records[5]
    for body in (b"", record.body[:-1], record.body + b"n", encode(("lepton-audit/1", 7))):
        (said,) = sentences(
            checked(with_records(whole, *whole.records[:5], replace(record, body=body), *whole.records[6:]))
        )
        assert said.startswith("entry 5 was edited: it cannot be read any more (")


def test_an_entry_of_a_kind_that_is_not_known_here_is_told_and_the_rest_verified(whole: Written) -> None:
    bodies = [record.body for record in whole.records]
    found = records([*bodies, encode(("lepton-audit/2", "news"))])
    (said,) = sentences(checked(Written(LOG, found, resigned(found, [12]))))
    assert said.startswith("entry 11 is of a kind that this program does not read (format 'lepton-audit/2'")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_edit_of_a_kept_hash_is_found(whole: Written, number: int) -> None:
    record = whole.records[number]
    for level in range(len(record.nodes)):
        for node in (bytes(32), b"short"):
            nodes = (*record.nodes[:level], node, *record.nodes[level + 1 :])
            changed = replace(record, nodes=nodes)
            found = [*whole.records[:number], changed, *whole.records[number + 1 :]]
            assert any(f"{number}" in said for said in sentences(checked(with_records(whole, *found))))
    for nodes in (record.nodes[:-1], (*record.nodes, bytes(32))):
        found = [*whole.records[:number], replace(record, nodes=nodes), *whole.records[number + 1 :]]
        (said,) = sentences(checked(with_records(whole, *found)))
        assert said.startswith(f"entry {number} (")
        assert "hashes kept with it" in said


# ---------------------------------------------------------------- dropped, added, moved


@pytest.mark.parametrize("number", NUMBERS)
def test_a_dropped_entry_is_found(whole: Written, number: int) -> None:
    left = [record for record in whole.records if record.index != number]
    (said,) = sentences(checked(with_records(whole, *left)))
    assert said.startswith(f"entry {number} was dropped: ")
    renumbered = records([record.body for record in left])
    assert not checked(with_records(whole, *renumbered)).sound


def test_dropped_entries_are_told_as_one_span(whole: Written) -> None:
    assert sentences(checked(with_records(whole, *whole.records[:2], *whole.records[6:]))) == [
        "entries 2 to 5 were dropped: entry 6 follows"
    ]
    (said,) = sentences(checked(with_records(whole, *whole.records[:9])))
    assert said.startswith("entries 9 to 10 were dropped: head 2 (2026-01-02 12:02:00 UTC) was signed over 11")


@given(st.data())
def test_any_other_order_is_found(whole: Written, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(11)).filter(lambda p: list(p) != list(range(11))))
    moved = [whole.records[k] for k in order]
    assert any(finding.how == "reordered" for finding in checked(with_records(whole, *moved)).findings)
    renumbered = [replace(record, index=k) for k, record in enumerate(moved)]
    assert not checked(with_records(whole, *renumbered)).sound
    assert not checked(with_records(whole, *records([record.body for record in moved]))).sound


@pytest.mark.parametrize("number", NUMBERS)
def test_a_duplicated_entry_is_found(whole: Written, number: int) -> None:
    twice = [*whole.records[: number + 1], *whole.records[number:]]
    assert sentences(checked(with_records(whole, *twice))) == [f"entry {number} is there twice"]
    assert not checked(with_records(whole, *records([record.body for record in twice]))).sound


def test_an_added_entry_is_found(whole: Written) -> None:
    bodies = [record.body for record in whole.records]
    for place in range(12):
        assert not checked(with_records(whole, *records([*bodies[:place], bodies[0], *bodies[place:]]))).sound


def test_entries_that_nobody_signed_for_yet_are_told(whole: Written) -> None:
    found = records([record.body for record in (*whole.records, whole.records[0])])
    verdict = checked(with_records(whole, *found))
    assert sentences(verdict) == ["no head was signed over entries 11 to 11: nobody vouches for them yet"]
    assert sentences(checked(Written(LOG, whole.records, ()))) == [
        "no head was signed over entries 0 to 10: nobody vouches for them yet"
    ]


def test_a_negative_index_is_found(whole: Written) -> None:
    assert not checked(with_records(whole, replace(whole.records[0], index=-1), *whole.records)).sound


# ---------------------------------------------------------------- heads


@pytest.mark.parametrize("number", range(3))
def test_an_edit_of_any_field_of_a_head_is_found(whole: Written, number: int) -> None:
    sealed = whole.heads[number]
    for name, head in edits(sealed.signed.head):
        changed = replace(sealed, signed=replace(sealed.signed, head=head))
        heads = (*whole.heads[:number], changed, *whole.heads[number + 1 :])
        found = sentences(checked(replace(whole, heads=heads)))
        forged = [said for said in found if "does not bear the coordinator's signature" in said]
        assert any(said.startswith(f"head {number} (") for said in forged), name
    for signature in others(sealed.signed.signature):
        changed = replace(sealed, signed=replace(sealed.signed, signature=signature))
        heads = (*whole.heads[:number], changed, *whole.heads[number + 1 :])
        (said,) = sentences(checked(replace(whole, heads=heads)))
        assert said.startswith(f"head {number} (")


@pytest.mark.parametrize("number", range(3))
def test_an_edit_of_any_field_of_a_head_is_found_when_the_coordinator_signs_it(whole: Written, number: int) -> None:
    """Its time is its own to choose within the chain, so that only a head that follows, or a kept one, shows it."""
    sealed = whole.heads[number]
    for name, head in edits(sealed.signed.head):
        changed = replace(sealed, signed=SignedHead.sign(head, COORDINATOR))
        heads = (*whole.heads[:number], changed, *whole.heads[number + 1 :])
        assert not checked(replace(whole, heads=heads)).sound, name


def test_a_dropped_moved_or_repeated_head_is_found(whole: Written) -> None:
    a, b, c = whole.heads
    for heads in ((b, c), (a, c), (b, a, c), (a, c, b), (a, a, b, c), (a, b, b, c), (a, b, c, c)):
        assert any(finding.how == "changed" for finding in checked(replace(whole, heads=heads)).findings)
        renumbered = tuple(replace(one, number=k) for k, one in enumerate(heads))
        assert any(finding.how == "changed" for finding in checked(replace(whole, heads=renumbered)).findings)
    (said,) = sentences(checked(replace(whole, heads=(a, c))))
    assert said.startswith("head 2 (2026-01-02 12:02:00 UTC) does not follow head 0: heads were")


def test_a_log_cut_off_at_an_earlier_head_is_found_by_any_department(whole: Written) -> None:
    cut = Written(LOG, whole.records[:8], whole.heads[:2])
    assert checked(cut).sound
    assert sentences(checked(cut, {"研发部门": whole.heads[2].signed})) == [
        "研发部门 keeps a head over 11 entries, and 8 are here: the log was rolled back"
    ]
    assert checked(whole, {"供应链部门": whole.heads[0].signed}).sound


def test_two_heads_over_as_many_entries_with_two_roots_are_a_fork(whole: Written) -> None:
    last = whole.heads[-1].signed
    fork = Sealed(3, head_of(last, root=bytes(32), previous=last.head.hash))
    assert sentences(checked(replace(whole, heads=(*whole.heads, fork)))) == [
        "heads 2 and 3 were signed over 11 entries each with two roots: the log was forked"
    ]


def test_a_head_that_goes_back_is_found(whole: Written) -> None:
    last = whole.heads[-1].signed
    first = whole.heads[0].signed.head
    for back in (
        head_of(last, previous=last.head.hash, size=first.size, root=first.root),
        head_of(last, previous=last.head.hash, time=last.head.time - 1),
    ):
        (said,) = sentences(checked(replace(whole, heads=(*whole.heads, Sealed(3, back)))))
        assert "goes back behind head 2: the log was rolled back" in said


def test_somebody_elses_log_is_told(whole: Written) -> None:
    other = Keys("别的", KEYS.coordinator, KEYS.departments)
    assert all("is of the log '制造', not of '别的'" in said for said in sentences(verify_written(whole, other)))
    foreign = Keys(LOG, (DEPARTMENTS["研发部门"].public,), {})
    said = sentences(verify_written(whole, foreign))
    assert sum("does not bear the coordinator's signature" in one for one in said) == 3
    assert sum("does not bear the countersignature of" in one for one in said) == 4


def test_a_countersignature_of_another_head_or_department_is_found(whole: Written) -> None:
    a, b, c = whole.heads
    stolen = replace(b, countersignatures=(replace(b.countersignatures[0], department="供应链部门"),))
    older = replace(c, countersignatures=b.countersignatures)
    for heads, count in (((a, stolen, c), 1), ((a, b, older), 2)):
        found = checked(replace(whole, heads=heads))
        assert sum("does not bear the countersignature of" in said for said in sentences(found)) == count
    assert checked(replace(whole, heads=(a, b, older))).countersigned == dict.fromkeys(NAMES[:2], 8)
    both = replace(c, countersignatures=(CounterSignature.sign(c.signed.head, DEPARTMENTS["供应链部门"]),))
    assert checked(replace(whole, heads=(a, b, both))).countersigned["供应链部门"] == 11


def test_a_kept_head_that_is_not_the_coordinators_or_of_another_log_is_told(whole: Written) -> None:
    last = whole.heads[-1].signed
    kept = {"a": replace(last, signature=bytes(64)), "b": head_of(last, log="别的")}
    assert sentences(checked(whole, kept)) == [
        "a keeps a head over 11 entries that does not bear the coordinator's signature",
        "b keeps a head over 11 entries of the log '别的', not of '制造'",
    ]


# ---------------------------------------------------------------- several at once, the database, texts


def test_several_edits_are_each_told(whole: Written) -> None:
    found = list(whole.records)
    for number in (2, 6):
        found[number] = replace(found[number], body=whole.records[0].body)
    verdict = checked(with_records(whole, *found))
    assert [said[:8] for said in sentences(verdict)] == ["entry 2 ", "entry 6 "]
    with pytest.raises(Tampered, match=r"entry 2 .* was edited: .* \(and 1 more\)") as caught:
        verdict.require()
    assert len(caught.value.findings) == 2
    assert verdict.text.startswith("log 制造: 11 entries, 3 heads\nNOT what was signed, 2 found:\nentry 2 ")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM audit_entry WHERE number = 10", "says 11 entries and 10 are here"),
        ("DELETE FROM audit_entry WHERE number = 5", "entry 5 was dropped: entry 6 follows"),
        ("UPDATE audit_log SET size = 10", "the log's row says 10 entries and 11 are here"),
        ("UPDATE audit_log SET frontier = x'00'", "the log's row was edited"),
        ("UPDATE audit_head SET body = x'00' WHERE number = 1", "head 1 was edited: it cannot be read any more"),
        ("UPDATE audit_head SET number = 9 WHERE number = 0", "head 9 (2026-01-02 12:00:00 UTC) does not follow"),
        ("UPDATE audit_countersignature SET department = ' '", "a countersignature on head 1 was edited"),
        ("UPDATE audit_countersignature SET signature = x'00'", "does not bear the countersignature of 研发部门"),
        ("UPDATE audit_entry SET nodes = x'00' WHERE number = 3", "entry 3 (decision, "),
    ],
)
def test_a_statement_by_hand_is_found(example: Example, statement: str, words: str) -> None:
    unguarded(example.database)
    with example.database.writing() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        if "department" in statement:
            connection.execute(text("DELETE FROM audit_countersignature WHERE department = '生产车间'"))
        connection.execute(text(statement))
    assert any(words in said for said in sentences(checked(written(example.database, LOG))))


def test_a_dropped_head_whose_countersignatures_are_left_is_told(example: Example, tmp_path: Path) -> None:
    unguarded(example.database)
    with closing(sqlite3.connect(tmp_path / "日志.sqlite", isolation_level=None)) as connection:
        connection.execute("DELETE FROM audit_head WHERE number = 2")
    assert "head 2 was dropped: countersignatures on it are here" in sentences(checked(written(example.database, LOG)))


def test_a_log_that_went_on_after_an_edit_stays_unsound(example: Example) -> None:
    unguarded(example.database)
    _update(example.database, "audit_entry", 3, "body", example.entries[2].body)
    with example.database.writing() as connection:
        append(connection, LOG, example.entries[:2])
        seal(connection, LOG, COORDINATOR, NOON)
    (said,) = sentences(checked(written(example.database, LOG)))
    assert said.startswith("entry 3 (decision, ")


def test_an_edited_text_is_found_and_an_erased_one_is_not_missed(example: Example) -> None:
    found = written(example.database, LOG)
    with example.database.writing() as connection:
        texts = openings(connection, LOG)
    assert verify(found.records, found.heads, KEYS, openings=texts).sound
    commitment = next(iter(texts))
    for edited in (Opening(texts[commitment].salt, "王五"), Opening(bytes(32), texts[commitment].text)):
        (said,) = sentences(verify(found.records, found.heads, KEYS, openings={**texts, commitment: edited}))
        assert (
            said == f"the text kept for the commitment {commitment.digest.hex()[:16]}… was edited: it is another text"
        )
    strange = Opening(bytes(32), "x")
    (said,) = sentences(verify(found.records, found.heads, KEYS, openings={strange.commitment: strange}))
    assert said.endswith("which no entry has")


@given(st.data())
def test_whatever_a_log_is_made_of_verifying_it_ends_in_a_verdict(whole: Written, data: st.DataObject) -> None:
    """No input makes it fail otherwise than by its findings."""
    hashes = st.sampled_from([bytes(32), b"", *(record.nodes[0] for record in whole.records)])
    bodies = st.one_of(st.binary(max_size=40), st.sampled_from([record.body for record in whole.records]))
    made = st.builds(Record, st.integers(-2, 12), bodies, st.lists(hashes, max_size=4).map(tuple))
    found = data.draw(st.lists(st.one_of(made, st.sampled_from(whole.records)), max_size=14))
    heads = data.draw(st.lists(st.sampled_from(whole.heads), max_size=4))
    verdict = checked(Written(LOG, tuple(found), tuple(heads)), {"研发部门": whole.heads[2].signed})
    same: Callable[[Written], bool] = lambda log: (log.records, log.heads) == (tuple(found), tuple(heads))  # noqa: E731
    assert verdict.sound == same(whole)
