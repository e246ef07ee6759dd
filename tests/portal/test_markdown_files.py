"""A folder of Markdown files and back: what was exported is imported as it was, and nothing from outside the folder."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from lepton_fed.errors import DataError, StorageError
from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached, files, pictures
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.entries import access, code_reviews, markdown_files, reading
from lepton_fed.portal.entries.markdown_files import exported, imported
from lepton_fed.portal.entries.tables import Revision
from lepton_fed.portal.entries.writing import Choice
from tests.portal.pictures import picture
from tests.portal.test_attachments import add, on_disk, save
from tests.portal.world import World
from tests.storage.failures import failing_after


def drafts(there: World, folder: Path, sensitive: Choice = "ask") -> list[Revision]:
    made = imported(there.portal, there.person("author"), folder, "研发部门", sensitive)
    with there.acting("author") as acting:
        found = [reading.opened(acting, number) for number in made]
        assert all(one.entry.state == "draft" for one in found)
        return [access.revision(acting, one.access, 1) for one in found]


def test_what_was_exported_is_imported_as_it_was(there: World, tmp_path: Path) -> None:
    there.publish('齿轮箱 "+++"', "# 步骤\n\n+++\n\n先看振动。", tags=["质检", "a b"], kind="document")
    there.publish("公开", "文", audience="everyone", by="shop-author")
    there.publish("指定", "文", audience="named", named=["生产车间"])
    with there.acting("reader") as acting:
        assert exported(acting, tmp_path / "out") == 3
    with there.acting("supply") as acting:
        assert exported(acting, tmp_path / "others") == 1
    found = drafts(there, tmp_path / "out")
    assert sorted((one.title, one.body.strip(), one.tags) for one in found) == sorted(
        [
            ('齿轮箱 "+++"', "# 步骤\n\n+++\n\n先看振动。", ("质检", "a b")),
            ("公开", "文", ()),
            ("指定", "文", ()),
        ]
    )


def test_what_somebody_edited_in_a_folder_is_not_written_over(there: World, tmp_path: Path) -> None:
    there.publish("题")
    (tmp_path / "out").mkdir()
    with there.acting("author") as acting:
        assert exported(acting, tmp_path / "out") == 1
        path = next((tmp_path / "out").rglob("*.md"))
        path.write_text("edited", "utf-8")
        for folder, said in ((tmp_path / "out", "is not empty"), (path, "is a file")):
            with pytest.raises(StorageError, match=said):
                exported(acting, folder)
    assert path.read_text("utf-8") == "edited"


def test_what_a_killed_export_left_is_named(there: World, tmp_path: Path) -> None:
    there.publish("题")
    left = tmp_path / "out" / f".part-{'a' * 16}"
    left.mkdir(parents=True)
    with there.acting("author") as acting:
        with pytest.raises(StorageError, match=rf"^{re.escape(str(left))} is of an export that was killed"):
            exported(acting, tmp_path / "out")
        left.rmdir()
        assert exported(acting, tmp_path / "out") == 1


@pytest.fixture
def three(there: World) -> Attachment:
    """Three published entries of two departments, with the attachment of the first."""
    entry = there.write("题")
    one = add(there, entry, picture(), "振动 图.jpg")
    save(there, entry, one.id, body="![图](attachment:振动-图.jpg)")
    there.send(entry, "author", "submit")
    there.send(entry, "admin", "publish")
    for by in ("author", "shop-author"):
        there.publish("公开", "文", audience="everyone", by=by)
    return one


@pytest.mark.parametrize("made", [True, False], ids=["an empty folder", "no folder"])
def test_an_export_leaves_nothing_wherever_the_disk_is_full(
    there: World, three: Attachment, tmp_path: Path, made: bool
) -> None:
    folder = tmp_path / "far" / "out"
    if made:
        folder.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with there.acting("reader") as acting:
        for calls in itertools.count():
            with contextlib.suppress(StorageError), failing_after(calls):
                assert exported(acting, folder) == 3
                break
            assert sorted(tmp_path.rglob("*")) == before, calls
        with pytest.raises(StorageError, match=r"cannot write .*other: there is no space"), failing_after(calls - 1):
            exported(acting, tmp_path / "other")
    assert calls > 8
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "生产车间/3.md",
        "研发部门/1.md",
        "研发部门/1/振动-图.jpg",
        "研发部门/2.md",
    ]


@pytest.mark.parametrize("failure", [StorageError("the database is gone"), KeyboardInterrupt()], ids=repr)
def test_an_export_that_is_broken_off_leaves_nothing(
    there: World, three: Attachment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    real, before = attached.held_by, sorted(tmp_path.rglob("*"))

    def broken(acting: Acting, entry: int, revision: int) -> list[Attachment]:
        if entry == 3:
            raise failure
        return real(acting, entry, revision)

    monkeypatch.setattr(attached, "held_by", broken)
    with pytest.raises(type(failure)), there.acting("reader") as acting:
        exported(acting, tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_attachment_that_cannot_be_read_is_one_sentence_and_nothing_is_exported(
    there: World, three: Attachment, tmp_path: Path
) -> None:
    path = there.portal.files.path(three.digest)
    path.unlink()
    with there.acting("reader") as acting:
        with pytest.raises(StorageError, match=r"振动-图\.jpg of entry 1 was removed meanwhile, .* export again"):
            exported(acting, tmp_path / "out")
        path.mkdir()
        with pytest.raises(StorageError, match=rf"cannot read .*{three.digest}: it is a folder"):
            exported(acting, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_head_is_called_by_its_heading_or_its_name(there: World, tmp_path: Path) -> None:
    (tmp_path / "深").mkdir()
    (tmp_path / "a.md").write_bytes("\ufeff# 标题 #\r\n\r\n文".encode())
    (tmp_path / "深" / "无题.md").write_text("文", "utf-8")
    assert [one.title for one in drafts(there, tmp_path)] == ["标题", "无题"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("+++\ntitle = \n+++\n文", "no TOML"),
        ('+++\nauthor = "x"\n+++\n文', "its head has author"),
        ('+++\nkind = "poem"\n+++\n文', "a kind is one of"),
        ('+++\naudience = "named"\n+++\n文', "for whom"),
        ("", "not empty"),
        ("电话13812345678", "1 place looks sensitive"),
        (b"\xff\xfe", "UTF-8"),
        ("x" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_one_file_that_cannot_be_used_imports_none(there: World, tmp_path: Path, text: str | bytes, said: str) -> None:
    (tmp_path / "a.md").write_text("# 好\n\n文", "utf-8")
    (tmp_path / "b.md").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=rf"b\.md.*{said}"):
        drafts(there, tmp_path)
    with there.acting("author") as acting:
        assert reading.to_do(acting).drafts == []


def test_sensitive_places_are_masked_where_that_is_asked_for(there: World, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("电话13812345678", "utf-8")
    assert drafts(there, tmp_path, "mask")[0].body == "电话138****5678"


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_out_of_the_folder_is_not_followed(there: World, tmp_path: Path, link: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.md").write_text("机密", "utf-8")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.md").write_text("文", "utf-8")
    if link == "file":
        (folder / "b.md").symlink_to(secret / "s.md")
        with pytest.raises(DataError, match="leads out of the folder"):
            drafts(there, folder)
    else:
        (folder / "b").symlink_to(secret)
        assert [one.body for one in drafts(there, folder)] == ["文"]


def test_a_folder_without_files_is_one_sentence(there: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 files"):
        drafts(there, tmp_path)
    with pytest.raises(DataError, match="no folder"):
        drafts(there, tmp_path / "none")


def test_attachments_go_with_their_entries_and_come_back_with_them(there: World, tmp_path: Path) -> None:
    entry = there.write("题")
    one = add(there, entry, picture(), "振动 图.jpg")
    save(there, entry, one.id, body="![图](attachment:振动-图.jpg)")
    there.send(entry, "author", "submit")
    there.send(entry, "admin", "publish")
    with there.acting("reader") as acting:
        assert exported(acting, tmp_path / "out") == 1
    found = drafts(there, tmp_path / "out")
    with there.acting("author") as acting:
        held = attached.held_by(acting, found[0].entry, 1)
    assert [(k.name, k.kind) for k in held] == [("振动-图.jpg", "image/jpeg")]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("../x.png", "leads out"),
        ("link.png", "leads out"),
        ("none.png", "no file"),
        ("a\\u0000.png", "no file"),
        ("x" * 5000, "no file"),
        ("a.txt", "PNG, JPEG"),
    ],
)
def test_an_attachment_that_cannot_be_used_imports_nothing(there: World, tmp_path: Path, named: str, said: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "x.png").write_bytes(picture("PNG"))
    (folder / "link.png").symlink_to(tmp_path / "x.png")
    (folder / "a.txt").write_text("文", "utf-8")
    (folder / "a.md").write_text(f'+++\nattachments = ["{named}"]\n+++\n文', "utf-8")
    with pytest.raises(DataError, match=said):
        drafts(there, folder)


@pytest.fixture
def no_turn(either: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Functions that must not be called while the portal writes; returns the names of those that were called."""
    writing, turns = either.portal.database.writing, list[Connection]()

    @contextlib.contextmanager
    def noted() -> Iterator[Connection]:
        with writing() as connection:
            turns.append(connection)
            try:
                yield connection
            finally:
                turns.pop()

    def outside(name: str, real: Callable[..., object], called: list[str]) -> Callable[..., object]:
        def noting(*args: object, **of: object) -> object:
            assert not turns, f"{name} while others wait for their turn to write"
            called.append(name)
            return real(*args, **of)

        return noting

    def watched(*places: tuple[object, str]) -> list[str]:
        called: list[str] = []
        for place, name in places:
            monkeypatch.setattr(place, name, outside(name, getattr(place, name), called))
        return called

    monkeypatch.setattr(either.portal.database, "writing", noted)
    return watched


