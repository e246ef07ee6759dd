"""Accounts, roles and rights: who may do what, and what policies of a portal's own change about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed.errors import ConfigError
from lepton_fed.portal import composing
from lepton_fed.portal.errors import Forbidden, PortalError, TooMany
from lepton_fed.portal.people import accounts, administration
from lepton_fed.portal.people.limits import Limit
from lepton_fed.portal.people.passwords import Passwords
from lepton_fed.portal.people.person import Person, said_name, sign_in_name
from lepton_fed.portal.people.rights import Action, Rights, Shelf, used_shelves
from lepton_fed.storage.portal_people_tables import ROLES
from tests.portal.world import PASSWORD, World, cheap

RIGHTS = Rights()
OWN, NAMED, ALL = Shelf("甲", "department"), Shelf("甲", "named", ("乙",)), Shelf("甲", "everyone")


def person(role: str | None, department: str = "甲", **more: object) -> Person:
    roles = {} if role is None else {department: role}
    return Person(id=1, name="p", shown="P", department=department, roles=roles, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", [None, *ROLES])
def test_what_each_role_may_do_in_its_own_department_and_in_others(role: str | None) -> None:
    rank = -1 if role is None else ROLES.index(role)
    least: dict[Action, int] = {"read": 0, "write": 1, "review": 2}
    for shelf in (OWN, NAMED, ALL):
        for action, needed in least.items():
            open_to_all = action == "read" and shelf is ALL
            assert RIGHTS.may(person(role), action, shelf) == (rank >= needed or open_to_all), (action, shelf)
    other = person(role, "乙")
    assert not RIGHTS.may(other, "read", OWN)
    assert RIGHTS.may(other, "read", NAMED) == (rank >= 0)
    assert RIGHTS.may(other, "read", ALL)
    assert not any(RIGHTS.may(other, action, shelf) for action in ("write", "review") for shelf in (OWN, NAMED, ALL))


def test_many_shelves_at_once_are_decided_as_one_by_one_and_none_where_deciding_fails(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cedarpy

    for audience in ("department", "everyone"):
        for by in ("author", "shop-author"):
            there.publish("题", by=by, audience=audience)
    actions: tuple[Action, ...] = ("read", "write", "review")
    with there.portal.database.reading() as connection:
        shelves = used_shelves(connection)
        for name in ("reader", "author", "admin", "shop", "supply", "root"):
            for action in actions:
                one_by_one = [k for k, shelf in shelves.items() if Rights().may(there.person(name), action, shelf)]
                assert Rights().permitted(connection, there.person(name), action) == one_by_one
        monkeypatch.setattr(cedarpy, "is_authorized_batch", None)
        assert Rights().permitted(connection, there.person("admin"), "read") == []


def test_an_operator_reads_nothing_by_that_and_a_closed_account_nothing_at_all() -> None:
    assert not RIGHTS.may(person(None, operator=True), "read", OWN)
    assert not RIGHTS.may(person("administrator", active=False), "read", ALL)


def test_policies_in_the_folder_permit_more_and_forbid(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text(
        'permit (principal, action == Action::"read", resource) when { resource.department == Department::"甲" };\n'
        'forbid (principal, action == Action::"read", resource) when { principal.department == Department::"丙" };\n',
        "utf-8",
    )
    rights = Rights.read(tmp_path)
    assert rights.may(person("reader", "乙"), "read", OWN)
    assert not rights.may(person("reader", "丙"), "read", ALL)
    assert not rights.may(person("reader", "乙"), "write", OWN)


@pytest.mark.parametrize(
    "text",
    ["permit (principal, action, resource", 'permit (principal, action == Action::"read", resource) when { 1 == x };'],
)
def test_a_policy_that_cannot_be_used_keeps_the_portal_closed(tmp_path: Path, text: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"own\.cedar"):
        Rights.read(tmp_path)


@pytest.mark.parametrize("named", ['Person::"3"', 'Person::"asked"'])
@pytest.mark.parametrize("form", ["permit (principal == {}, action, resource);",
                                  "forbid (principal, action, resource) when {{ principal == {} }};"])  # fmt: skip
def test_a_policy_about_a_single_person_keeps_the_portal_closed(form: str, named: str) -> None:
    with pytest.raises(ConfigError, match=r"own\.cedar .* names a single Person"):
        Rights({"own.cedar": form.format(named)})
    with pytest.raises(ConfigError, match="a single Shelf"):
        Rights({"own.cedar": 'forbid (principal, action, resource == Shelf::"1");'})


@pytest.mark.parametrize("password", ["short", "a" * 20, "my-author-name", "x" * 2000, "aabbaabbaabb"])
def test_a_password_that_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(PortalError):
        cheap().hashed(password, "author")


def test_a_password_is_one_however_its_letters_are_composed() -> None:
    passwords = cheap()
    kept = passwords.hashed("caf\u00e9 是我的密码吗 1", "author")
    assert passwords.fits(kept, "cafe\u0301 是我的密码吗 1")
    assert not passwords.fits(kept, "cafe 是我的密码吗 1")
    assert not passwords.fits(None, "anything")
    assert not passwords.fits("damaged", "anything")


def test_passwords_are_kept_as_argon2id_with_the_effort_of_rfc_9106() -> None:
    passwords = Passwords()
    assert passwords.hashed(PASSWORD, "x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.outdated(cheap().hashed(PASSWORD, "x"))


@pytest.mark.parametrize(("typed", "name"), [(" Wang ", "wang"), ("ＷＡＮＧ", "wang"), ("王芳", "王芳")])
def test_a_name_is_one_however_it_is_typed(typed: str, name: str) -> None:
    assert sign_in_name(typed) == name


@pytest.mark.parametrize("typed", ["", " ", "a b", "a\nb", "x" * 65, "\u202e"])
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(PortalError):
        sign_in_name(typed)


def test_nobody_administers_what_is_not_theirs(there: World) -> None:
    shop = there.person("shop").id
    for name in ("author", "admin", "reader"):
        with pytest.raises(Forbidden), there.acting(name) as acting:
            administration.set_role(acting, shop, "生产车间", "administrator")
        with pytest.raises(Forbidden), there.acting(name) as acting:
            administration.set_active(acting, shop, False)
        with pytest.raises(Forbidden):
            administration.reset(there.portal, there.person(name), shop, PASSWORD)
    with pytest.raises(Forbidden), there.acting("admin") as acting:
        administration.set_role(acting, there.person("admin").id, "研发部门", "reader")
    # The operator's home is the administrator's department, and yet.
    with pytest.raises(Forbidden):
        administration.reset(there.portal, there.person("admin"), there.person("root").id, PASSWORD)


def test_a_name_is_taken_once(there: World) -> None:
    with pytest.raises(PortalError, match="taken"), there.portal.database.writing() as connection:
        accounts.add_person(
            connection, name="AUTHOR", shown="", department="研发部门", password="x", now=there.clock.now
        )


def test_a_limit_counts_each_place_by_itself_and_forgets() -> None:
    limit = Limit(2, 60.0)
    limit.count("a", 0.0)
    limit.count("a", 1.0)
    limit.count("b", 1.0)
    with pytest.raises(TooMany) as told:
        limit.count("a", 30.0)
    assert told.value.seconds == 30
    limit.count("a", 60.5)


MARKS = "\u0301" * 20_000 + "\u0327" * 20_000


@pytest.mark.parametrize("text", ["a" + MARKS, "a" * 257, "a" + "\u0301" * 31])
def test_what_would_take_long_to_compose_is_no_name_and_no_password(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    kept = cheap().hashed(PASSWORD, "author")
    seen: list[str] = []
    monkeypatch.setattr(composing.unicodedata, "normalize", lambda form, t: seen.append(t) or t)
    for read in (sign_in_name, said_name):
        with pytest.raises(PortalError):
            read(text)
    assert not cheap().fits(kept, text * 20)
    assert max(map(len, seen), default=0) <= 1, "nothing but single letters, to see whether they are marks"


def test_marks_are_known_by_what_they_become() -> None:
    assert composing.has_long_run_of_marks("\uff9e\u0301\u0f73" * 11)
    assert not composing.has_long_run_of_marks("e\u0301" * 1000 + "\u00b4" * 1000)
