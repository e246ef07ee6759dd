"""Models that a department is shown, as fields of a record: columns of hubs, in work or to be measured."""

from __future__ import annotations

from collections.abc import Mapping

from lepton_fed.flower.fields import Fields, Reader, raw
from lepton_fed.messages import Evaluate, HubState, Release, Work


def write_hubs(hubs: Mapping[str, HubState]) -> Fields:
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


def read_hubs(reader: Reader) -> dict[str, HubState]:
    models, released, means = reader.vectors("models"), reader.flags("released"), reader.vectors("means")
    masses, spreads = reader.numbers("masses"), reader.numbers("spreads")
    controlled, controls = reader.flags("controlled"), reader.vectors("controls")
    columns = (models, released, means, masses, spreads, controlled, controls)
    hubs: dict[str, HubState] = {}
    for k, name in enumerate(reader.names("hubs", *columns)):
        release = Release(means[k], masses[k], spreads[k]) if released[k] else None
        hubs[name] = HubState(models[k], release, controls[k] if controlled[k] else None)
    return hubs


def write_work(work: Work) -> Fields:
    return {
        "round": work.round,
        **write_hubs(work.hubs),
        "write": list(work.write),
        "report": work.report,
        "fingerprint": work.fingerprint,
    }


def read_work(reader: Reader) -> Work:
    return Work(
        reader.whole("round"),
        read_hubs(reader),
        reader.names("write"),
        reader.flag("report"),
        reader.text("fingerprint"),
    )


def write_evaluate(evaluate: Evaluate) -> Fields:
    return {
        **write_hubs(evaluate.hubs),
        "asker": evaluate.asker,
        "purpose": evaluate.purpose,
        "fingerprint": evaluate.fingerprint,
        "round": evaluate.round,
        "part": evaluate.part,
    }


def read_evaluate(reader: Reader) -> Evaluate:
    return Evaluate(
        read_hubs(reader),
        reader.text("asker"),
        reader.text("purpose"),
        reader.text("fingerprint"),
        reader.whole("round"),
        reader.text("part"),
    )