def test_a_folder_is_read_looked_through_and_decoded_while_others_write(
    either: World, tmp_path: Path, no_turn: Callable[..., list[str]]
) -> None:
    for k, colour in enumerate(("red", "navy")):
        (tmp_path / f"{k}.png").write_bytes(picture("PNG", colour=colour))
        (tmp_path / f"{k}.md").write_text(f'+++\nattachments = ["{k}.png"]\n+++\n电话13812345678 之{k}', "utf-8")
    called = no_turn(
        (markdown_files, "_read"), (markdown_files, "chosen"), (pictures, "rewritten"), (files, "sync_folder")
    )
    found = drafts(either, tmp_path, "mask")
    assert [one.body for one in found] == ["电话138****5678 之0", "电话138****5678 之1"]
    assert [called.count(name) for name in ("_read", "chosen", "rewritten", "sync_folder")] == [2, 2, 2, 4]
    with either.acting("author") as acting:
        held = [attached.held_by(acting, one.entry, 1) for one in found]
    assert [[one.name for one in some] for some in held] == [["0.png"], ["1.png"]]
    assert len(on_disk(either)) == 2


def test_comments_of_reviews_are_looked_through_while_others_write(
    either: World, no_turn: Callable[..., list[str]]
) -> None:
    called = no_turn((code_reviews, "chosen"))
    found = [code_reviews.Review(path="a", comment="电话13812345678")]
    made = code_reviews.imported(either.portal, either.person("author"), found, "研发部门", names=False, language="zh")
    assert called == ["chosen"]
    with either.acting("author") as acting:
        opened = reading.opened(acting, made[0])
        assert "138****5678" in access.revision(acting, opened.access, 1).body


