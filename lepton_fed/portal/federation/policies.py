"""What decides at each department, as Cedar text; and one request with each owner's answer, as `explain` gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lepton_fed.enforcement import Guard
from lepton_fed.errors import LeptonError
from lepton_fed.explaining import Explained, Question, explained, guards_at
from lepton_fed.policy import CHINESE
from lepton_fed.portal.errors import NotThere, Unacceptable
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.trouble import told
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.translation import said_by

VERBS = (*CHINESE.values(), "receive")
"""What a request can be about, in English."""


@dataclass(frozen=True)
class PoliciesSeen:
    """Of one department. `digest`: of all that decides; `text`: as far as the person may read it."""

    owner: str
    digest: str
    text: str
    own: tuple[str, ...]
    """Files of its own that are on this machine, by name."""
    own_shown: bool
    """Whether they are in the text: they are the department's to show."""
    problems: tuple[str, ...]
    file_here: bool
    """Whether the department's own file is on this machine."""


def owners(watched: Watched) -> tuple[str, ...]:
    """The departments, in the file's order."""
    return watched.federation().settings.names


def policies(watched: Watched, onlooker: Onlooker, owner: str) -> PoliciesSeen:
    """What decides about what `owner` owns; NotThere for a name that is no department."""
    federation = watched.federation()
    if owner not in federation.settings.names:
        raise NotThere
    with told():
        found = guards_at(federation, None)[owner].policies
        readable = onlooker.may_inspect(owner)
        own = found.own.get(owner)
        return PoliciesSeen(
            owner=owner,
            digest=found.digest(owner),
            text=(found if readable else found.of_the_file).text(owner),
            own=tuple(file.name for file in own.files) if own is not None else (),
            own_shown=readable,
            problems=tuple(own.problems) if own is not None and readable else (),
            file_here=federation.department_file(owner).exists(),
        )


def answers(watched: Watched, onlooker: Onlooker, question: Question) -> tuple[Explained, ...]:
    """Each owner's answer; Unacceptable with the sentence where somebody or something has no such name.

    The federation file is called by its name there: where it is on this machine is not for everybody who may watch.
    Why an owner with files of its own says so is for whoever may see these: elsewhere there is neither line nor rule.
    """
    federation = watched.federation()
    try:
        found, guards = explained(federation, question, federation.path.name), guards_at(federation, None)
        return tuple(one if shown(guards[one.owner], onlooker) else _bare(one) for one in found)
    except LeptonError as error:
        raise Unacceptable("question", sentence=said_by(error)) from None


def shown(guard: Guard, onlooker: Onlooker) -> bool:
    """Whether the person may read why a department decides as it does: it has no files of its own, or they may."""
    return guard.owner not in guard.policies.own or onlooker.may_inspect(guard.owner)


def _bare(one: Explained) -> Explained:
    return Explained(replace(one.decision, reasons=(), rules=()), ())


def data_sets(watched: Watched) -> tuple[str, ...]:
    """What flows or is permitted, to ask about."""
    settings = watched.federation().settings
    flows, grants = (flow.what for flow in settings.sharing), (grant.what for grant in settings.access)
    return tuple(dict.fromkeys((*flows, *grants)))
