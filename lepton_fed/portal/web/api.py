"""The REST interface: whatever a page does, by a call with a personal token. Its document is /api/openapi.json."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from lepton_fed.portal.entries import access, reading, writing
from lepton_fed.portal.entries.differences import differences
from lepton_fed.portal.finding.search import LONGEST, MOST_PAGES, Asked, find
from lepton_fed.portal.people import administration
from lepton_fed.portal.people.departments import departments as all_departments
from lepton_fed.portal.reward.period import Quarter
from lepton_fed.portal.reward.standing import standing
from lepton_fed.portal.web.api_shapes import Count, Made, PartGiven
from lepton_fed.portal.web.entry_shapes import (
    CommentTaken,
    EntryGiven,
    EntryTaken,
    LineGiven,
    MoveTaken,
    OpenedGiven,
    OwnerTaken,
    RestoreTaken,
    RevisionGiven,
    RevisionTaken,
    SavedGiven,
)
from lepton_fed.portal.web.finding_shapes import FoundGiven, HitGiven, ToDoGiven
from lepton_fed.portal.web.people_shapes import (
    ActiveTaken,
    DepartmentTaken,
    PasswordTaken,
    PersonGiven,
    PersonTaken,
    RoleTaken,
)
from lepton_fed.portal.web.reward_shapes import StandingGiven
from lepton_fed.portal.web.visiting import Calling, ThePortal

router = APIRouter(prefix="/api")

Words = Annotated[str, Query(max_length=LONGEST)]


@router.get("/openapi.json", include_in_schema=False)
def document(request: Request, person: Calling) -> dict[str, Any]:
    """What there is, in OpenAPI."""
    found: dict[str, Any] = request.app.openapi()
    return found


@router.get("/me")
def me(person: Calling) -> PersonGiven:
    """Whose token this is."""
    return PersonGiven.of(person)


@router.get("/search")
def search(
    portal: ThePortal,
    person: Calling,
    q: Words = "",
    department: Words = "",
    kind: Words = "",
    tag: Words = "",
    page: Annotated[int, Query(ge=1, le=MOST_PAGES)] = 1,
) -> FoundGiven:
    """Published entries that the caller may read and that hold every word of `q`, the best first."""
    asked = Asked(text=q, department=department, kind=kind, tag=tag, page=page)
    with portal.reading(person) as acting:
        found = find(acting, asked)
    hits = [HitGiven.of(hit) for hit in found.hits]
    return FoundGiven(total=found.total, page=found.page, pages=found.pages, hits=hits)


@router.get("/work")
def work(portal: ThePortal, person: Calling) -> ToDoGiven:
    """Drafts, reviews and stale entries that wait for the caller."""
    with portal.reading(person) as acting:
        waiting = reading.to_do(acting)
    lists = {name: getattr(waiting, name) for name in ToDoGiven.model_fields}
    return ToDoGiven(**{name: [EntryGiven.of(one) for one in found] for name, found in lists.items()})


@router.post("/entries", status_code=201)
def begin(portal: ThePortal, person: Calling, taken: EntryTaken) -> Made:
    """A new entry, as a draft."""
    with portal.writing(person) as acting:
        number = writing.begin(
            acting,
            taken.department,
            taken.kind,
            taken.content(),
            sensitive=taken.sensitive,
            shown=taken.shown_digest(),
        )
    return Made(id=number)


@router.get("/entries/{number}")
def read(portal: ThePortal, person: Calling, number: int, newest: bool = False) -> OpenedGiven:
    """An entry as its readers see it or, with `newest`, as its writers do."""
    with portal.reading(person) as acting:
        opened = reading.opened(acting, number, newest=newest)
        comments, decisions = reading.comments(acting, number), reading.moves(acting, opened.access)
        news = reading.is_to_be_noted(acting, opened)
    if news:
        portal.note(acting, lambda then: reading.note_opening(then, number))
    return OpenedGiven.of(opened, comments, decisions)


@router.get("/entries/{number}/revisions")
def history(portal: ThePortal, person: Calling, number: int) -> list[SavedGiven]:
    """Its revisions, the newest first, without their texts."""
    with portal.reading(person) as acting:
        seen = access.seen(acting, number)
        found = access.revisions(acting, seen)
    return [SavedGiven.of(one, works=seen.works) for one in found]


@router.get("/entries/{number}/revisions/{revision}")
def read_revision(portal: ThePortal, person: Calling, number: int, revision: int) -> RevisionGiven:
    """One of its revisions."""
    with portal.reading(person) as acting:
        seen = access.seen(acting, number)
        return RevisionGiven.of(access.revision(acting, seen, revision), works=seen.works)


@router.post("/entries/{number}/revisions", status_code=201)
def revise(portal: ThePortal, person: Calling, number: int, taken: RevisionTaken) -> Made:
    """A new revision; its number is the answer's."""
    with portal.writing(person) as acting:
        made = writing.revise(
            acting,
            number,
            taken.content(),
            base=taken.base,
            note=taken.note,
            sensitive=taken.sensitive,
            shown=taken.shown_digest(),
            attachments=taken.attachments,
        )
    return Made(id=made)


