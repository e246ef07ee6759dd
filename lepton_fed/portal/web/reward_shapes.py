"""What the REST interface gives of points, field by field."""

from __future__ import annotations

from pydantic import BaseModel

from lepton_fed.portal.reward.standing import Standing


class ScoreGiven(BaseModel):
    """A person's points, and of how many entries and departments they come."""

    person: str
    points: int
    entries: int
    departments: int


class ReadingsGiven(BaseModel):
    """How often people of `by` read entries of `of`."""

    of: str
    by: str
    count: int


class StandingGiven(BaseModel):
    """A quarter: E = own + shared, of what, and who helped most."""

    quarter: str
    total: int
    own: int
    shared: int
    readings: list[ReadingsGiven]
    people: list[ScoreGiven]

    @classmethod
    def of(cls, standing: Standing) -> StandingGiven:
        found = standing.efficiency
        return cls(
            quarter=str(standing.quarter),
            total=found.total,
            own=found.own,
            shared=found.shared,
            readings=[ReadingsGiven(of=of, by=by, count=count) for (of, by), count in sorted(found.k.items())],
            people=[
                ScoreGiven(person=name, points=one.points, entries=one.entries, departments=one.departments)
                for name, one in standing.people
            ],
        )
