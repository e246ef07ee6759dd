"""Says whether a log is what was signed, and if not, which entry or head is not and how: offline, from keys alone.

    H(entry) = leaf ─► node = H(left, right) ─► root = head's root ─► the coordinator's signature ─► departments'
         edited            edited, moved            edited, dropped        edited, forged           forked, rolled back

Every arrow is checked by itself, on the hashes that are kept with the entries, so that one wrong step is told where it
is and the rest is checked all the same. Who also made the hashes anew is found at the first head over them: no root
can be signed without the coordinator's key. Who has that key as well is found by any department's kept head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lepton_fed.audit.commitments import Commitment, Opening
from lepton_fed.audit.entries import Entry, spoken
from lepton_fed.audit.errors import Tampered
from lepton_fed.audit.heads import NO_HEAD, Keys, SignedHead
from lepton_fed.audit.merkle import Frontier, leaf_hash, node_hash, trailing_ones
from lepton_fed.audit.record import Record, Sealed, Written
from lepton_fed.secagg.errors import Malformed
from lepton_fed.translation import Sentence, sentence, term

How = Literal[
    "edited",
    "dropped",
    "duplicated",
    "reordered",
    "changed",
    "forged",
    "forked",
    "rolled back",
    "unsealed",
    "unreadable",
]
"""`changed`: edited, dropped, added or reordered, within the entries that the sentence names. `forged`: not signed by
whom it should be. `unsealed`: under no head, so that nobody vouches for it.
"""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, as a sentence."""

    how: How
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Verdict:
    """What a log came to. `sealed`: entries under its last head; `countersigned`: by department, up to which size."""

    log: str
    size: int
    heads: int
    sealed: int
    countersigned: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def with_findings(self, more: Iterable[Finding]) -> Verdict:
        """The same, and what else was found."""
        return replace(self, findings=(*self.findings, *more))

    def require(self) -> None:
        """Return quietly if nothing was found; raise `Tampered` with the sentences if something was."""
        if self.findings:
            raise Tampered(tuple(map(str, self.findings)))

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person: the findings, or up to where the log is vouched for."""
        first = sentence("log {log}: {size} entries, {heads} heads", log=self.log, size=self.size, heads=self.heads)
        if self.findings:
            not_so = sentence("NOT what was signed, {count} found:", count=len(self.findings))
            return first, not_so, *(one.sentence for one in self.findings)
        so = sentence("verified: each of the {size} entries is as the coordinator signed it", size=self.size)
        signed = (
            sentence("the first {size} entries are countersigned by {who}", size=size, who=who)
            for who, size in sorted(self.countersigned.items())
        )
        return first, so, *signed

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)


def verify(
    entries: Iterable[Record],
    heads: Sequence[Sealed],
    keys: Keys,
    kept: Mapping[str, SignedHead] | None = None,
    openings: Mapping[Commitment, Opening] | None = None,
) -> Verdict:
    """Check a log. `kept`: the last head that departments keep, by name: without any, a log that was cut off at an
    earlier head by somebody who may edit all of it looks like one that has not gone on. `openings`: texts to check.
    """
    kept = kept or {}
    order = _Order(tuple(entries))
    tree = _Tree({sealed.signed.head.size for sealed in heads} | {one.head.size for one in kept.values()})
    for record in order.line:
        tree.add(record)
    chain = _Chain(keys, order, tree)
    for place, sealed in enumerate(heads):
        chain.add(place, sealed)
    findings = (
        *order.findings,
        *tree.findings,
        *chain.findings,
        *chain.tail(),
        *_against_kept(kept, keys, order, tree),
        *_texts(openings or {}, tree.commitments),
    )
    return Verdict(keys.log, len(order.line), len(heads), chain.sealed, chain.countersigned, findings)


def verify_written(
    written: Written,
    keys: Keys,
    kept: Mapping[str, SignedHead] | None = None,
    openings: Mapping[Commitment, Opening] | None = None,
) -> Verdict:
    """The same of a log that was read from a database or a file, what could not be read included."""
    found = verify(written.records, written.heads, keys, kept, openings)
    faults = tuple(Finding("unreadable", fault) for fault in written.faults)
    return Verdict(found.log, found.size, found.heads, found.sealed, found.countersigned, (*faults, *found.findings))


@dataclass
class _Order:
    """Entries by their indexes: `line` is 0, 1, 2, ... up to the first that is missing."""

    records: tuple[Record, ...]
    line: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        known: dict[int, Record] = {}
        before = -1
        for record in self.records:
            if record.index in known:
                self._find("duplicated", sentence("entry {index} is there twice", index=record.index))
                continue
            if record.index < before:
                why = sentence(
                    "entry {index} stands after entry {before}: entries were reordered",
                    index=record.index,
                    before=before,
                )
                self._find("reordered", why)
            known[record.index] = record
            before = record.index
        self._find_gaps(sorted(known))
        while len(self.line) in known:
            self.line.append(known[len(self.line)])

    def _find_gaps(self, indexes: list[int]) -> None:
        if indexes and indexes[0] < 0:
            self._find(
                "changed", sentence("an entry has the index {index}, and the first entry has 0", index=indexes[0])
            )
        expected = 0
        for index in indexes:
            if index > expected:
                span = _span(expected, index - 1)
                self._find("dropped", sentence("{span} dropped: entry {index} follows", span=span, index=index))
            expected = max(expected, index + 1)

    @property
    def whole(self) -> bool:
        """Whether no entry within is missing, so that entries end where the line does."""
        return len(self.line) == len({record.index for record in self.records})

    def _find(self, how: How, why: Sentence) -> None:
        self.findings.append(Finding(how, why))


@dataclass
class _Tree:
    """Checks each entry against its leaf and each node against the two below it, and keeps the roots asked for.

    It goes on with the hashes that are kept, right or wrong: every step is then judged by itself.
    """

    wanted: set[int]
    roots: dict[int, bytes] = field(default_factory=dict)
    commitments: set[Commitment] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    _frontier: list[bytes] = field(default_factory=list)
    _size: int = 0

    def __post_init__(self) -> None:
        self._note()

    def add(self, record: Record) -> None:
        """The next entry."""
        levels = trailing_ones(record.index)
        flaw = record.flaw or self._read(record)
        nodes = record.nodes
        if len(nodes) != levels + 1 or any(len(node) != 32 for node in nodes):
            self._find("edited", _edited(record, sentence("hashes kept with it are missing")))
            nodes = self._made(leaf_hash(record.body), levels)
        elif nodes[0] != leaf_hash(record.body):
            self._find("edited", _edited(record, _unlike(flaw)))
        elif flaw:
            why = sentence(
                "entry {index} is of a kind that this program does not read ({flaw})", index=record.index, flaw=flaw
            )
            self._find("unreadable", why)
        self._climb(record.index, nodes)

    def _read(self, record: Record) -> str:
        """Takes the entry's commitments; returns why it cannot be read, or nothing."""
        try:
            self.commitments.update(Entry.read(record.body).commitments)
        except Malformed as error:
            return str(error)
        return ""

    def _made(self, leaf: bytes, levels: int) -> tuple[bytes, ...]:
        """The hashes that should be there, for a record that has too few or too many."""
        _, made = Frontier((1 << levels) - 1, tuple(self._frontier[len(self._frontier) - levels :])).grown(leaf)
        return made

    def _climb(self, index: int, nodes: tuple[bytes, ...]) -> None:
        for level, node in enumerate(nodes[1:], start=1):
            if node_hash(self._frontier.pop(), nodes[level - 1]) != node:
                among = _among(index + 1 - (1 << level), index)
                self._find("changed", sentence("{among}: they do not give the hash kept for them", among=among))
        self._frontier.append(nodes[-1])
        self._size = index + 1
        self._note()

    def _note(self) -> None:
        if self._size in self.wanted:
            self.roots[self._size] = Frontier(self._size, tuple(self._frontier)).root

    def _find(self, how: How, why: Sentence) -> None:
        self.findings.append(Finding(how, why))


