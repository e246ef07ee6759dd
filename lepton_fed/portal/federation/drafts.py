"""Drafts of entries, made of what the federation knows by whoever may watch it and write; they look it through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lepton_fed.portal.entries import writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation import cards, runs
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Shelf
from lepton_fed.portal.wording import wording

if TYPE_CHECKING:
    from lepton_fed.portal.portal import Portal


def draft_of_run(portal: Portal, person: Person, watched: Watched, run: str, department: str, language: str) -> int:
    """A model card, as a draft of that department's; returns its number. NotThere, Conflict, Forbidden."""
    _require_may_write(portal, person, department)
    content = cards.model_card(cards.of_run(watched, run), wording(language))
    return _begun(portal, person, department, "model_card", content)


def newest_finished(watched: Watched) -> str:
    """The id of the newest run that has finished; NotThere without one."""
    for one in runs.runs(watched):
        if one.status == "finished":
            return one.id
    raise NotThere


def draft_of_data(portal: Portal, person: Person, watched: Watched, of: str, department: str, language: str) -> int:
    """A data set card of a member of the federation, likewise; for whoever may inspect that one."""
    _require_may_write(portal, person, department)
    content = cards.data_card(cards.of_data(watched, Onlooker(person, portal.rights), of), wording(language))
    return _begun(portal, person, department, "data_card", content)


def _require_may_write(portal: Portal, person: Person, department: str) -> None:
    """Before the federation's files are read for somebody."""
    with portal.reading(person) as acting:
        writing.require_may_write(acting, Shelf(department, "department"))


def _begun(portal: Portal, person: Person, department: str, kind: str, content: Content) -> int:
    # What people wrote is masked in it already; digests that look like numbers of something are none.
    with portal.writing(person) as acting:
        return writing.begin(acting, department, kind, content, sensitive="keep")
