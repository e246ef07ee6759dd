"""What calls about the trust in an entry take and give, field by field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lepton_fed.portal.entries.quality import Check


class Given(BaseModel):
    """What is read from a value, by the names that it has there."""

    model_config = ConfigDict(from_attributes=True)


class CheckGiven(Given):
    """Something that was found in a text. `what`: the link, the title, how many places; `entry`: the duplicate."""

    kind: Literal["owner", "unmasked", "link", "place", "duplicate", "thin"]
    blocks: bool
    what: str
    entry: int | None
    percent: int

    @classmethod
    def of(cls, check: Check) -> CheckGiven:
        return cls.model_validate(check)
