"""What calls about the trust in an entry take and give, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lepton_fed.portal.entries.content import LONGEST_NOTE
from lepton_fed.portal.entries.quality import Check
from lepton_fed.portal.entries.quality import Kind as CheckKind
from lepton_fed.portal.entries.reports import LONGEST_REPORT
from lepton_fed.portal.web.api_shapes import Kind, Lines, Taken


class Given(BaseModel):
    """What is read from a value, by the names that it has there."""

    model_config = ConfigDict(from_attributes=True)


class CheckGiven(Given):
    """Something that was found in a text. `what`: the link, the title, how many places; `entry`: the duplicate."""

    kind: CheckKind
    blocks: bool
    what: str
    entry: int | None
    percent: int

    @classmethod
    def of(cls, check: Check) -> CheckGiven:
        return cls.model_validate(check)


class ReportTaken(Taken):
    """What is wrong, in a sentence."""

    text: Annotated[str, Field(max_length=LONGEST_REPORT), Lines]


class AnswerTaken(Taken):
    """How a report is answered, and why."""

    verdict: Literal["fixed", "no_error"]
    reason: Annotated[str, Field(max_length=LONGEST_NOTE), Lines]


class WithdrawalTaken(Taken):
    """Why a comment is taken back; needed where it is somebody else's."""

    reason: Annotated[str, Field(max_length=LONGEST_NOTE), Lines] = ""


class AboutGiven(Given):
    """A published entry that speaks of something."""

    entry: int
    title: str
    kind: Kind
    department: str


class ReportGiven(Given):
    """An error that somebody reported. `answerer`, `answered`, `answer`: empty while it is open."""

    id: int
    revision: int
    person: str
    time: datetime
    text: str
    state: Literal["open", "fixed", "no_error"]
    answerer: str
    answered: datetime | None
    answer: str
