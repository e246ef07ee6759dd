"""A consultation as fields of a record: requests as columns, decisions one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lepton_fed.flower.fields import Fields, Reader, one_line
from lepton_fed.messages import Consult, Consulted, Expected
from lepton_fed.policies import Context, Request

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


def write_consult(consult: Consult) -> Fields:
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


def read_consult(reader: Reader) -> Consult:
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


def write_consulted(consulted: Consulted) -> Fields:
    expected = consulted.expected
    return {
        "permitted": [one.permitted for one in expected],
        "reasons": [one_line(reason) for one in expected for reason in one.reasons],
        "reasons each": [len(one.reasons) for one in expected],
        "rules": [one_line(rule) for one in expected for rule in one.rules],
        "rules each": [len(one.rules) for one in expected],
    }


def read_consulted(reader: Reader) -> Consulted:
    permitted = reader.flags("permitted")
    reasons, rules = reader.sorted_out("reasons", len(permitted)), reader.sorted_out("rules", len(permitted))
    return Consulted(tuple(Expected(*one) for one in zip(permitted, reasons, rules, strict=True)))
