"""Attachments by calls: a file is the body of a request and of an answer, as it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from lepton_fed.portal.attachments import attached
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.attachments.kinds import KINDS
from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.attachment_answers import answer, received
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api/entries/{number}/attachments")

_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": dict.fromkeys(KINDS, _FILE)},
    206: {"description": "The range of it that was asked for.", "content": dict.fromkeys(KINDS, _FILE)},
    416: {"description": "There is no such range."},
}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _FILE}}}


class AttachmentGiven(BaseModel):
    """A file of an entry. `revisions`: those that hold it and that the caller may see, the newest first."""

    id: int
    name: str
    type: str
    size: int
    sha256: str
    added: datetime
    removed: datetime | None
    revisions: list[int]

    @classmethod
    def of(cls, one: Attachment, revisions: tuple[int, ...] = ()) -> AttachmentGiven:
        kept = {name: getattr(one, name) for name in ("id", "name", "size", "added", "removed")}
        return cls(**kept, type=one.kind, sha256=one.digest, revisions=list(revisions))


@router.get("")
def listed(portal: ThePortal, person: Calling, number: int) -> list[AttachmentGiven]:
    """The files of an entry that the caller may see."""
    with portal.reading(person) as acting:
        return [AttachmentGiven.of(one.attachment, one.revisions) for one in attached.listed(acting, number)]


@router.post("", status_code=201, openapi_extra=_BODY)
async def attach(
    request: Request,
    portal: ThePortal,
    person: Calling,
    number: int,
    name: Annotated[str, Query(min_length=1, max_length=500, description="What the file is called.")],
) -> AttachmentGiven:
    """Add a file to an entry: the request's body. A revision holds it once its number is sent with one."""
    await run_in_threadpool(_require_may_add, portal, person, number)
    with portal.files.part() as path:
        try:
            await received(request, path)
        except ClientDisconnect:
            raise Unacceptable("attachment_cut") from None
        return AttachmentGiven.of(await run_in_threadpool(attached.add, portal, person, number, name, path))


@router.get("/{attachment}", response_class=Response, responses=_ANSWERS)
def show(portal: ThePortal, person: Calling, number: int, attachment: int) -> Response:
    """The file, or the range of it that is asked for."""
    with portal.reading(person) as acting:
        found = attached.seen(acting, number, attachment)
    return answer(portal, found)


@router.delete("/{attachment}", status_code=204)
def remove(portal: ThePortal, person: Calling, number: int, attachment: int) -> None:
    """Take it away for good, where neither what readers see nor the newest revision holds it."""
    attached.remove(portal, person, number, attachment)


def _require_may_add(portal: Portal, person: Person, number: int) -> None:
    with portal.reading(person) as acting:
        attached.require_may_add(acting, number)
