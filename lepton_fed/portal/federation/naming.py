"""What runs and models are called that an entry speaks of, for whoever may watch the federation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lepton_fed.portal.entries.references import Reference
from lepton_fed.portal.federation.runs import of_this, opened
from lepton_fed.portal.federation.trouble import Unreadable, told
from lepton_fed.portal.federation.watched import Watched


@dataclass(frozen=True)
class Known:
    """A run, or the run that a model came out of. `department`: the model's."""

    run: str
    time: datetime
    department: str = ""


def known(watched: Watched, wanted: Iterable[Reference]) -> Mapping[Reference, Known]:
    """Those of them that are of this federation's newest runs; none where that cannot be read."""
    asked = set(wanted)
    found: dict[Reference, Known] = {}
    try:
        with told(), opened(watched) as store:
            for run in () if store is None else of_this(watched, store):
                found[Reference("run", run.id)] = Known(run.id, run.started)
                if store is not None and any(one.kind == "model" for one in asked):
                    for model in store.models(run.id):
                        found[Reference("model", model.digest)] = Known(run.id, model.created, model.department)
    except Unreadable:
        return {}
    return {one: found[one] for one in asked if one in found}
