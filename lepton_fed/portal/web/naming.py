"""What an entry speaks of, as the person who looks may know it: a name, and a page where there is one for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from fastapi import Request

from lepton_fed.knowledge.iris import name
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.entries.markdown import rendered, tokens
from lepton_fed.portal.entries.references import MARK, Named, Naming, Reference, spoken_of
from lepton_fed.portal.federation.naming import Known, known
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.web.asking import asking_of
from lepton_fed.portal.web.page import moment, said
from lepton_fed.portal.web.watching import look_of
from lepton_fed.portal.wording import Wording

SHORT = 12
"""Characters of what has no name."""


def shown(request: Request, person: Person, text: str, attachments: Mapping[str, Attachment] | None = None) -> str:
    """A text as HTML, with what it speaks of as that person may know it, and its attachments."""
    wanted = spoken_of(tokens(text)) if MARK in text else ()
    return rendered(text, naming(request, person, wanted), attachments)


def naming(request: Request, person: Person, wanted: Iterable[Reference]) -> Naming:
    """Of these, for a person; nothing of the federation is read where there is nothing of it among them.

    An entity's page says itself what the person may know of it: to ask beforehand would be a decision in its owners'
    dockets for each time that somebody reads an entry.
    """
    asked = [one for one in wanted if one.kind != "entity"]
    look = look_of(request, person) if asked else None
    there = known(look.watched, asked) if look is not None else {}
    t, asks = said(request), asking_of(request, person) is not None

    def named(reference: Reference) -> Named:
        if reference.kind == "entity":
            page = f"/knowledge/entity?{urlencode({'id': reference.target})}" if asks else ""
            return Named(name(reference.target), page)
        found = there.get(reference)
        return _unknown(t, reference) if found is None else _known(t, reference, found)

    return named


def _known(t: Wording, reference: Reference, found: Known) -> Named:
    page = f"/federation/runs/{found.run}"
    if reference.kind == "run":
        return Named(t("fed.run_of", time=moment(found.time)), page)
    return Named(t("fed.model_of", department=found.department, time=moment(found.time)), page)


def _unknown(t: Wording, reference: Reference) -> Named:
    key = "fed.some_run" if reference.kind == "run" else "fed.some_model"
    return Named(t(key, id=reference.target[:SHORT]))
