"""A folder of Markdown files and back: what was exported is imported as it was, and nothing from outside the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_fed.errors import DataError
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.entries import access, reading
from lepton_fed.portal.entries.markdown_files import exported, imported
from lepton_fed.portal.entries.tables import Revision
from lepton_fed.portal.entries.writing import Choice
from tests.portal.pictures import picture
from tests.portal.test_attachments import add, save
from tests.portal.world import World


def drafts(there: World, folder: Path, sensitive: Choice = "ask") -> list[Revision]:
    with there.acting("author") as acting:
        made = imported(acting, folder, "研发部门", sensitive)
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
        ("电话13812345678", "look sensitive"),
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
