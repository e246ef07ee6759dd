"""A backup is the portal: restored, in the same database or the other, nothing is missing and everybody can go on."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from lepton_fed.errors import StorageError
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.backup import backup, restore
from lepton_fed.portal.entries import reading
from lepton_fed.portal.finding.search import Asked, find
from lepton_fed.portal.portal import Portal
from lepton_fed.storage.models import Base
from lepton_fed.storage.portal_people_tables import REACHES
from tests.portal.browser import Browser
from tests.portal.pictures import picture
from tests.portal.test_attachments import add, on_disk, save, sees
from tests.portal.test_courses import begun, enrolled, scheduled, seated
from tests.portal.world import World, cheap

TABLES = [t for t in Base.metadata.sorted_tables if t.name.startswith("portal_") and t.name != "portal_session"]


def everything(portal: Portal) -> dict[str, list[str]]:
    with portal.database.reading() as connection:
        return {t.name: sorted(map(str, connection.execute(select(t)))) for t in TABLES}


def filled(there: World) -> None:
    number = there.publish("齿轮箱", "振动", audience="named", named=["生产车间"], tags=["质检"])
    there.write("草稿", "未完")
    browser = Browser.before(there.portal).sign_in("shop")
    browser.fill(f"/entries/{number}/comments", text="谢谢")
    browser.fill(f"/entries/{number}/helped")
    browser.fill(f"/entries/{number}/reports", text="有误")
    browser.fill(f"/entries/{number}/comments/1/take-back")
    for reach in REACHES:
        browser.fill("/account/tokens", name=reach, reach=reach)
    course = begun(there, number)
    session = scheduled(there, course)
    enrolled(there, course, "shop")
    seated(there, course, session, "shop")


def test_what_is_restored_is_what_was_there(either: World, tmp_path: Path) -> None:
    filled(either)
    path = tmp_path / "备份.zip"
    rows = backup(either.portal, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with contextlib.closing(Portal.opened(tmp_path / "new", passwords=cheap(), clock=either.clock)) as new:
        assert restore(new, path) == rows
        assert everything(new) == everything(either.portal)
        restored = World(new, either.clock)
        with restored.acting("shop") as acting:
            assert [hit.entry for hit in find(acting, Asked(text="振动")).hits] == [1]
        assert restored.publish("新", by="author") == 3
        Browser.before(new).sign_in("author")


def test_a_backup_goes_from_sqlite_to_postgresql(there: World, tmp_path: Path, postgresql_url: str) -> None:
    filled(there)
    backup(there.portal, tmp_path / "b.zip")
    with contextlib.closing(
        Portal.opened(tmp_path / "new", postgresql_url, passwords=cheap(), clock=there.clock)
    ) as new:
        restore(new, tmp_path / "b.zip")
        assert everything(new) == everything(there.portal)
        assert World(new, there.clock).publish("新", by="author") == 3


def test_nothing_is_written_over_and_nothing_half_restored(there: World, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    backup(there.portal, path)
    before = everything(there.portal)
    with pytest.raises(StorageError, match="exists"):
        backup(there.portal, path)
    with pytest.raises(StorageError, match="holds something"):
        restore(there.portal, path)
    assert everything(there.portal) == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_nobody_else_lays_out_where_a_backup_is_written(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(mode=0o666)
    (tmp_path / ".b.zip.part").symlink_to(elsewhere)
    backup(there.portal, tmp_path / "b.zip")
    path = tmp_path / "b.zip"
    assert (path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (False, 0o600)
    assert elsewhere.read_bytes() == b""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "00")
    (tmp_path / ".backup-00.part").symlink_to(elsewhere)
    with pytest.raises(StorageError):
        backup(there.portal, tmp_path / "c.zip")
    assert elsewhere.read_bytes() == b""


def test_a_table_may_be_larger_than_an_old_zip_could_hold(
    there: World, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.publish("齿轮箱", "振动" * 200)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    rows = backup(there.portal, tmp_path / "b.zip")
    shutil.copytree(empty, tmp_path / "new")
    with contextlib.closing(Portal.opened(tmp_path / "new", passwords=cheap(), clock=there.clock)) as fresh:
        assert restore(fresh, tmp_path / "b.zip") == rows
        assert everything(fresh) == everything(there.portal)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a portal with nothing in it, made once."""
    folder = tmp_path_factory.mktemp("空") / "门户"
    Portal.opened(folder, passwords=cheap()).close()
    return folder


@pytest.mark.parametrize("damage", ["no zip", "other schema", "a table missing", "a line cut", "a reference broken"])
def test_a_backup_that_is_damaged_restores_nothing(there: World, empty: Path, tmp_path: Path, damage: str) -> None:
    number = there.publish("齿轮箱", "振动")
    with there.acting("reader") as acting:
        reading.comment(acting, number, "谢谢")
        reading.note_help(acting, number)
    backup(there.portal, tmp_path / "b.zip")
    spoilt = tmp_path / "spoilt.zip"
    with zipfile.ZipFile(tmp_path / "b.zip") as old, zipfile.ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if damage == "other schema" and name == "portal.json":
                content = json.dumps({**json.loads(content), "schema": "0001"}).encode()
            if damage == "a line cut" and name == "portal_use.jsonl":
                content = content[:-9]
            if damage == "a reference broken" and name == "portal_comment.jsonl":
                content = content.replace(b'"entry": 1', b'"entry": 99')
            if damage != "a table missing" or name != "portal_use.jsonl":
                new.writestr(name, content)
    if damage == "no zip":
        spoilt.write_bytes(b"PK nothing")
    shutil.copytree(empty, tmp_path / "new")
    with contextlib.closing(Portal.opened(tmp_path / "new", passwords=cheap(), clock=there.clock)) as fresh:
        with pytest.raises(StorageError):
            restore(fresh, spoilt)
        assert not any(everything(fresh).values())


def test_attachments_are_in_a_backup_and_one_that_was_changed_restores_nothing(there: World, tmp_path: Path) -> None:
    entry = there.write("题")
    one, gone = add(there, entry, picture()), add(there, entry, picture(colour="red"))
    save(there, entry, one.id, gone.id)
    save(there, entry, one.id)
    attached.remove(there.portal, there.person("reviewer"), entry, gone.id)
    backup(there.portal, tmp_path / "b.zip")
    with contextlib.closing(Portal.opened(tmp_path / "new", passwords=cheap(), clock=there.clock)) as new:
        restore(new, tmp_path / "b.zip")
        assert sees(World(new, there.clock), "author", one)
        assert new.files.path(one.digest).read_bytes() == there.portal.files.path(one.digest).read_bytes()
        assert [stat.S_IMODE(path.stat().st_mode) for path in on_disk(World(new, there.clock))] == [0o600]
    with zipfile.ZipFile(tmp_path / "b.zip") as old, zipfile.ZipFile(tmp_path / "spoilt.zip", "w") as spoilt:
        for name in old.namelist():
            content = old.read(name)
            spoilt.writestr(name, content[:-1] + b"x" if name.startswith("attachments/") else content)
    with contextlib.closing(Portal.opened(tmp_path / "newer", passwords=cheap(), clock=there.clock)) as new:
        with pytest.raises(StorageError, match="damaged"):
            restore(new, tmp_path / "spoilt.zip")
        assert not any(everything(new).values())
        assert on_disk(World(new, there.clock)) == []
    there.portal.files.remove(one.digest)
    with pytest.raises(StorageError, match="make the backup again"):
        backup(there.portal, tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()
