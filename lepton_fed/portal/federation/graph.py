"""The collaboration graph of the watched federation: drawn as its file is now, with the same in words beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lepton_fed.collaboration import Graph
from lepton_fed.config import Federation
from lepton_fed.portal.federation.drawings import drawn
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.wording import DEFAULT

MOST = 500
"""Flows that are listed; a federation of many departments has tens of thousands."""


@dataclass(frozen=True)
class Need:
    """What one department depends on another for."""

    dependent: str
    on: str
    what: str


@dataclass(frozen=True)
class Flow:
    """What one department gives another, and what that one may do with it."""

    giver: str
    taker: str
    what: str
    permitted: tuple[str, ...]


@dataclass(frozen=True)
class GraphSeen:
    """`svg`: the drawing; `flows`: the first `MOST` of `of_flows`; `report`: what `lepton-fed graph report` prints."""

    svg: str
    needs: tuple[Need, ...]
    flows: tuple[Flow, ...]
    of_flows: int
    report: str

    @property
    def network(self) -> dict[str, list[dict[str, str]]]:
        """For a script to draw, as the drawing has it: needs, flows, and flows with which nothing may be done."""
        edges = [{"from": one.dependent, "to": one.on, "name": one.what, "kind": "need"} for one in self.needs]
        between: dict[tuple[str, str, str], list[str]] = {}
        for one in self.flows:
            between.setdefault((one.giver, one.taker, "flow" if one.permitted else "nothing"), []).append(one.what)
        edges += [
            {"from": giver, "to": taker, "name": ", ".join(what[:3]) + " …" * (len(what) > 3), "kind": kind}
            for (giver, taker, kind), what in between.items()
        ]
        names = dict.fromkeys(name for one in edges for name in (one["from"], one["to"]))
        return {"nodes": [{"id": name, "name": name} for name in names], "edges": edges}


def graph(watched: Watched, language: str = DEFAULT) -> GraphSeen:
    """As the federation file is now, with the report in that language; Unreadable."""
    with told():
        toml = watched.federation().to_toml()
        return replace(_drawn(toml), report=_report(toml, language))


@lru_cache(maxsize=4)
def _report(toml: str, language: str) -> str:
    return _graph(toml).report(language=language)


@lru_cache(maxsize=4)
def _drawn(toml: str) -> GraphSeen:
    """All but the report. Drawing takes some tenths of a second, and the file seldom changes."""
    found = _graph(toml)
    flows = tuple(_flows(found))
    return GraphSeen(
        svg=drawn(found.svg),
        needs=tuple(Need(edge.dependent, edge.on, edge.what) for edge in found.edges),
        flows=flows[:MOST],
        of_flows=len(flows),
        report="",
    )


def _graph(toml: str) -> Graph:
    return Graph.of(Federation.parse(toml, Path("federation.toml")))


def _flows(found: Graph) -> Iterator[Flow]:
    if found.sharing is None:
        return
    permitted = found.sharing.permissions()
    for one in found.sharing.passages():
        yield Flow(one.giver, one.taker, one.what, tuple(permitted(one.giver, one.taker, one.what)))