@dataclass
class _Chain:
    """Checks each head: whose it is, whether it follows the one before, and whether the entries have its root."""

    keys: Keys
    order: _Order
    tree: _Tree
    sealed: int = 0
    countersigned: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _last: Sealed | None = None
    _agreed: int = 0
    _diverged: bool = False

    def add(self, place: int, sealed: Sealed) -> None:
        """The next head."""
        head = sealed.signed.head
        name = sentence("head {number} ({time})", number=sealed.number, time=spoken(head.time))
        if head.log != self.keys.log:
            why = sentence(
                "{head} is of the log {log!r}, not of {other!r}", head=name, log=head.log, other=self.keys.log
            )
            self._find("forged", why)
        try:
            sealed.signed.check(self.keys.coordinator)
        except Malformed:
            why = sentence("{head} was edited or is another's: it does not bear the coordinator's signature", head=name)
            self._find("forged", why)
        self._follow(place, sealed, name)
        self._compare(sealed, name)
        self._witnesses(sealed, name)
        self._last = sealed
        self.sealed = max(self.sealed, head.size)

    def _follow(self, place: int, sealed: Sealed, name: Sentence) -> None:
        head, last = sealed.signed.head, self._last
        previous = NO_HEAD if last is None else last.signed.head.hash
        if sealed.number != place or head.previous != previous:
            self._find("changed", _displaced(name, last))
        elif last is not None and (head.size < last.signed.head.size or head.time < last.signed.head.time):
            why = sentence(
                "{head} goes back behind head {before}: the log was rolled back", head=name, before=last.number
            )
            self._find("rolled back", why)

    def _compare(self, sealed: Sealed, name: Sentence) -> None:
        head = sealed.signed.head
        if head.size > len(self.order.line):
            if self.order.whole and not self._diverged:
                self._diverged = True
                span = _span(len(self.order.line), head.size - 1)
                why = sentence("{span} dropped: {head} was signed over {size}", span=span, head=name, size=head.size)
                self._find("dropped", why)
        elif self.tree.roots[head.size] == head.root:
            self._agreed = max(self._agreed, head.size)
        elif not self._diverged:
            # Later heads stand on the same entries; they would only say it again.
            self._diverged = True
            self._find("changed", self._divergence(sealed, name))

    def _divergence(self, sealed: Sealed, name: Sentence) -> Sentence:
        head, last = sealed.signed.head, self._last
        if last is not None and last.signed.head.size == head.size:
            return sentence(
                "heads {one} and {other} were signed over {size} entries each with two roots: the log was forked",
                one=last.number,
                other=sealed.number,
                size=head.size,
            )
        among = _among(self._agreed, head.size - 1)
        return sentence("{among}: {head} was signed over another root", among=among, head=name)

    def _witnesses(self, sealed: Sealed, name: Sentence) -> None:
        head = sealed.signed.head
        for one in sealed.countersignatures:
            try:
                one.check(head, self.keys.departments.get(one.department, ()))
            except Malformed:
                why = sentence(
                    "{head} does not bear the countersignature of {department} that stands with it",
                    head=name,
                    department=one.department,
                )
                self._find("forged", why)
            else:
                self.countersigned[one.department] = max(head.size, self.countersigned.get(one.department, 0))

    def tail(self) -> Iterator[Finding]:
        """Entries that nobody has signed for."""
        if len(self.order.line) > self.sealed:
            why = sentence(
                "no head was signed over entries {first} to {last}: nobody vouches for them yet",
                first=self.sealed,
                last=len(self.order.line) - 1,
            )
            yield Finding("unsealed", why)

    def _find(self, how: How, why: Sentence) -> None:
        self.findings.append(Finding(how, why))


