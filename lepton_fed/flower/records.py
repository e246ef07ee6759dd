"""Messages and replies as Flower records: one ConfigRecord of plain fields each, nothing that could be run.

    RecordDict { "lepton": ConfigRecord { version: 4, kind: "work", round: 7, write: [...], ... } }

A message is one record because Flower sends every record, and every array in it, as a request of its own. Only
the work that comes with an exchange of a secure sum is a second one, "lepton work": the exchange differs from
department to department, the models in the work do not, and Flower stores equal records once. What is long in
either travels in parts (`lepton_fed.flower.parts`). Vectors are bytes:
float32, little-endian; what secure sums say is the canonical bytes of `lepton_fed.secagg`. What does not read
exactly as written here is a PeerError: a field missing or unknown, another type, lists of different lengths,
another version. Updates may come packed into fewer bytes (`lepton_fed.compression`), each beside how.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from flwr.app import RecordDict

from lepton_fed.errors import PeerError
from lepton_fed.flower.addend_fields import read_done, write_done
from lepton_fed.flower.consult_fields import read_consult, read_consulted, write_consult, write_consulted
from lepton_fed.flower.fields import Fields, Found, Reader, one_line, spelt, write_table
from lepton_fed.flower.greetings import Here, Update, Updated, Who
from lepton_fed.flower.hub_fields import read_evaluate, read_hubs, read_work, write_evaluate, write_hubs, write_work
from lepton_fed.flower.parts import LARGEST, Cutter, Parts, is_part
from lepton_fed.flower.sum_fields import read_sum, read_summed, write_sum, write_summed
from lepton_fed.messages import (
    Advertise,
    Advertised,
    Attest,
    Attested,
    Consult,
    Consulted,
    Declare,
    Declared,
    Done,
    Evaluate,
    Evaluated,
    Join,
    Joined,
    Meet,
    Message,
    Met,
    Read,
    Refused,
    Reply,
    Sent,
    Sum,
    Summed,
    Take,
    Taken,
    Wish,
    Wished,
    Work,
)
from lepton_fed.reads import Parcel, ReadRequest
from lepton_fed.secagg.messages import SignedKeys

VERSION = 4
"""Of what is on the wire. Both sides must speak the same one; nothing is guessed."""

RECORD, WORK = "lepton", "lepton work"

Said = Message | Reply | Who | Here | Update | Updated


def record_of(said: Said, cutter: Cutter | None = None) -> RecordDict:
    """What was said, ready for a Flower message. Long vectors stay where they are, so they must not change any more.

    `cutter`: of messages that are sent together, so that what they have in common is cut once.
    """
    kind, write, _ = _KINDS[type(said)]
    cutter, content = cutter or Cutter(), RecordDict()
    content[RECORD] = cutter.record({"version": VERSION, "kind": kind, **write(said)}, content)
    if isinstance(said, Sum) and said.work is not None:
        content[WORK] = cutter.record(write_work(said.work), content)
    return content


def said_in(content: RecordDict, sender: str, expected: Collection[type[Found]], most: int = LARGEST) -> Found:
    """What `sender` said, one of the types `expected`; PeerError naming the sender for anything else.

    `most`: bytes that its long values may have together. They are taken out of `content`: to be read once.
    """
    if {name for name in content if not is_part(name)} - {WORK} != {RECORD}:
        raise PeerError(sender, "its message is not one record of lepton-fed")
    reader = Reader(content[RECORD], Parts.of(content, sender, most), content.get(WORK))
    version = reader.whole("version")
    if version != VERSION:
        raise PeerError(sender, f"it speaks version {version} of the messages, not {VERSION}; use one release")
    kind = reader.text("kind")
    known = {_KINDS[type_][0]: type_ for type_ in expected}
    if kind not in known:
        raise PeerError(sender, f"it said {kind!r} where only {' or '.join(sorted(known))} fits")
    said: Found = _KINDS[known[kind]][2](reader)
    reader.finish()
    return said


def _write_wished(wished: Wished) -> Fields:
    return {"requests": [one.to_bytes() for one in wished.requests], "meetings": list(wished.meetings)}


def _read_wished(reader: Reader) -> Wished:
    return Wished(reader.wires("requests", ReadRequest), reader.names("meetings"))


_KINDS: dict[type, tuple[str, Callable[[Any], Fields], Callable[[Reader], Any]]] = {
    Who: ("who", lambda _: {}, lambda _: Who()),
    Here: ("here", lambda s: {"department": s.department}, lambda r: Here(r.text("department"))),
    Update: (
        "update",
        lambda s: {"membership": s.membership, "run": s.run},
        lambda r: Update(r.raw("membership"), r.text("run")),
    ),
    Updated: ("updated", lambda s: {"serial": s.serial}, lambda r: Updated(r.whole("serial"))),
    Join: ("join", lambda s: {"fingerprint": s.fingerprint}, lambda r: Join(r.text("fingerprint"))),
    Joined: (
        "joined",
        lambda s: {"layout": s.layout, "length": s.length},
        lambda r: Joined(r.text("layout"), r.whole("length")),
    ),
    Declare: (
        "declare",
        lambda s: {"round": s.round, **write_hubs(s.hubs), "fingerprint": s.fingerprint},
        lambda r: Declare(r.whole("round"), read_hubs(r), r.text("fingerprint")),
    ),
    Declared: ("declared", lambda s: {"hub": s.hub}, lambda r: Declared(r.text("hub"))),
    Work: ("work", write_work, read_work),
    Done: ("done", write_done, read_done),
    Advertise: (
        "advertise",
        lambda s: {"round": s.round, "attempt": s.attempt},
        lambda r: Advertise(r.whole("round"), r.whole("attempt")),
    ),
    Advertised: (
        "advertised",
        lambda s: {"keys": s.keys.to_bytes()},
        lambda r: Advertised(r.wire("keys", (SignedKeys,))),
    ),
    Sum: ("sum", write_sum, read_sum),
    Summed: ("summed", write_summed, read_summed),
    Attest: (
        "attest",
        lambda s: {"head": s.head, "since": s.since, "proof": list(s.proof), "told": s.told},
        lambda r: Attest(r.raw("head"), r.whole("since"), r.raws("proof"), r.whole("told")),
    ),
    Attested: (
        "attested",
        lambda s: {"seen": s.seen, "countersignature": s.countersignature, "entries": list(s.entries)},
        lambda r: Attested(r.whole("seen"), r.raw("countersignature"), r.raws("entries")),
    ),
    Consult: ("consult", write_consult, read_consult),
    Consulted: ("consulted", write_consulted, read_consulted),
    Evaluate: ("evaluate", write_evaluate, read_evaluate),
    Evaluated: (
        "evaluated",
        lambda s: {**write_table("metrics", s.metrics), "rows": s.rows},
        lambda r: Evaluated(r.table("metrics"), r.whole("rows")),
    ),
    Wish: ("wish", lambda s: {"occasion": s.occasion}, lambda r: Wish(r.text("occasion"))),
    Wished: ("wished", _write_wished, _read_wished),
    Read: (
        "read",
        lambda s: {"request": s.request.to_bytes()},
        lambda r: Read(r.wire("request", (ReadRequest,))),
    ),
    Sent: ("sent", lambda s: {"parcel": spelt(s.parcel)}, lambda r: Sent(r.wire("parcel", (Parcel,)))),
    Take: ("take", lambda s: {"parcel": spelt(s.parcel)}, lambda r: Take(r.wire("parcel", (Parcel,)))),
    Taken: ("taken", lambda s: {"size": s.size}, lambda r: Taken(r.whole("size"))),
    Meet: (
        "meet",
        lambda s: {"other": s.other, "body": s.body},
        lambda r: Meet(r.text("other"), r.long("body")),
    ),
    Met: ("met", lambda s: {"body": s.body}, lambda r: Met(r.long("body"))),
    Refused: ("refused", lambda s: {"reason": one_line(s.reason)}, lambda r: Refused(r.text("reason"))),
}
"""By type: its name on the wire, its fields, and how it is read back."""
