"""Administration: people of the departments that somebody administers, their roles, new departments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from lepton_fed.portal.errors import NotThere, PortalError
from lepton_fed.portal.identity import identities
from lepton_fed.portal.people import administration
from lepton_fed.portal.people.departments import departments
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.portal import Portal
from lepton_fed.portal.web.identity_pages import TheProvider, shown_on_people
from lepton_fed.portal.web.page import page, said, to
from lepton_fed.portal.web.typed import NOTHING, Typed
from lepton_fed.portal.web.visiting import Changing, ThePortal, Visiting

router = APIRouter(prefix="/people")

Text = Annotated[str, Form()]


@router.get("")
def people(request: Request, portal: ThePortal, visit: Visiting) -> Response:
    """Those whom this person administers; Forbidden where that is nobody."""
    return _shown(request, portal, visit)


@router.post("")
def add(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    name: Text = "",
    shown: Text = "",
    department: Text = "",
    role: Text = "reader",
    password: Text = "",
) -> Response:
    """A new account, with a first password that its owner will change."""
    try:
        administration.add(
            portal, visit.person, name=name, shown=shown, department=department, role=role, password=password
        )
    except PortalError as error:
        typed = Typed("person", name=name, shown=shown, department=department, role=role)
        return _shown(request, portal, visit, problem=error, typed=typed)
    return to("/people")


@router.post("/departments")
def add_department(request: Request, portal: ThePortal, visit: Changing, name: Text = "") -> Response:
    """A new department."""
    try:
        with portal.writing(visit.person) as acting:
            administration.add_department(acting, name)
    except PortalError as error:
        return _shown(request, portal, visit, problem=error, typed=Typed("department", name=name))
    return to("/people")


@router.post("/roles")
def role_of(
    request: Request, portal: ThePortal, visit: Changing, name: Text = "", department: Text = "", role: Text = "reader"
) -> Response:
    """A role for somebody whose home is another department."""
    try:
        with portal.writing(visit.person) as acting:
            administration.set_role_of(acting, name, department, role)
    except PortalError as error:
        typed = Typed("role", name=name, department=department, role=role)
        return _shown(request, portal, visit, problem=error, typed=typed)
    return to("/people")


@router.post("/{number}/role")
def role(portal: ThePortal, visit: Changing, number: int, department: Text, role: Text = "") -> Response:
    """What somebody is in a department; empty: nothing."""
    with portal.writing(visit.person) as acting:
        administration.set_role(acting, number, department, role or None)
    return to("/people")


@router.post("/{number}/active")
def active(portal: ThePortal, visit: Changing, number: int, active: Annotated[bool, Form()] = False) -> Response:
    """Close an account, or open it again."""
    with portal.writing(visit.person) as acting:
        administration.set_active(acting, number, active)
    return to("/people")


@router.post("/{number}/password")
def password(request: Request, portal: ThePortal, visit: Changing, number: int, password: Text = "") -> Response:
    """A new password for somebody who has lost theirs; ends what was signed in."""
    try:
        administration.reset(portal, visit.person, number, password)
    except PortalError as error:
        return _shown(request, portal, visit, problem=error, typed=Typed(f"password-{number}"))
    return to("/people")


@router.post("/{number}/identity")
def link(
    request: Request,
    portal: ThePortal,
    visit: Changing,
    provider: TheProvider,
    number: int,
    subject: Text = "",
    linked: Annotated[bool, Form()] = False,
) -> Response:
    """Let an identity sign in as somebody, or no longer."""
    try:
        with portal.writing(visit.person) as acting:
            change = identities.link if linked else identities.unlink
            change(acting, number, provider.provider.issuer, subject)
    except NotThere:
        raise
    except PortalError as error:
        typed = Typed(f"identity-{number}", subject=subject) if linked else NOTHING
        return _shown(request, portal, visit, problem=error, typed=typed)
    return to("/people")


def _shown(
    request: Request, portal: Portal, visit: Visit, *, problem: PortalError | None = None, typed: Typed = NOTHING
) -> Response:
    person = visit.person
    with portal.reading(person) as acting:
        listed = administration.administered(acting)
        known = departments(acting.connection) if person.operator else []
    return page(
        request,
        "people.html.j2",
        200 if problem is None else problem.status,
        people=listed,
        closing={one.id for one in listed if administration.may_close(person, one)},
        identities=shown_on_people(request, portal),
        mine={one.id for one in listed if administration.answers_for(person, one)},
        departments=known or sorted(person.where_at_least("administrator")),
        typed=typed,
        problem="" if problem is None else problem.said(said(request).language),
    )
