"""Errors that readers report in an entry, and how its owner or a reviewer answers.

    open ──► fixed       readers see a newer revision, or none: Conflict before
      └────► no_error    with the reason, as the other

While one is open the entry is found below its like. A person has one open report of an entry, and so many in all: who
wants to push others down does not get far.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.access import LARGEST, Access
from lepton_fed.portal.entries.content import LONGEST_NOTE, remark
from lepton_fed.portal.entries.reading import names
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.entries.tables import REPORT
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.storage.portal_trust_tables import REPORT_STATES

LONGEST_REPORT = 1_000
MOST_OPEN = 20
"""Of one person."""

MOST_LISTED = 200
VERDICTS = tuple(state for state in REPORT_STATES if state != "open")

# Put together once: that takes longer than to ask them.
_OF_ENTRY = (
    select(REPORT)
    .where(REPORT.c.entry == bindparam("entry"))
    .order_by(REPORT.c.state != "open", REPORT.c.id.desc())
    .limit(MOST_LISTED)
)
_OWN_OF_ENTRY = _OF_ENTRY.where(REPORT.c.person == bindparam("person"))


@dataclass(frozen=True)
class Report:
    """An error that somebody reported. `answerer`, `answered`, `answer`: empty while it is open."""

    id: int
    revision: int
    person: str
    time: datetime
    text: str
    state: str
    answerer: str
    answered: datetime | None
    answer: str


def report(acting: Acting, number: int, text: str) -> int:
    """Say what is wrong in what readers see of an entry; returns the report's number."""
    entry = access.seen(acting, number, to_change=True).entry
    said = remark(text)
    if not 0 < len(said) <= LONGEST_REPORT:
        raise Unacceptable("report", most=LONGEST_REPORT)
    if entry.published is None:
        raise Conflict("report_nothing")
    _require_few(acting, number)
    values = {
        "entry": number,
        "revision": entry.published,
        "person": acting.person.id,
        "time": acting.now,
        "text": without(said),
        "state": "open",
        "answer": "",
    }
    return int(acting.connection.execute(insert(REPORT).values(values).returning(REPORT.c.id)).scalar_one())


def answer(acting: Acting, number: int, report: int, verdict: str, reason: str) -> None:
    """Say that an error was fixed, or that it is none, and why; for the owner and for reviewers."""
    found = access.seen(acting, number, to_change=True)
    if not may_answer(acting, found):
        raise Forbidden("not_yours")
    if not 0 < report <= LARGEST:
        raise NotThere
    where = (REPORT.c.id == report, REPORT.c.entry == number)
    row = acting.connection.execute(select(REPORT.c.state, REPORT.c.revision).where(*where)).first()
    if row is None:
        raise NotThere
    said = without(remark(reason)[:LONGEST_NOTE])
    if verdict not in VERDICTS or not said:
        raise Unacceptable("reason")
    if row.state != "open":
        raise Conflict("changed_meanwhile")
    if verdict == "fixed" and found.entry.published == row.revision:
        raise Conflict("not_fixed")
    values = {"state": verdict, "answerer": acting.person.id, "answered": acting.now, "answer": said}
    acting.connection.execute(update(REPORT).where(*where).values(values))


def may_answer(acting: Acting, found: Access) -> bool:
    """Whether the person answers what is reported of the entry."""
    return found.reviews or (found.works and found.entry.owner == acting.person.id)


def reports(acting: Acting, found: Access) -> list[Report]:
    """What was reported, the open ones first, then the newest; only their own to those who do not work on the entry."""
    wanted = _OF_ENTRY if found.works else _OWN_OF_ENTRY
    values = {"entry": found.entry.id} if found.works else {"entry": found.entry.id, "person": acting.person.id}
    rows = acting.connection.execute(wanted, values).mappings().all()
    known = names(acting, {row[column] for row in rows for column in ("person", "answerer")} - {None})
    return [
        Report(
            **{name: row[name] for name in ("id", "revision", "time", "text", "state", "answered", "answer")},
            person=known[row["person"]],
            answerer=known.get(row["answerer"], ""),
        )
        for row in rows
    ]


def _require_few(acting: Acting, number: int) -> None:
    own = (REPORT.c.person == acting.person.id, REPORT.c.state == "open")
    if acting.connection.execute(select(REPORT.c.id).where(*own, REPORT.c.entry == number)).first() is not None:
        raise Conflict("reported_already")
    if acting.connection.execute(select(func.count()).where(*own)).scalar_one() >= MOST_OPEN:
        raise Conflict("reports_enough", most=MOST_OPEN)