@router.post("/entries/{number}/revisions/{revision}/restore", status_code=201)
def restore(portal: ThePortal, person: Calling, number: int, revision: int, taken: RestoreTaken) -> Made:
    """Make an old revision the newest one."""
    with portal.writing(person) as acting:
        made = writing.restore(acting, number, revision, base=taken.base, note=taken.note)
    return Made(id=made)


@router.get("/entries/{number}/differences")
def compare(portal: ThePortal, person: Calling, number: int, older: int, newer: int) -> list[LineGiven]:
    """What changed from one revision to another."""
    with portal.reading(person) as acting:
        found = access.seen(acting, number)
        before, after = (access.revision(acting, found, one) for one in (older, newer))
    return [
        LineGiven(mark=line.mark, parts=[PartGiven(text=part.text, marked=part.changed) for part in line.parts])
        for line in differences(before.body, after.body)
    ]


@router.post("/entries/{number}/moves")
def move(portal: ThePortal, person: Calling, number: int, taken: MoveTaken) -> EntryGiven:
    """Send the newest revision on its way."""
    with portal.reading(person) as acting:
        speaks = writing.spoken_of(acting, number, taken.revision) if taken.move == "publish" else None
    with portal.writing(person) as acting:
        writing.move(acting, number, taken.move, revision=taken.revision, reason=taken.reason, speaks=speaks)
        return EntryGiven.of(access.seen(acting, number).entry)


@router.put("/entries/{number}/owner", status_code=204)
def give(portal: ThePortal, person: Calling, number: int, taken: OwnerTaken) -> None:
    """Make somebody else the owner."""
    with portal.writing(person) as acting:
        writing.give(acting, number, taken.name)


@router.post("/entries/{number}/comments", status_code=204)
def comment(portal: ThePortal, person: Calling, number: int, taken: CommentTaken) -> None:
    """Say something about it."""
    with portal.writing(person) as acting:
        reading.comment(acting, number, taken.text)


@router.post("/entries/{number}/helped")
def helped(portal: ThePortal, person: Calling, number: int) -> Count:
    """ "This helped me"; how many it has helped."""
    with portal.writing(person) as acting:
        return Count(count=reading.note_help(acting, number))


@router.get("/rewards")
def rewards(
    portal: ThePortal, person: Calling, quarter: Annotated[str, Query(description="As 2026-4; default: this one.")] = ""
) -> StandingGiven:
    """Who helped most in a quarter, and which departments read whose entries."""
    asked = Quarter.parse(quarter) if quarter else Quarter.of(portal.clock())
    portal.afterwards.done()  # What was read until now counts.
    with portal.reading(person) as acting:
        return StandingGiven.of(standing(acting, asked))


@router.get("/departments")
def departments(portal: ThePortal, person: Calling) -> list[str]:
    """All departments."""
    with portal.reading(person) as acting:
        return all_departments(acting.connection)


@router.post("/departments", status_code=204)
def add_department(portal: ThePortal, person: Calling, taken: DepartmentTaken) -> None:
    """A new department; operators make them."""
    with portal.writing(person) as acting:
        administration.add_department(acting, taken.name)


@router.put("/departments/{department}/roles/{name}", status_code=204)
def set_role_of(portal: ThePortal, person: Calling, department: str, name: str, taken: RoleTaken) -> None:
    """What somebody is in a department, by the name that they sign in with: their home may be another one."""
    with portal.writing(person) as acting:
        administration.set_role_of(acting, name, department, taken.role)


@router.get("/people")
def people(portal: ThePortal, person: Calling) -> list[PersonGiven]:
    """Those whom the caller administers."""
    with portal.reading(person) as acting:
        return [PersonGiven.of(one) for one in administration.administered(acting)]


@router.post("/people", status_code=201)
def add_person(portal: ThePortal, person: Calling, taken: PersonTaken) -> PersonGiven:
    """A new account."""
    return PersonGiven.of(administration.add(portal, person, **taken.model_dump()))


@router.put("/people/{number}/roles/{department}", status_code=204)
def set_role(portal: ThePortal, person: Calling, number: int, department: str, taken: RoleTaken) -> None:
    """What somebody is in a department."""
    with portal.writing(person) as acting:
        administration.set_role(acting, number, department, taken.role)


@router.put("/people/{number}/active", status_code=204)
def set_active(portal: ThePortal, person: Calling, number: int, taken: ActiveTaken) -> None:
    """Close an account, or open it again."""
    with portal.writing(person) as acting:
        administration.set_active(acting, number, taken.active)


@router.put("/people/{number}/password", status_code=204)
def reset(portal: ThePortal, person: Calling, number: int, taken: PasswordTaken) -> None:
    """A new password for somebody who has lost theirs."""
    administration.reset(portal, person, number, taken.password)
