"""Signing in at an identity provider: whoever it is that the provider says, and nobody where anything is amiss."""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.portal.identity import connection, identities
from lepton_fed.portal.identity.connection import ProviderConnection
from lepton_fed.portal.identity.pending import SECONDS, Pending
from lepton_fed.portal.identity.provider import FILE, NewAccounts, Provider, Roles, provider_of
from lepton_fed.portal.people import account_log, accounts, administration, tokens
from lepton_fed.portal.people.by_command import Wanted, by_command
from lepton_fed.portal.people.tokens import EVERYTHING
from lepton_fed.portal.web.identity_pages import ON_THE_WAY
from lepton_fed.portal.web.visiting import COOKIE, Limits
from tests.portal.browser import HERE, Browser, Unlimited
from tests.portal.identity_provider import CLIENT, SECRET, Claims, served, unsigned, with_shared_secret
from tests.portal.identity_provider import Provider as Honest
from tests.portal.world import PASSWORD, World

UNKNOWN = "nobody here has this identity"


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all that a system trusts takes longer than a test, and the provider here speaks plain HTTP."""
    trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: trusts_nobody)


@pytest.fixture
def provider() -> Iterator[Honest]:
    with served() as made:
        yield made


@pytest.fixture
def known(there: World, provider: Honest) -> ProviderConnection:
    """The portal knows the provider."""
    made = Provider(issuer=provider.issuer, client=CLIENT, secret=SECRET, address=HERE, shown="公司账号")
    app = Browser.before(there.portal).app
    app.state.identity = found = ProviderConnection(made)  # type: ignore[attr-defined]
    app.state.limits = Unlimited()  # type: ignore[attr-defined]
    app.state.limits.signing_in = app.state.limits.asking  # type: ignore[attr-defined]
    app.state.limits.at_provider = app.state.limits.asking  # type: ignore[attr-defined]
    return found


def permit(known: ProviderConnection, **changes: Any) -> None:
    known.provider = replace(known.provider, **changes)


def link(there: World, known: ProviderConnection, name: str = "author", subject: str = "s-1") -> None:
    with there.acting("root") as acting:
        identities.link(acting, there.person(name).id, known.provider.issuer, subject)


def gone(browser: Browser, back: str = "/") -> str:
    """To the provider and with its code to here; where the browser is sent back to."""
    answer = browser.get("/sign-in/provider", params={"back": back}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return httpx.get(answer.headers["location"]).headers["location"]


def tried(there: World, back: str = "/") -> tuple[Browser, Any]:
    browser = Browser.before(there.portal)
    return browser, browser.get(gone(browser, back), follow_redirects=False)


def test_a_linked_identity_signs_in_with_a_session_of_the_portals_own(there: World, known: ProviderConnection) -> None:
    link(there, known)
    assert 'href="/sign-in/provider?back=/work"' in Browser.before(there.portal).get("/work").text
    browser, answer = tried(there, "/work")
    assert (answer.status_code, answer.headers["location"]) == (303, "/work")
    assert "Author" in browser.get("/work").text
    assert ON_THE_WAY not in browser.cookies
    assert browser.get("/sign-in/provider", follow_redirects=False).headers["location"] == "/"


def test_a_name_or_an_address_is_nobodys_proof(there: World, known: ProviderConnection, provider: Honest) -> None:
    provider.said = {"preferred_username": "author", "name": "Author", "email": "author@example.com"}
    browser, answer = tried(there)
    assert answer.status_code == 422
    assert UNKNOWN in answer.text
    assert "s-1" in answer.text, "for the administrator to link"
    assert COOKIE not in browser.cookies


def test_a_first_sign_in_makes_an_account_without_a_role_where_the_file_says_so(
    there: World, known: ProviderConnection, provider: Honest
) -> None:
    permit(known, new_accounts=NewAccounts(department="研发部门"))
    provider.said = {"preferred_username": "Author", "name": "另一个人"}
    browser, answer = tried(there)
    assert answer.status_code == 303
    assert "另一个人" in browser.get("/").text
    (new,) = [one for one in people(there) if one.name.startswith("author-")]
    assert (new.roles, new.operator, new.department) == ({}, False, "研发部门")
    assert there.person("author").id != new.id
    assert tried(there)[1].status_code == 303, "the same account the next time"
    assert Browser.before(there.portal).post("/sign-in", data={"name": new.name, "password": ""}).status_code == 422


def people(there: World) -> list[Any]:
    with there.portal.database.reading() as found:
        return accounts.people(found)


def test_roles_come_from_the_provider_only_where_the_file_says_so(
    there: World, known: ProviderConnection, provider: Honest
) -> None:
    link(there, known)
    provider.said = {"groups": ["writers", "bosses", "administrator"]}
    tried(there)
    assert there.person("author").roles == {"研发部门": "author"}
    given = {
        "writers": {"department": "生产车间", "role": "author"},
        "bosses": {"department": "生产车间", "role": "approver"},
    }
    permit(known, roles=Roles.model_validate({"claim": "groups", "given": given}))
    tried(there)
    assert there.person("author").roles == {"研发部门": "author", "生产车间": "approver"}
    provider.said = {"groups": ["writers"]}
    tried(there)
    assert there.person("author").roles["生产车间"] == "author"
    provider.said = {"groups": "bosses"}
    tried(there)
    assert there.person("author").roles == {"研发部门": "author"}, "what is no list of words says nothing"


def changed(**parts: Any) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in {**claims, **parts}.items() if value is not None}


LIES: dict[str, Callable[[Honest], None]] = {
    "another nonce": lambda one: setattr(one, "claims", changed(nonce="x")),
    "no nonce": lambda one: setattr(one, "claims", changed(nonce=None)),
    "another audience": lambda one: setattr(one, "claims", changed(aud="another portal")),
    "several audiences and another party": lambda one: setattr(one, "claims", changed(aud=[CLIENT, "x"], azp="x")),
    "another issuer": lambda one: setattr(one, "claims", changed(iss="https://evil.example")),
    "no issuer": lambda one: setattr(one, "claims", changed(iss=None)),
    "over": lambda one: setattr(one, "claims", changed(exp=1_000_000_000, iat=999_999_000)),
    "without an end": lambda one: setattr(one, "claims", changed(exp=None)),
    "no subject": lambda one: setattr(one, "claims", changed(sub=None)),
    "a subject that is no text": lambda one: setattr(one, "claims", changed(sub={"a": 1})),
    "unsigned": lambda one: setattr(one, "sign", unsigned),
    "signed by the public key as a secret": lambda one: setattr(one, "sign", with_shared_secret(one.key)),
    "signed by another's key": lambda one: setattr(one, "sign", foreign(one)),
    "changed after it was signed": lambda one: setattr(one, "sign", tampered(one)),
    "no token at all": lambda one: setattr(one, "sign", lambda claims: None),
    "nonsense": lambda one: setattr(one, "sign", lambda claims: "a.b.c"),
    "another name of itself": lambda one: setattr(one, "calls_itself", "https://evil.example"),
}


def foreign(one: Honest) -> Callable[[Claims], str]:
    other = Honest()
    other.rotate("one")
    return other.signed


def tampered(one: Honest) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        head, _, signature = one.signed({**claims, "sub": "x"}).split(".")
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return f"{head}.{body}.{signature}"

    return sign


@pytest.mark.parametrize("lie", LIES)
def test_whatever_is_amiss_signs_nobody_in(
    there: World, known: ProviderConnection, provider: Honest, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    link(there, known)
    assert tried(there)[1].status_code == 303
    fresh(there, known)
    LIES[lie](provider)
    browser = Browser.before(there.portal)
    with caplog.at_level(logging.WARNING):
        begun = browser.get("/sign-in/provider", follow_redirects=False)
        if begun.status_code == 303:
            begun = browser.get(httpx.get(begun.headers["location"]).headers["location"], follow_redirects=False)
    assert begun.status_code == 422, lie
    assert "did not say who you are" in begun.text
    assert COOKIE not in browser.cookies
    assert caplog.records, "why is in the log"
    assert SECRET not in caplog.text


def fresh(there: World, known: ProviderConnection) -> None:
    """The portal begins anew: it has asked the provider nothing yet."""
    Browser.before(there.portal).app.state.identity = ProviderConnection(known.provider)  # type: ignore[attr-defined]


def test_a_state_is_its_own_browsers_and_good_once(there: World, known: ProviderConnection) -> None:
    link(there, known)
    own, other = Browser.before(there.portal), Browser.before(there.portal)
    back = gone(own)
    assert other.get(back).status_code == 422, "a browser that never went"
    gone(other)
    assert other.get(back).status_code == 422, "a state of another's"
    forged = back.replace("state=", "state=x")
    assert own.get(forged).status_code == 422
    assert own.get(back).status_code == 422, "one try for each way there"
    back = gone(own)
    cookie = own.cookies[ON_THE_WAY]
    assert own.get(back, follow_redirects=False).status_code == 303
    thief = Browser.before(there.portal)
    thief.cookies.set(ON_THE_WAY, cookie, domain="portal.example")
    assert thief.get(back).status_code == 422, "a code and a state that were used"


def test_an_attempt_is_for_its_state_alone_once_and_for_ten_minutes() -> None:
    pending = Pending()
    cookie, made = pending.begin("/work", 0.0)
    assert pending.finish(cookie, made.state, SECONDS) == made
    assert pending.finish(cookie, made.state, SECONDS) is None, "once"
    for late, state in ((1.0, "x"), (1.0, ""), (SECONDS + 1, None)):
        cookie, made = pending.begin("/", 0.0)
        assert pending.finish(cookie, made.state if state is None else state, late) is None
    cookie, made = pending.begin("/", 0.0)
    assert pending.finish("", made.state, 1.0) is None
    assert made.verifier not in repr(made)


def test_a_code_is_worth_nothing_without_the_way_there(
    there: World, known: ProviderConnection, provider: Honest
) -> None:
    link(there, known)
    stolen = gone(Browser.before(there.portal)).partition("code=")[2].partition("&")[0]
    attacker = Browser.before(there.portal)
    own = gone(attacker)
    code = own.partition("code=")[2].partition("&")[0]
    answer = attacker.get(own.replace(code, stolen))
    assert answer.status_code == 422, "PKCE: the code goes with another browser's verifier"


def test_an_answer_of_another_issuer_is_not_taken(there: World, known: ProviderConnection) -> None:
    link(there, known)
    browser = Browser.before(there.portal)
    assert browser.get(gone(browser) + "&iss=https://evil.example").status_code in (422,)


def test_a_key_that_the_provider_changes_is_asked_for_again_but_not_all_the_time(
    there: World, known: ProviderConnection, provider: Honest, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(there, known)
    assert tried(there)[1].status_code == 303
    provider.rotate()
    assert tried(there)[1].status_code == 422, "asked for a moment ago"
    monkeypatch.setattr(connection, "AGAIN", 0.0)
    assert tried(there)[1].status_code == 303
    assert provider.asked.count("/keys") == 2


def test_no_other_site_uses_up_the_tries_of_an_address(there: World, known: ProviderConnection) -> None:
    link(there, known)
    browser = Browser.before(there.portal)
    browser.app.state.limits = Limits()  # type: ignore[attr-defined]
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    for path in ("/sign-in/provider", "/sign-in/provider/back"):
        for _ in range(50):
            assert browser.get(path, headers=picture).status_code == 403
    assert tried(there)[1].status_code == 303, "not counted"
    for _ in range(50):
        browser.get("/sign-in/provider", headers={"Sec-Fetch-Dest": "document"}, follow_redirects=False)
    assert browser.get("/sign-in/provider").status_code == 429
    assert browser.sign_in("author").form, "passwords have a limit of their own"


def test_a_provider_that_is_away_is_a_sentence(there: World, known: ProviderConnection) -> None:
    permit(known, issuer="http://127.0.0.1:9")
    answer = Browser.before(there.portal, "zh").get("/sign-in/provider")
    assert answer.status_code == 422
    assert "身份提供方没有回应" in answer.text


def test_a_closed_account_is_out_and_an_unlinked_identity_too(there: World, known: ProviderConnection) -> None:
    link(there, known)
    browser, _ = tried(there)
    number = there.person("author").id
    with there.acting("admin") as acting:
        identities.unlink(acting, number, known.provider.issuer, "s-1")
    assert browser.get("/", follow_redirects=False).status_code == 303
    assert UNKNOWN in tried(there)[1].text
    link(there, known)
    with there.portal.database.writing() as writing:
        accounts.set_active(writing, number, False)
    assert tried(there)[1].status_code == 422


def test_whoever_could_set_a_password_links_an_identity_and_nobody_else(
    there: World, known: ProviderConnection
) -> None:
    number = there.person("author").id
    for name in ("reader", "author", "reviewer", "shop-admin"):
        browser = Browser.before(there.portal).sign_in(name)
        assert browser.fill(f"/people/{number}/identity", subject="evil", linked="true").status_code == 403, name
    admin = Browser.before(there.portal).sign_in("admin")
    own = there.person("admin").id
    assert admin.fill(f"/people/{own}/identity", subject="evil", linked="true").status_code == 403
    assert admin.fill(f"/people/{number}/identity", subject="s-1", linked="true").status_code == 200
    assert "s-1" in admin.get("/people").text
    taken = admin.fill(f"/people/{there.person('reader').id}/identity", subject="s-1", linked="true")
    assert taken.status_code == 409, "it is somebody's already"
    assert 'name="subject" value="s-1"' in taken.text, "what was typed is there again"
    assert admin.fill(f"/people/{number}/identity", subject="", linked="true").status_code == 422
    assert tried(there)[1].status_code == 303
    assert admin.fill(f"/people/{number}/identity", subject="s-1").status_code == 200
    assert UNKNOWN in tried(there)[1].text


def test_identities_are_linked_by_calls_as_well(there: World, known: ProviderConnection) -> None:
    with there.portal.database.writing() as writing:
        secrets = {
            name: tokens.make(writing, there.person(name).id, "t", 9, there.clock.now, reach=EVERYTHING)
            for name in ("admin", "shop")
        }
    browser, path = Browser.before(there.portal), f"/api/people/{there.person('author').id}/identities"

    def call(name: str, method: str, **more: Any) -> Any:
        return browser.request(method, path, headers={"Authorization": f"Bearer {secrets[name]}"}, **more)

    assert call("shop", "PUT", json={"subject": "s-1", "linked": True}).status_code == 403
    assert call("shop", "GET").status_code == 403
    assert call("admin", "PUT", json={"subject": "s-1", "linked": True}).status_code == 204
    assert call("admin", "GET").json() == ["s-1"]
    assert call("admin", "PUT", json={"subject": "s-1", "linked": False}).status_code == 204
    assert call("admin", "PUT", json={"subject": "s-1", "linked": False}).status_code == 404


OWN = "a 密码 of their own"


def test_an_identity_that_another_linked_ends_with_the_password_and_its_owner_sees_it(
    there: World, known: ProviderConnection
) -> None:
    link(there, known)
    author = Browser.before(there.portal, "zh").sign_in("author")
    page = author.get("/account").text
    assert "<code>s-1</code>" in page
    assert "Root 于 2026-11-30 08:00 UTC 关联" in page
    assert author.fill("/account/password", current=PASSWORD, chosen=OWN).status_code == 200
    assert "<code>s-1</code>" not in author.get("/account").text
    assert UNKNOWN in tried(there)[1].text
    with there.portal.reading(there.person("admin")) as acting:
        newest = account_log.events(acting)[:2]
    assert [(one.kind, one.by, one.person, one.detail) for one in newest] == [
        ("unlinked", "author", "author", "s-1"),
        ("password", "author", "author", ""),
    ]


@pytest.mark.parametrize("way", ["administration", "command"])
def test_a_password_that_is_reset_unlinks_as_well(there: World, known: ProviderConnection, way: str) -> None:
    link(there, known)
    if way == "administration":
        administration.reset(there.portal, there.person("admin"), there.person("author").id, OWN)
    else:
        given = {"shown": "", "department": "研发部门", "role": None, "operator": None}
        with there.portal.database.writing() as writing:
            by_command(writing, Wanted(name="author", password="hashed", **given), there.clock.now)  # type: ignore[arg-type]
    assert UNKNOWN in tried(there)[1].text


def test_the_identity_of_a_first_sign_in_outlives_a_password(there: World, known: ProviderConnection) -> None:
    permit(known, new_accounts=NewAccounts(department="研发部门"))
    browser, _ = tried(there)
    assert "linked by your first sign-in" in browser.get("/account").text
    (new,) = [one for one in people(there) if one.name == "wang"]
    administration.reset(there.portal, there.person("admin"), new.id, OWN)
    permit(known, new_accounts=None)
    assert tried(there)[1].status_code == 303


def test_an_owner_unlinks_an_identity_of_theirs_and_nobody_elses(there: World, known: ProviderConnection) -> None:
    link(there, known)
    intruder, _ = tried(there)
    author, reader = (Browser.before(there.portal).sign_in(name) for name in ("author", "reader"))
    assert reader.fill("/account/identity", subject="s-1").status_code == 404
    assert author.post("/account/identity", data={"subject": "s-1"}).status_code == 403, "no form of theirs"
    assert author.fill("/account/identity", subject="s-1").status_code == 200
    assert "<code>s-1</code>" not in author.get("/account").text, "still signed in"
    assert intruder.get("/account", follow_redirects=False).headers["location"].startswith("/sign-in")
    assert UNKNOWN in tried(there)[1].text


def test_unlinking_ends_the_tokens_that_were_made_meanwhile(there: World, known: ProviderConnection) -> None:
    link(there, known)
    author = there.person("author").id
    with there.portal.database.writing() as writing:
        secret = tokens.make(writing, author, "t", 9, there.clock.now)
    with there.acting("admin") as acting:
        identities.unlink(acting, author, known.provider.issuer, "s-1")
    with there.portal.database.reading() as reading:
        assert tokens.bearer(reading, secret, there.clock.now) is None


def test_an_owner_sees_and_unlinks_by_calls_and_cannot_link(there: World, known: ProviderConnection) -> None:
    link(there, known)
    own = there.person("author").id
    with there.portal.database.writing() as writing:
        secret = tokens.make(writing, own, "t", 9, there.clock.now, reach=EVERYTHING)
    bearer = {"Authorization": f"Bearer {secret}"}
    browser, path = Browser.before(there.portal), f"/api/people/{own}/identities"
    assert browser.get(path, headers=bearer).json() == ["s-1"]
    assert browser.put(path, headers=bearer, json={"subject": "s-2", "linked": True}).status_code == 403
    assert browser.put(path, headers=bearer, json={"subject": "s-1", "linked": False}).status_code == 204
    assert UNKNOWN in tried(there)[1].text


def test_without_a_provider_there_is_no_such_page(there: World, browser: Browser) -> None:
    assert browser.get("/sign-in/provider").status_code == 404
    assert "/sign-in/provider" not in browser.get("/sign-in").text
    admin = Browser.before(there.portal).sign_in("admin")
    path = f"/people/{there.person('author').id}/identity"
    assert admin.fill(path, subject="x", linked="true").status_code == 404


GOOD = {"issuer": "https://id.example.com", "client": "portal", "secret": "s", "address": HERE, "shown": "公司账号"}


def written(folder: Path, given: dict[str, Any], *, mode: int = 0o600) -> Path:
    import tomli_w

    (folder / FILE).write_bytes(tomli_w.dumps(given).encode())
    (folder / "s").write_text("a secret\n")
    (folder / "s").chmod(mode)
    return folder


def test_a_portals_folder_names_its_provider(tmp_path: Path) -> None:
    assert provider_of(tmp_path) is None
    found = provider_of(written(tmp_path, GOOD))
    assert found is not None
    assert (found.secret, found.back) == ("a secret", f"{HERE}/sign-in/provider/back")
    assert (found.new_accounts, found.roles) == (None, None)
    assert "a secret" not in repr(found)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://id.example.com"},
        {"address": "portal.example"},
        {"scopes": ["profile"]},
        {"surplus": 1},
        {"client": ""},
        {"roles": {"claim": "groups", "given": {"a": {"department": "甲", "role": "king"}}}},
        {"roles": {"claim": "groups", "given": {}}},
        {"new_accounts": {"role": "reader"}},
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as said:
        provider_of(written(tmp_path, {**GOOD, **change}))
    assert "\n" not in str(said.value)


def test_a_secret_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, StorageError), match=r"chmod|others"):
        provider_of(written(tmp_path, GOOD, mode=0o644))
