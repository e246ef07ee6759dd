"""Drafts of entries, made of what the federation knows by whoever may watch it and write; they look it through."""

from __future__ import annotations

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import writing
from lepton_fed.portal.errors import NotThere
from lepton_fed.portal.federation import cards, runs
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.wording import wording


def draft_of_run(acting: Acting, watched: Watched, run: str, department: str, language: str) -> int:
    """A model card, as a draft of that department's; returns its number. NotThere, Conflict, Forbidden."""
    content = cards.model_card(cards.of_run(watched, run), wording(language))
    # What people wrote is masked in it already; digests that look like numbers of something are none.
    return writing.begin(acting, department, "model_card", content, sensitive="keep")


def newest_finished(watched: Watched) -> str:
    """The id of the newest run that has finished; NotThere without one."""
    for one in runs.runs(watched):
        if one.status == "finished":
            return one.id
    raise NotThere


def draft_of_data(acting: Acting, watched: Watched, of: str, department: str, language: str) -> int:
    """A data set card of a member of the federation, likewise; for whoever may inspect that one."""
    facts = cards.of_data(watched, Onlooker(acting.person, acting.rights), of)
    return writing.begin(acting, department, "data_card", cards.data_card(facts, wording(language)), sensitive="keep")
