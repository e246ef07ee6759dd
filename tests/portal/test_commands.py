"""Commands of a portal: help for everything, one sentence for every mistake, and a certificate that browsers take."""

from __future__ import annotations

import errno
import io
import re
import shlex
import shutil
import socket
import ssl
import stat
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url
from typer.main import get_command

from lepton_fed.cli import app, main
from lepton_fed.errors import ConfigError, StorageError
from lepton_fed.portal import serving
from lepton_fed.portal.backup import backup
from lepton_fed.portal.serving import given_certificate, own_certificate
from tests.portal.browser import Browser
from tests.portal.pictures import picture
from tests.portal.test_attachments import add, save
from tests.portal.world import PASSWORD, World, reopened
from tests.storage.conftest import url

__all__ = ["url"]

COMMANDS = get_command(app).commands["portal"].commands  # type: ignore[attr-defined]
NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, original: Path) -> Said:
    """The command, in a folder with a portal that is called p."""
    shutil.copytree(original, tmp_path / "p")
    monkeypatch.delenv("LEPTON_FED_PORTAL_DATABASE", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, typed: str = PASSWORD + "\n") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = 0
        try:
            main(["portal", *map(str, arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        return (code, *capsys.readouterr())

    return call


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_describes_each_option_and_gives_an_example(cli: Said, name: str) -> None:
    code, out, err = cli(name, "--help")
    assert (code, err) == (0, "")
    assert f"Example: lepton-fed portal {name}" in out
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name
        assert all(word in out for word in parameter.help.split())


MISTAKES: tuple[tuple[tuple[str, ...], str | None, str], ...] = (
    (("user", "p", "wang", "--department", "甲"), "short\n", "a password has"),
    (("user", "p", "wang", "--department", "甲"), "", "a password has"),
    (("user", "p", "wang", "--department", "甲", "--role", "king"), None, "a role is one of"),
    (("user", "p", "wang fang", "--department", "甲"), None, "a name to sign in with"),
    (("user", "p", "wang", "--department", "甲\n乙"), None, "a name to show has"),
    (("backup", "none", "b.zip"), None, "there is no portal in none"),
    (("restore", "p", "none.zip"), None, "none.zip: it does not exist; check the path"),
    (("restore", "p", "p"), None, "it is a folder"),
    (
        ("import-reviews", "p", "none.json", "--as", "author", "--department", "甲"),
        None,
        "none.json does not exist; check",
    ),
    (("import-reviews", "p", "p", "--as", "author", "--department", "甲"), None, "it is a folder"),
    (("import", "p", "none", "--as", "author", "--department", "甲"), None, "check the path"),
    (
        ("contributions", "p", "author", "none/a.csv", "--as", "author", "--since", "2026-1", "--until", "2026-1"),
        None,
        "check the path",
    ),
    (("serve", "p", "--watch", "none.toml"), None, "none.toml: there is no such file; give the path"),
    (("export", "none", "out", "--as", "wang"), None, "there is no portal"),
    (("serve", "p", "--certificate", "x.pem"), None, "go together"),
    (("serve", "p", "--certificate", "x.pem", "--key", "y.pem"), None, "x.pem: it does not exist; check the path"),
    (("serve", "p", "--certificate", "c.pem", "--key", "y.pem"), None, "y.pem: it does not exist; check the path"),
    (("serve", "p", "--certificate", "c.pem", "--key", "c.pem"), None, "cannot be used as a certificate"),
    (("serve", "p", "--database", "mysql://x/y"), None, "mysql"),
)


def test_a_mistake_is_one_sentence(cli: Said, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("none", "utf-8")
    for arguments, typed, sentence in MISTAKES:
        code, out, err = cli(*arguments, typed=PASSWORD + "\n" if typed is None else typed)
        assert (code, out) == (2, ""), arguments
        assert re.fullmatch(rf"lepton-fed: .*{sentence}.*\n", err), (arguments, err)


def test_a_port_that_is_taken_is_one_sentence(cli: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = cli("serve", "p", "--port", taken.getsockname()[1])
    assert code == 2
    assert "choose another --port" in err


def test_a_new_password_leaves_a_role_as_it_is(cli: Said) -> None:
    assert cli("user", "p", "wang", "--department", "甲", "--role", "administrator")[0] == 0
    assert cli("user", "p", "wang", "--department", "甲", "--reset") == (0, "wang: administrator in 甲\n", "")
    code, _, said = cli("user", "p", "wang", "--department", "甲")
    assert (code, said) == (
        2,
        "lepton-fed: wang has an account; say what changes: --role, --operator, --no-operator or --reset\n",
    )


def test_a_backup_that_is_not_there_makes_no_portal(cli: Said) -> None:
    assert cli("restore", "new", "none.zip")[0] == 2
    assert not Path("new").exists()


def test_a_restore_that_failed_leaves_what_was_there_before(cli: Said, there: World, tmp_path: Path) -> None:
    write_backups(there)
    Path("ready/policies").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    for folder in ("new", "far/new", "ready"):
        for name in ("no.zip", "spoilt.zip"):
            for elsewhere in ((), ("--database", "sqlite:///elsewhere.sqlite")):
                assert cli("restore", folder, name, *elsewhere)[0] == 2
                assert sorted(tmp_path.rglob("*")) == before, (folder, name, elsewhere)
        assert cli("restore", "p", "b.zip")[0] == 2
    assert sorted(tmp_path.rglob("*")) == before
    assert cli("restore", "far/new", "b.zip")[0] == 0
    assert {path.name for path in Path("far/new").iterdir()} == {"portal.sqlite", "attachments"}


def write_backups(there: World) -> None:
    """One that is whole, one whose last attachment is another file, and one that is none."""
    entry = there.write("题")
    save(there, entry, add(there, entry, picture()).id, add(there, entry, picture(colour="red")).id)
    backup(there.portal, Path("b.zip"))
    with zipfile.ZipFile("b.zip") as old, zipfile.ZipFile("spoilt.zip", "w") as spoilt:
        *names, last = old.namelist()
        for name in names:
            spoilt.writestr(name, old.read(name))
        spoilt.writestr(last, b"spoilt")
    Path("no.zip").write_bytes(b"PK nothing")


def test_a_restore_that_failed_leaves_an_empty_database_empty(
    cli: Said, there: World, tmp_path: Path, url: str, migrated: None
) -> None:
    write_backups(there)
    if url.startswith("sqlite"):
        Path(make_url(url).database or "").touch()
    before = sorted(tmp_path.rglob("*"))
    for name in ("no.zip", "spoilt.zip"):
        assert cli("restore", "new", name, "--database", url)[0] == 2
        assert (sorted(tmp_path.rglob("*")), tables(url)) == (before, []), name
    assert cli("restore", "new", "b.zip", "--database", url)[0] == 0
    made = tables(url), sorted(tmp_path.rglob("*"))
    assert made[0]
    assert cli("restore", "new", "b.zip", "--database", url)[0] == 2
    assert (tables(url), sorted(tmp_path.rglob("*"))) == made, "what holds a portal is left alone"


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = inspect(connection).get_table_names()
    engine.dispose()
    return found


def test_a_restore_that_failed_when_all_was_there_leaves_nothing(
    cli: Said, there: World, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        assert len(list(Path("new/attachments").glob("??/*"))) == 2
        raise OSError(errno.ENOSPC, "no space left on device")

    write_backups(there)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("lepton_fed.portal.backup.published", fail)
    for database in (("--database", url), ()):
        assert cli("restore", "new", "b.zip", *database)[0] == 2
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_restore_onto_a_full_disk_says_where_space_is_wanted(
    cli: Said, there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    write_backups(there)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(call, fail)
    code, _, said = cli("restore", "new", "b.zip", "--database", "sqlite:///elsewhere.sqlite")
    assert (code, said.splitlines()[-1]) == (
        2,
        "lepton-fed: cannot write new/attachments: there is no space left; free some or choose another folder",
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_backup_that_cannot_be_read_to_its_end_is_told_by_its_name(
    cli: Said, there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = zipfile.ZipExtFile.read

    def fail(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        if "attachments/" in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, n)

    write_backups(there)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    code, _, said = cli("restore", "new", "b.zip")
    assert (code, said.splitlines()[-1].partition(":")[2].partition(";")[0]) == (
        2,
        " cannot read b.zip: Input/output error",
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_restore_that_failed_takes_no_file_that_somebody_else_put_there(
    cli: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: object) -> int:
        Path("new/attachments").mkdir(parents=True, exist_ok=True)
        Path("new/attachments/somebody's").write_bytes(b"a picture")
        raise StorageError("the portal holds something already")

    monkeypatch.setattr("lepton_fed.portal.backup.restore", meanwhile)
    Path("b.zip").write_bytes(b"")
    assert cli("restore", "new", "b.zip", "--database", "sqlite:///elsewhere.sqlite")[0] == 2
    assert [str(path) for path in Path("new").rglob("*")] == ["new/attachments", "new/attachments/somebody's"]


def test_a_portal_without_an_account_says_so_and_how_to_make_the_first(
    cli: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "serve", lambda portal, host, port, certificate, ready, *rest: ready(8443))
    assert "account" not in cli("serve", "p")[2]
    code, _, said = cli("serve", "mis typed")
    assert (code, len(said.splitlines())) == (0, 2)
    command = said.splitlines()[1].partition("lepton-fed portal ")[2]
    assert command == "user 'mis typed' NAME --department DEPARTMENT --role administrator --operator"
    assert cli(*shlex.split(command))[0] == 0
    assert "account" not in cli("serve", "mis typed")[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEPTON_FED_PORTAL_DATABASE", "sqlite:///secret.sqlite")
        said = cli("serve", "other")[2]
    assert "with the same database" in said
    assert "secret" not in said


def test_an_account_that_failed_leaves_no_trace(cli: Said, tmp_path: Path) -> None:
    assert cli("user", "p", "wang", "--department", "甲", "--role", "king")[0] == 2
    assert cli("export", "p", "out", "--as", "wang")[0] == 2
    assert cli("user", "p", "wang", "--department", "甲")[:2] == (0, "wang: reader in 甲\n")


def test_an_account_that_is_there_gets_what_the_command_says(cli: Said, tmp_path: Path) -> None:
    arguments = ("user", "p", "reader", "--department", "生产车间", "--role", "author")
    assert cli(*arguments, "--operator", "--reset", typed="another long 密码\n")[:2] == (
        0,
        "reader: author in 生产车间\n",
    )
    there = reopened(tmp_path / "p")
    with closing(there.portal):
        person = there.person("reader")
        assert (person.operator, person.roles) == (True, {"研发部门": "reader", "生产车间": "author"})
        Browser.before(there.portal).sign_in("reader", "another long 密码")


def test_what_the_portal_keeps_is_its_owners_alone(cli: Said, tmp_path: Path) -> None:
    cli("user", "p", "wang", "--department", "甲")
    own_certificate(tmp_path / "p", "localhost", NOW)
    for path in (tmp_path / "p", *(tmp_path / "p").rglob("*")):
        if path.suffix != ".crt":
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_certificate_is_made_once_and_anew_before_it_ends_or_for_another_host(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, "localhost", NOW)
    content, trusted = first.certificate.read_bytes(), (tmp_path / "tls" / "ca.crt").read_bytes()
    assert own_certificate(tmp_path, "localhost", NOW + timedelta(days=300)).certificate.read_bytes() == content
    assert own_certificate(tmp_path, "localhost", NOW + timedelta(days=380)).certificate.read_bytes() != content
    content = first.certificate.read_bytes()
    assert own_certificate(tmp_path, "portal.example.com", NOW).certificate.read_bytes() != content
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == trusted, "browsers need not be told again"


def test_a_certificate_that_cannot_be_made_leaves_the_one_that_is_there(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, "localhost", NOW)
    before = made.certificate.read_bytes(), made.key.read_bytes()
    for host, later in (("a b", 0), ("", 0), ("portal.example.com", 4000)):
        with pytest.raises(ConfigError):
            own_certificate(tmp_path, host, NOW + timedelta(days=later))
        assert (made.certificate.read_bytes(), made.key.read_bytes()) == before


@pytest.mark.parametrize("damage", ["no certificate", "no key", "key of another", "half written"])
def test_a_pair_that_was_left_half_changed_is_made_anew(tmp_path: Path, damage: str) -> None:
    made = own_certificate(tmp_path / "a", "localhost", NOW)
    other = own_certificate(tmp_path / "b", "localhost", NOW)
    if damage == "key of another":
        shutil.copy(other.key, made.key)
    elif damage == "half written":
        made.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
        (made.key.parent / ".server.key.new").write_bytes(b"x")
    else:
        (made.certificate if damage == "no certificate" else made.key).unlink()
    again = own_certificate(tmp_path / "a", "localhost", NOW)
    given_certificate(again.certificate, again.key)
    assert stat.S_IMODE(again.key.stat().st_mode) == 0o600
    assert not list(again.key.parent.glob(".*"))


@pytest.mark.parametrize("host", ["门户.example.com", "127.0.0.1", "::1", "localhost"])
def test_a_certificate_for_a_host_is_made_once(tmp_path: Path, host: str) -> None:
    content = own_certificate(tmp_path, host, NOW).certificate.read_bytes()
    assert own_certificate(tmp_path, host, NOW).certificate.read_bytes() == content


def test_whoever_trusts_the_authority_trusts_the_portal(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, "localhost", datetime.now(UTC))
    assert given_certificate(made.certificate, made.key).authority is None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    trusting = ssl.create_default_context(cafile=made.authority)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=lambda: server.wrap_socket(listener.accept()[0], server_side=True).close())
        answering.start()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.version() == "TLSv1.3"
        answering.join()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, other = (own_certificate(tmp_path / name, "localhost", NOW) for name in ("a", "b"))
    with pytest.raises(ConfigError, match="cannot be used"):
        given_certificate(one.certificate, other.key)
