"""Somebody acts: a person, in a transaction, at a moment, within what policies let them do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lepton_fed.portal.attachments.files import AttachmentFiles
from lepton_fed.portal.finding.index import WordIndex
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Rights


@dataclass(frozen=True)
class Acting:
    """What every function of `entries` and `finding` is given first."""

    connection: Connection
    person: Person
    now: datetime
    rights: Rights
    words: WordIndex
    files: AttachmentFiles
