"""Comments that are taken back: by whoever wrote one, or by a reviewer, who says why. The text goes, a line stays."""

from __future__ import annotations

from sqlalchemy import select, update

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import access
from lepton_fed.portal.entries.access import LARGEST
from lepton_fed.portal.entries.content import LONGEST_NOTE, remark
from lepton_fed.portal.entries.sensitive import without
from lepton_fed.portal.entries.tables import COMMENT, WITHDRAWAL
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, Unacceptable
from lepton_fed.portal.once import added_once


def take_back(acting: Acting, number: int, comment: int, reason: str = "") -> None:
    """The comment's text is gone from now on; a backup that was made before still has it."""
    found = access.seen(acting, number)
    if not 0 < comment <= LARGEST:
        raise NotThere
    where = (COMMENT.c.id == comment, COMMENT.c.entry == number)
    writer = acting.connection.execute(select(COMMENT.c.person).where(*where)).scalar()
    if writer is None:
        raise NotThere
    said = without(remark(reason)[:LONGEST_NOTE])
    if writer != acting.person.id:
        if not found.reviews:
            raise Forbidden("not_yours")
        if not said:
            raise Unacceptable("reason")
    values = {"comment": comment, "person": acting.person.id, "time": acting.now, "reason": said}
    if not added_once(acting.connection, WITHDRAWAL, values):
        raise Conflict("changed_meanwhile")
    acting.connection.execute(update(COMMENT).where(*where).values(text=""))
