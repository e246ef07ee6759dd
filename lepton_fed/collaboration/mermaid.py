"""The collaboration graph as Mermaid text: dependencies as arrows, flows dotted, those without permission crossed.

a -->|生产线数据| b      a depends on b
b -. 生产线数据 .-> a    it flows from b to a, and something is permitted with it
b -. 生产线数据 .-x a    it flows on paper only
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lepton_fed.report.words import visible

if TYPE_CHECKING:
    from lepton_fed.collaboration.graph import Graph

_ENTITIES = {c: f"#{ord(c)};" for c in '#"&<>`|\\{}[]()'}
"""What has a meaning of its own inside Mermaid's quotes, as Mermaid writes characters by number."""


MOST_EDGES = 500
"""As many as Mermaid draws, where nobody told it otherwise."""


def mermaid(graph: Graph) -> str:
    """A flowchart; ids are numbers, so that a department may have any name."""
    ids = {name: f"d{k}" for k, name in enumerate(graph.departments)}
    lines = ["flowchart LR", *(f"    {one}[{_quoted(name)}]" for name, one in ids.items())]
    lines += [f"    {ids[e.dependent]} -->|{_quoted(e.what)}| {ids[e.on]}" for e in graph.edges]
    flows = list(_flows(graph, ids))
    room = max(0, MOST_EDGES - len(graph.edges))
    left_out = [f"    %% {len(flows) - room:,} more flows"] if len(flows) > room else []
    return "\n".join([*lines, *flows[:room], *left_out]) + "\n"


def _flows(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    if graph.sharing is None:
        return
    permitted = graph.sharing.permissions()
    for p in graph.sharing.passages():
        head = ">" if permitted(p.giver, p.taker, p.what) else "x"
        yield f"    {ids[p.giver]} -. {_quoted(p.what)} .-{head} {ids[p.taker]}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ENTITIES.get(c, c) for c in visible(text)) + '"'
