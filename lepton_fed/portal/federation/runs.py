"""Runs of the watched federation: which there are, how far each has come, its curves, the models that came out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from lepton_fed.history import FEDERATION, Measurement
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation.drawings import drawn
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.report.words import measured
from lepton_fed.settings import METRICS
from lepton_fed.storage.store import RunStore, StoredModel, StoredRun

MOST = 50
"""Runs that a list shows, the newest."""
PARTS = ("test", "validation", "train")
"""Of a metric the first of these is shown that there is."""

Points = tuple[tuple[int, float], ...]
"""Rounds with their values, in order."""


@dataclass(frozen=True)
class Curves:
    """One metric of one part, by department."""

    metric: str
    part: str
    lines: tuple[tuple[str, Points], ...]

    @property
    def svg(self) -> str:
        """Drawn; empty without a number."""
        return _drawn(self)

    @property
    def plotted(self) -> dict[str, list[object]]:
        """For a script to draw: rounds, and of each department a value for each, or none."""
        rounds = sorted({round for _, points in self.lines for round, _ in points})
        lines = [{"name": name, "values": [dict(points).get(one) for one in rounds]} for name, points in self.lines]
        return {"rounds": list(rounds), "lines": list(lines)}

    @property
    def last(self) -> tuple[tuple[str, int, float], ...]:
        """Of each department the last round with its value."""
        return tuple((name, *points[-1]) for name, points in self.lines)


@dataclass(frozen=True)
class RunSeen:
    """A run, as far as it has come. `asked`: rounds that it was asked for, None where its file does not say."""

    run: StoredRun
    round: int
    asked: int | None
    told: datetime | None
    """When the last round was recorded."""
    curves: tuple[Curves, ...]
    models: tuple[StoredModel, ...]

    @property
    def goes_on(self) -> bool:
        """Whether there is more to come, as far as the database knows: a killed process leaves it so."""
        return self.run.status == "running"


def runs(watched: Watched) -> tuple[StoredRun, ...]:
    """Those of this federation, the newest first."""
    with told(), opened(watched) as store:
        return () if store is None else of_this(watched, store)


def run(watched: Watched, number: str) -> RunSeen:
    """One of them by its id; NotThere."""
    with told(), opened(watched) as store:
        found = [] if store is None else [one for one in of_this(watched, store) if one.id == number]
        if store is None or not found:
            raise NotThere
        return _seen(store, found[0])


def newest(watched: Watched) -> RunSeen | None:
    """The newest run, None without any."""
    with told(), opened(watched) as store:
        found = () if store is None else of_this(watched, store)
        return _seen(store, found[0]) if store is not None and found else None


@contextmanager
def opened(watched: Watched) -> Iterator[RunStore | None]:
    """The database of runs; None where there is none yet."""
    url = watched.url
    if url is None:
        yield None
        return
    with RunStore(url) as store:
        yield store


def of_this(watched: Watched, store: RunStore) -> tuple[StoredRun, ...]:
    """Those of this federation, the newest first: so many as a list shows."""
    name = watched.federation().settings.federation.name
    return tuple(one for one in store.runs() if one.name == name)[:MOST]


def _seen(store: RunStore, found: StoredRun) -> RunSeen:
    rounds = store.rounds(found.id)
    return RunSeen(
        run=found,
        round=rounds[-1].number if rounds else 0,
        asked=_asked(found.federation_toml),
        told=rounds[-1].recorded if rounds else None,
        curves=tuple(_curves(store.history(found.id))),
        models=tuple(store.models(found.id)),
    )


def _asked(toml: str) -> int | None:
    try:
        count = tomllib.loads(toml)["rounds"]["count"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def _curves(history: list[Measurement]) -> Iterator[Curves]:
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for one in history:
        if one.department != FEDERATION and one.metric in METRICS and measured(one.value) is not None:
            found.setdefault((one.metric, one.part), {}).setdefault(one.department, {})[one.round] = one.value
    for metric in METRICS:
        part = next((part for part in PARTS if (metric, part) in found), None)
        if part is not None:
            lines = found[metric, part]
            yield Curves(metric, part, tuple((name, tuple(sorted(line.items()))) for name, line in lines.items()))


@lru_cache(maxsize=64)
def _drawn(curves: Curves) -> str:
    """Drawing takes some tenths of a second; several people watch one run."""
    from lepton_fed.report.figures import curves as figure

    lines: Mapping[str, dict[int, float]] = {name: dict(points) for name, points in curves.lines}
    name = f"curve-{curves.metric.replace('_', '-')}-{curves.part}"
    return drawn(lambda: figure(name, curves.metric, curves.part, lines))
