"""What calls of several subjects take and give; the OpenAPI document is made from these shapes and their like."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["note", "document", "faq", "model_card", "data_card"]
Audience = Literal["department", "named", "everyone"]
Move = Literal["submit", "take_back", "request_changes", "publish", "retire", "confirm"]
Role = Literal["reader", "author", "reviewer", "approver", "administrator"]


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