def _against_kept(kept: Mapping[str, SignedHead], keys: Keys, order: _Order, tree: _Tree) -> Iterator[Finding]:
    for department, signed in sorted(kept.items()):
        head = signed.head
        keeps = sentence("{department} keeps a head over {size} entries", department=department, size=head.size)
        try:
            signed.check(keys.coordinator)
        except Malformed:
            why = sentence("{keeps} that does not bear the coordinator's signature", keeps=keeps)
            yield Finding("forged", why)
            continue
        if head.log != keys.log:
            why = sentence("{keeps} of the log {log!r}, not of {other!r}", keeps=keeps, log=head.log, other=keys.log)
            yield Finding("forged", why)
        elif head.size > len(order.line):
            here = len(order.line)
            why = sentence("{keeps}, and {here} are here: the log was rolled back", keeps=keeps, here=here)
            yield Finding("rolled back", why)
        elif tree.roots[head.size] != head.root:
            why = sentence("{keeps} with another root than these: the log was forked or edited", keeps=keeps)
            yield Finding("forked", why)


def _texts(openings: Mapping[Commitment, Opening], known: set[Commitment]) -> Iterator[Finding]:
    for commitment, opening in openings.items():
        short = commitment.digest.hex()[:16]
        if opening.commitment != commitment:
            why = sentence("the text kept for the commitment {short}… was edited: it is another text", short=short)
            yield Finding("edited", why)
        elif commitment not in known:
            why = sentence("a text is kept for the commitment {short}…, which no entry has", short=short)
            yield Finding("changed", why)


# ---------------------------------------------------------------- what sentences have in common


def _edited(record: Record, why: Sentence) -> Sentence:
    """With what the entry says that it is, where it can still be read."""
    try:
        entry = Entry.read(record.body)
    except Malformed:
        return sentence("entry {index} was edited: {why}", index=record.index, why=why)
    return sentence(
        "entry {index} ({title}, {time}) was edited: {why}",
        index=record.index,
        title=term(entry.TITLE),
        time=spoken(entry.time),
        why=why,
    )


def _unlike(flaw: str) -> Sentence:
    """Why an entry is not what its hash was made of."""
    if flaw:
        return sentence("it cannot be read any more ({flaw})", flaw=flaw)
    return sentence("it does not give the hash kept with it")


def _among(first: int, last: int) -> Sentence:
    return sentence(
        "among entries {first} to {last} something was edited, dropped, added or reordered", first=first, last=last
    )


def _span(first: int, last: int) -> Sentence:
    if first == last:
        return sentence("entry {index} was", index=first)
    return sentence("entries {first} to {last} were", first=first, last=last)


def _displaced(head: Sentence, before: Sealed | None) -> Sentence:
    if before is None:
        return sentence(
            "{head} is not the first head: heads were edited, dropped, added, duplicated or reordered", head=head
        )
    return sentence(
        "{head} does not follow head {before}: heads were edited, dropped, added, duplicated or reordered",
        head=head,
        before=before.number,
    )
