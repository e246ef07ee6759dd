"""The rounds that are audited: the first, and those that would hide least (few drawn, small hubs, no report)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from lepton_fed.secagg.roster import Roster
from lepton_fed.settings import Settings
from lepton_fed.sums import Scheme, Turnout, enrolled, public_weight, roster_of


def stand_ins(settings: Settings) -> Roster:
    """A roster of stand-in keys, since only their owners matter. Malformed where the file's numbers do not fit."""
    return roster_of(settings, {name: hashlib.sha256(name.encode()).digest() for name in enrolled(settings)})


def turnouts(scheme: Scheme) -> Iterator[Turnout]:
    """A first round with everybody or as many as are drawn, and then the rounds that would hide least."""
    settings, everybody = scheme.settings, scheme.everybody()
    for chosen in _draws(scheme, everybody.writes):
        for writes in _hubs(scheme, {h: tuple(n for n in m if n in chosen) for h, m in everybody.writes.items()}):
            among = {hub: members for hub, members in writes.items() if members}
            yield Turnout(among, everybody.reports)
            if settings.rounds.evaluate_every > 1 and among:
                yield Turnout(among)


def smallest_hub(scheme: Scheme, many: int) -> int:
    """How many of so many must declare a hub under `clusters` for it to be kept."""
    return scheme.crowd(many) + scheme.beside


def _draws(scheme: Scheme, writes: Mapping[str, tuple[str, ...]]) -> Iterator[frozenset[str]]:
    """Who may be drawn: everybody, or so that as few as possible of those that always stand together are in it."""
    pool = tuple(n for n in scheme.settings.names if any(n in p.may_write for p in scheme.plans))
    drawn = scheme.settings.rounds.participants or len(pool)
    if drawn >= len(pool):
        yield frozenset(pool)
        return
    together: dict[tuple[str, ...], list[str]] = {}
    for name in pool:
        together.setdefault(tuple(hub for hub, members in writes.items() if name in members), []).append(name)
    for in_sums, block in together.items():
        if in_sums:
            others = [n for n in pool if n not in block]
            inside = max(1, drawn - len(others))
            yield frozenset((*_uneven(scheme, block)[:inside], *_uneven(scheme, others)[: drawn - inside]))


def _uneven(scheme: Scheme, names: Iterable[str]) -> list[str]:
    """The heaviest, then the others from the lightest up: who is beside it hides it least."""
    light = sorted(names, key=lambda n: public_weight(scheme.settings, n))
    return [*light[-1:], *light[:-1]]


def _hubs(scheme: Scheme, writes: dict[str, tuple[str, ...]]) -> Iterator[dict[str, tuple[str, ...]]]:
    """The writers to each hub; under `clusters` all that declare one, and then so few that two are just kept."""
    yield writes
    if scheme.settings.coupling.kind != "clusters" or len(scheme.plans) < 2:
        return
    everybody = next(iter(writes.values()))
    least = smallest_hub(scheme, len(everybody))
    if 2 * least <= len(everybody):
        some = _uneven(scheme, everybody)[:least]
        declared = {n: scheme.plans[n in some].name for n in everybody}
        yield scheme.assigned(declared)
