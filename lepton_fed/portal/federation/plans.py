"""What would come of the whole plan: which department would refuse which step of it and why, and what sums reveal.

The same as `lepton-fed preflight` and `simulate` say, with the departments' own files that are on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_fed.explaining import guards_at
from lepton_fed.own_policies import troubles
from lepton_fed.pipeline.foreseen import measurements
from lepton_fed.portal.federation.policies import shown
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.preflight import SHOWN, Step, foreseen
from lepton_fed.secrecy import audit


@dataclass(frozen=True)
class Kind:
    """Steps of one kind: how many are asked for, and how many of them would be refused."""

    name: str
    asked: int
    refused: int


@dataclass(frozen=True)
class Refusal:
    """A step that a department would refuse. `advice`: what would make it pass; neither that nor a reason is there for
    whoever may not read them.
    """

    step: str
    owner: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True)
class PlanSeen:
    """`refusals`: the first `SHOWN` of them. `secure`: whether nobody sees single updates; `refused`: why secure sums
    would be refused, empty where they would not; `reveals`: what the sums tell, and whom.
    """

    kinds: tuple[Kind, ...]
    refusals: tuple[Refusal, ...]
    troubles: tuple[str, ...]
    """What is wrong with departments' own policies."""
    elsewhere: tuple[str, ...]
    """Departments whose own files are not on this machine, and which may refuse more."""
    secure: bool
    refused: str
    reveals: tuple[str, ...]

    @property
    def of_refusals(self) -> int:
        """How many there are in all."""
        return sum(kind.refused for kind in self.kinds)


def plan(watched: Watched, onlooker: Onlooker) -> PlanSeen:
    """As the files are now; Unreadable. What is in departments' own files is for whoever may inspect them."""
    federation = watched.federation()
    with told():
        guards = guards_at(federation, None)
        steps = foreseen(federation, guards, measurements(federation))
        wrong = troubles(guard for guard in guards.values() if shown(guard, onlooker))
        sums = audit(federation.settings)
    denied = [step for step in steps if not step.decision.permitted]
    return PlanSeen(
        kinds=tuple(
            Kind(kind, sum(s.kind == kind for s in steps), sum(s.kind == kind for s in denied))
            for kind in dict.fromkeys(step.kind for step in steps)
        ),
        refusals=tuple(_refusal(step, shown(guards[step.owner], onlooker)) for step in denied[:SHOWN]),
        troubles=tuple(wrong),
        elsewhere=tuple(n for n in federation.settings.names if not federation.department_file(n).exists()),
        secure=sums.secure,
        refused=sums.refused or "",
        reveals=sums.sentences,
    )


def _refusal(step: Step, readable: bool) -> Refusal:
    return Refusal(step.what, step.owner, step.decision.reasons if readable else (), step.advice if readable else ())
