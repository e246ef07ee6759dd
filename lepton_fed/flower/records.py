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

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from flwr.app import RecordDict

from lepton_fed.compression import Packed, unpack
from lepton_fed.errors import PeerError
from lepton_fed.flower.fields import (
    Fields,
    Found,
    Later,
    Reader,
    one_line,
    raw,
    spelt,
    write_digests,
    write_table,
)
from lepton_fed.flower.parts import LARGEST, Cutter, Parts, is_part
from lepton_fed.messages import (
    Addend,
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
    Expected,
    HubState,
    Join,
    Joined,
    Meet,
    Message,
    Met,
    Read,
    Refused,
    Release,
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
from lepton_fed.policies import Context, Request
from lepton_fed.reads import Parcel, ReadRequest
from lepton_fed.secagg.messages import (
    Call,
    Delivery,
    GroupCall,
    GroupConsent,
    GroupOffer,
    MaskedInput,
    Quorum,
    Reveal,
    SealedShares,
    SealedSums,
    SignedKeys,
    SumsDigest,
    Survivors,
    SurvivorSignature,
)

VERSION = 4
"""Of what is on the wire. Both sides must speak the same one; nothing is guessed."""

RECORD, WORK = "lepton", "lepton work"
CONTEXT: dict[str, type] = {
    "purpose": str,
    "crowd": int,
    "epsilon_spent": float,
    "code": str,
    "federation": str,
    "plan": str,
    "part": str,
    "hour": int,
    "round": int,
    "rounds": int,
}
"""The fields of a request's context, and what they are on the wire."""

WORDS_OF_REQUEST = ("who", "role", "verb", "what", "owner", "kind")

REQUESTS = (Call, Delivery, Survivors, Quorum, GroupCall, GroupOffer, SealedSums)
ANSWERS = (SealedShares, MaskedInput, SurvivorSignature, Reveal, GroupOffer, GroupConsent, SumsDigest)
"""What a secure sum's exchanges ask and answer; of all else that has canonical bytes, nothing may arrive."""


@dataclass(frozen=True)
class Who:
    """Which department are you? Asked of Flower nodes, which have numbers for names."""


@dataclass(frozen=True)
class Here:
    """This department."""

    department: str


@dataclass(frozen=True)
class Update:
    """The newest membership that the coordinator has, signed by the administrator; the first thing said to anybody.

    `run`: the id of the run under way, by which a department's entries of the audit log are found; empty without one.
    """

    membership: bytes = field(repr=False)
    run: str = ""


@dataclass(frozen=True)
class Updated:
    """It goes by the membership of this serial now."""

    serial: int


Said = Message | Reply | Who | Here | Update | Updated


def record_of(said: Said, cutter: Cutter | None = None) -> RecordDict:
    """What was said, ready for a Flower message. Long vectors stay where they are, so they must not change any more.

    `cutter`: of messages that are sent together, so that what they have in common is cut once.
    """
    kind, write, _ = _KINDS[type(said)]
    cutter, content = cutter or Cutter(), RecordDict()
    content[RECORD] = cutter.record({"version": VERSION, "kind": kind, **write(said)}, content)
    if isinstance(said, Sum) and said.work is not None:
        content[WORK] = cutter.record(_write_work(said.work), content)
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


# ---------------------------------------------------------------- each thing that can be said


def _write_hubs(hubs: Mapping[str, HubState]) -> Fields:
    states = list(hubs.values())
    releases = [s.release for s in states]
    return {
        "hubs": list(hubs),
        "models": [raw(s.model) for s in states],
        "released": [r is not None for r in releases],
        "means": [raw(r.mean) if r is not None else b"" for r in releases],
        "masses": [float(r.mass) if r is not None else 0.0 for r in releases],
        "spreads": [float(r.spread) if r is not None else 0.0 for r in releases],
        "controlled": [s.control is not None for s in states],
        "controls": [raw(s.control) if s.control is not None else b"" for s in states],
    }


def _read_hubs(reader: Reader) -> dict[str, HubState]:
    models, released, means = reader.vectors("models"), reader.flags("released"), reader.vectors("means")
    masses, spreads = reader.numbers("masses"), reader.numbers("spreads")
    controlled, controls = reader.flags("controlled"), reader.vectors("controls")
    columns = (models, released, means, masses, spreads, controlled, controls)
    hubs: dict[str, HubState] = {}
    for k, name in enumerate(reader.names("hubs", *columns)):
        release = Release(means[k], masses[k], spreads[k]) if released[k] else None
        hubs[name] = HubState(models[k], release, controls[k] if controlled[k] else None)
    return hubs


def _write_work(work: Work) -> Fields:
    return {
        "round": work.round,
        **_write_hubs(work.hubs),
        "write": list(work.write),
        "report": work.report,
        "fingerprint": work.fingerprint,
    }


def _read_work(reader: Reader) -> Work:
    return Work(
        reader.whole("round"),
        _read_hubs(reader),
        reader.names("write"),
        reader.flag("report"),
        reader.text("fingerprint"),
    )


def _write_done(done: Done) -> Fields:
    addends = list(done.addends.values())
    return {
        "addends": list(done.addends),
        "vectors": [a.packed.code if a.packed is not None else raw(a.vector) for a in addends],
        "packed as": [a.packed.kind if a.packed is not None else "float32" for a in addends],
        "weights": [float(a.weight) for a in addends],
        "spreads": [float(a.spread) for a in addends],
        **write_table("scores", done.scores),
        **write_table("disclosed", done.disclosed),
        **write_table("seconds", done.seconds),
    }


def _read_done(reader: Reader) -> Done:
    packed, weights, spreads = reader.packed("vectors"), reader.numbers("weights"), reader.numbers("spreads")
    names = reader.names("addends", packed, weights, spreads)
    made = {
        name: partial(_read_addend, packed[k], weights[k], spreads[k], reader.complaint) for k, name in enumerate(names)
    }
    addends: Mapping[str, Addend] = MadeLater(made)
    if not any(isinstance(one, Later) for one in packed):
        addends = dict(addends)
    return Done(addends, reader.table("scores"), reader.table("disclosed"), reader.table("seconds"))


class MadeLater(Mapping[str, Addend]):
    """Addends that are read when somebody asks for them, so that a long one costs nothing until its turn to be added.

    Asking raises PeerError for one that is not as it should be. It lasts as long as whoever asked holds it, and cannot
    be had again after that.
    """

    def __init__(self, made: Mapping[str, Callable[[], Addend]]) -> None:
        self._made = made
        self._known: WeakValueDictionary[str, Addend] = WeakValueDictionary()

    def __getitem__(self, name: str) -> Addend:
        addend = self._known.get(name)
        if addend is None:
            self._known[name] = addend = self._made[name]()
        return addend

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _read_addend(packed: Packed | Later, weight: float, spread: float, complaint: Callable[[str], PeerError]) -> Addend:
    if isinstance(packed, Later):
        packed = Packed(packed.kind, packed.code.joined())
    try:
        vector = unpack(packed)
    except ValueError as error:
        raise complaint(f"its update {error}") from None
    addend = Addend(vector, weight, spread, packed if packed.kind != "float32" else None)
    _check_addend(addend, complaint)
    return addend


def _check_addend(addend: Addend, complaint: Callable[[str], PeerError]) -> None:
    """One number that is not finite would spoil the sum of everybody."""
    # The squared norm is finite only if every entry is (or the vector is absurd): one pass, no temporary.
    if not np.isfinite((float(addend.vector @ addend.vector), addend.weight, addend.spread)).all():
        raise complaint("its update is not finite")
    if addend.weight < 0:
        raise complaint("its update has a negative weight")


def _write_sum(message: Sum) -> Fields:
    """Without the work, which is a record of its own."""
    return {"request": spelt(message.request), **write_digests("unseen", message.unseen)}


def _read_sum(reader: Reader) -> Sum:
    return Sum(reader.wire("request", REQUESTS), reader.work(_read_work), reader.digests("unseen"))


def _write_summed(summed: Summed) -> Fields:
    return {
        "reply": spelt(summed.reply),
        **write_table("disclosed", summed.disclosed),
        **write_table("seconds", summed.seconds),
        "warning": one_line(summed.warning),
        **write_digests("models", summed.models),
    }


def _read_summed(reader: Reader) -> Summed:
    return Summed(
        reader.wire("reply", ANSWERS),
        reader.table("disclosed"),
        reader.table("seconds"),
        reader.text("warning"),
        reader.digests("models"),
    )


def _write_consult(consult: Consult) -> Fields:
    """Requests as lists, one for each field; what a context leaves unsaid is empty, and said to be."""
    requests = consult.requests
    said = [[getattr(request.context, name) is not None for name in CONTEXT] for request in requests]
    columns: Fields = {f"request {name}": [getattr(request, name) for request in requests] for name in WORDS_OF_REQUEST}
    for name, type_ in CONTEXT.items():
        columns[f"context {name}"] = [type_(getattr(r.context, name) or type_()) for r in requests]
    return {
        "training": consult.training,
        "round": consult.round,
        "fingerprint": consult.fingerprint,
        **columns,
        "of": [request.of or "" for request in requests],
        "made": [request.of is not None for request in requests],
        "said": [flag for flags in said for flag in flags],
    }


def _read_consult(reader: Reader) -> Consult:
    training, number, fingerprint = reader.flag("training"), reader.whole("round"), reader.text("fingerprint")
    words = {name: reader.texts(f"request {name}") for name in WORDS_OF_REQUEST}
    of, made, said = reader.texts("of"), reader.flags("made"), reader.flags("said")
    context = {name: _column(reader, f"context {name}", type_) for name, type_ in CONTEXT.items()}
    many = len(of)
    if any(len(column) != many for column in (*words.values(), made, *context.values())):
        raise reader.complaint("its lists about requests differ in length")
    if len(said) != many * len(CONTEXT):
        raise reader.complaint("its list of what is said has not the right length")
    requests = []
    for k in range(many):
        flags = said[k * len(CONTEXT) : (k + 1) * len(CONTEXT)]
        told = {name: context[name][k] if flag else None for name, flag in zip(CONTEXT, flags, strict=True)}
        named: dict[str, Any] = {name: column[k] for name, column in words.items()}
        requests.append(Request(**named, of=of[k] if made[k] else None, context=Context(**told)))
    return Consult(tuple(requests), training, number, fingerprint)


def _column(reader: Reader, key: str, type_: type) -> Sequence[Any]:
    return reader.texts(key) if type_ is str else reader.numbers(key) if type_ is float else reader.wholes(key)


def _write_consulted(consulted: Consulted) -> Fields:
    expected = consulted.expected
    return {
        "permitted": [one.permitted for one in expected],
        "reasons": [one_line(reason) for one in expected for reason in one.reasons],
        "reasons each": [len(one.reasons) for one in expected],
        "rules": [one_line(rule) for one in expected for rule in one.rules],
        "rules each": [len(one.rules) for one in expected],
    }


def _read_consulted(reader: Reader) -> Consulted:
    permitted = reader.flags("permitted")
    reasons, rules = reader.sorted_out("reasons", len(permitted)), reader.sorted_out("rules", len(permitted))
    return Consulted(tuple(Expected(*one) for one in zip(permitted, reasons, rules, strict=True)))


def _write_evaluate(evaluate: Evaluate) -> Fields:
    return {
        **_write_hubs(evaluate.hubs),
        "asker": evaluate.asker,
        "purpose": evaluate.purpose,
        "fingerprint": evaluate.fingerprint,
        "round": evaluate.round,
        "part": evaluate.part,
    }


def _read_evaluate(reader: Reader) -> Evaluate:
    return Evaluate(
        _read_hubs(reader),
        reader.text("asker"),
        reader.text("purpose"),
        reader.text("fingerprint"),
        reader.whole("round"),
        reader.text("part"),
    )


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
        lambda s: {"round": s.round, **_write_hubs(s.hubs), "fingerprint": s.fingerprint},
        lambda r: Declare(r.whole("round"), _read_hubs(r), r.text("fingerprint")),
    ),
    Declared: ("declared", lambda s: {"hub": s.hub}, lambda r: Declared(r.text("hub"))),
    Work: ("work", _write_work, _read_work),
    Done: ("done", _write_done, _read_done),
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
    Sum: ("sum", _write_sum, _read_sum),
    Summed: ("summed", _write_summed, _read_summed),
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
    Consult: ("consult", _write_consult, _read_consult),
    Consulted: ("consulted", _write_consulted, _read_consulted),
    Evaluate: ("evaluate", _write_evaluate, _read_evaluate),
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