@pytest.mark.parametrize("limit", ["MOST", "MOST_BYTES", "A_DAY"])
def test_an_import_of_too_much_is_refused_before_a_file_is_placed_and_leaves_none(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    for k, colour in enumerate(("red", "navy")):
        (tmp_path / f"{k}.png").write_bytes(picture("PNG", colour=colour))
    (tmp_path / "a.md").write_text('+++\nattachments = ["0.png", "1.png"]\n+++\n文', "utf-8")
    monkeypatch.setattr(attached, limit, 1)
    monkeypatch.setattr(files, "sync_folder", lambda *_: pytest.fail("placed"))
    with pytest.raises(DataError, match=r"a\.md: .*(attachments at most|24 hours)"):
        drafts(there, tmp_path)
    assert on_disk(there) == []


def test_what_is_refused_in_the_turn_itself_leaves_no_file(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    (tmp_path / "a.md").write_text('+++\nattachments = ["a.png"]\n+++\n文', "utf-8")
    one = add(there, there.write("题"), picture(colour="red"))
    monkeypatch.setattr(attached, "A_DAY", one.size + 1)
    with pytest.raises(DataError, match=r"a\.md: .*24 hours"):
        drafts(there, tmp_path)
    assert [path.name for path in on_disk(there)] == [one.digest]


def test_texts_of_a_folder_have_a_length_together(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown_files, "MOST_CHARACTERS", 5)
    for k in range(2):
        (tmp_path / f"{k}.md").write_text("文文文", "utf-8")
    with pytest.raises(DataError, match="5 characters; import it in parts"):
        drafts(there, tmp_path)


def test_whoever_may_not_write_there_is_told_before_anything_is_decoded(
    there: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    (tmp_path / "a.md").write_text('+++\nattachments = ["a.png"]\n+++\n文', "utf-8")
    monkeypatch.setattr(pictures, "rewritten", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"a\.md: "):
        imported(there.portal, there.person("reader"), tmp_path, "研发部门", "ask")
