"""What calls of several subjects take and give; the OpenAPI document is made from these shapes and their like."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from lepton_fed.portal.entries.content import with_line_feeds

Kind = Literal["note", "document", "faq", "model_card", "data_card"]
Audience = Literal["department", "named", "everyone"]
Move = Literal["submit", "take_back", "request_changes", "publish", "retire", "confirm"]
Role = Literal["reader", "author", "reviewer", "approver", "administrator"]


Lines = BeforeValidator(lambda sent: with_line_feeds(sent) if isinstance(sent, str) else sent)
"""After a field's greatest length, so that the lines of a text end by one character each where it is counted."""


class Taken(BaseModel):
    """What a caller sends: a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Made(BaseModel):
    """The number of what was made."""

    id: int


class Count(BaseModel):
    """How many."""

    count: int


class PartGiven(BaseModel):
    """Some of a text, and whether it is what was looked for, or what changed."""

    text: str
    marked: bool
