"""A small portal to test with: three departments, somebody for each role, a clock that stands until it is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher

from lepton_fed.portal.acting import Acting
from lepton_fed.portal.entries import writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.departments import add_department
from lepton_fed.portal.people.passwords import Passwords
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.portal import Portal

DEPARTMENTS = ("研发部门", "生产车间", "供应链部门")
PASSWORD = "correct horse 电池"

PEOPLE = {
    # sign-in name: (home, role there, operator)
    "root": ("研发部门", None, True),
    "author": ("研发部门", "author", False),
    "coauthor": ("研发部门", "author", False),
    "reviewer": ("研发部门", "reviewer", False),
    "admin": ("研发部门", "administrator", False),
    "reader": ("研发部门", "reader", False),
    "shop": ("生产车间", "reader", False),
    "shop-author": ("生产车间", "author", False),
    "shop-admin": ("生产车间", "administrator", False),
    "supply": ("供应链部门", "reader", False),
}


class Clock:
    """Stands, until it is set forward."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class World:
    """A portal with its people."""

    def __init__(self, portal: Portal, clock: Clock) -> None:
        self.portal, self.clock = portal, clock

    def person(self, name: str) -> Person:
        with self.portal.database.reading() as connection:
            return accounts.named(connection, name)

    @contextmanager
    def acting(self, name: str) -> Iterator[Acting]:
        with self.portal.writing(self.person(name)) as acting:
            yield acting

    def write(self, title: str, body: str = "正文", *, by: str = "author", **of: object) -> int:
        """A draft."""
        with self.acting(by) as acting:
            department = str(of.pop("department", acting.person.department))
            kind = str(of.pop("kind", "note"))
            return writing.begin(acting, department, kind, Content.given(title=title, body=body, **of))  # type: ignore[arg-type]

    def publish(self, title: str, body: str = "正文", *, by: str = "author", **of: object) -> int:
        """An entry that is published, reviewed by the administrator of its department."""
        number = self.write(title, body, by=by, **of)
        self.send(number, by, "submit")
        self.send(number, "admin" if by in ("author", "coauthor") else "shop-admin", "publish")
        return number

    def send(self, number: int, name: str, move: str, *, reason: str = "", revision: int | None = None) -> str:
        from lepton_fed.portal.entries import access

        with self.acting(name) as acting:
            newest = access.seen(acting, number).entry.newest if revision is None else revision
            return writing.move(acting, number, move, revision=newest, reason=reason)


def cheap() -> Passwords:
    """Argon2id with as little effort as it allows: what it costs is for benchmarks."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def reopened(folder: Path) -> World:
    """A portal that is there. Close it."""
    clock = Clock()
    return World(Portal.opened(folder, passwords=cheap(), clock=clock), clock)


def world(folder: Path, url: str | None = None) -> World:
    """Close its portal."""
    clock = Clock()
    portal = Portal.opened(folder, url, passwords=cheap(), clock=clock)
    with portal.database.writing() as connection:
        for name in DEPARTMENTS:
            add_department(connection, name, clock.now)
        for name, (home, role, operator) in PEOPLE.items():
            made = accounts.add_person(
                connection,
                name=name,
                shown=name.title(),
                department=home,
                password=portal.passwords.hashed(PASSWORD, name),
                now=clock.now,
                operator=operator,
            )
            if role is not None:
                accounts.set_role(connection, made.id, home, role)
    return World(portal, clock)
