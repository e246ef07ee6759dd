"""Entries as a folder of Markdown files, each with a head of TOML between lines of `+++`, as other programs write them.

    +++
    title = "齿轮箱质检"
    kind = "document"
    tags = ["质检"]
    audience = "everyone"
    attachments = ["1/振动.png"]
    +++

    # 步骤 ...

What is imported becomes drafts of whoever imports it; nothing is published by that. A file without a head has its first
heading, or its name, for a title. Attachments are files beside it, named from where it lies.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from lepton_fed.errors import DataError
from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.attachments.kinds import LARGEST as LARGEST_FILE
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.tables import ENTRY, REVISION, entry_of, revision_of
from lepton_fed.portal.entries.writing import Choice, begin
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.people.rights import shelf_of, stands_on
from lepton_fed.storage.atomic import write_atomically
from lepton_fed.storage.file_names import file_name

LARGEST = 1024 * 1024
"""Bytes of a file."""

MOST = 10_000
_HEAD = re.compile(r"\A\+\+\+\n(.*?)^\+\+\+\n?", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,2} +(.+?) *#*$", re.MULTILINE)
KEYS = ("title", "kind", "tags", "audience", "named", "attachments")


@dataclass(frozen=True)
class Read:
    """A file that was read: its path, the kind of the entry, what it says, and where its attachments are."""

    path: Path
    kind: str
    content: Content
    attachments: tuple[Path, ...] = ()


def exported(acting: Acting, folder: Path) -> int:
    """Write every published entry that this person may read, a folder for each department; returns how many."""
    readable = acting.rights.permitted(acting.connection, acting.person, "read")
    wanted = (
        select(ENTRY, REVISION.c.number)
        .join(REVISION, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(stands_on(ENTRY.c.shelf, readable))
    )
    count = 0
    for row in acting.connection.execute(wanted).mappings().all():
        entry = entry_of(row)
        place = folder / file_name(entry.department)
        place.mkdir(parents=True, exist_ok=True)
        held = [one for one in attached.held_by(acting, entry.id, row["number"]) if one.removed is None]
        _copy(acting, held, place / str(entry.id))
        text = _text(acting, entry.id, row["number"], entry.kind, held)
        write_atomically(place / f"{entry.id}.md", text, durable=False)
        count += 1
    return count


def imported(acting: Acting, folder: Path, department: str, sensitive: Choice) -> list[int]:
    """Make a draft of each file in a folder and in those below; DataError names the file that cannot be used."""
    made = []
    for one in _read_all(folder):
        try:
            number = begin(acting, department, one.kind, one.content, sensitive=sensitive)
            held = [attached.add_to(acting, number, path.name, path).id for path in one.attachments]
            attached.hold(acting, number, 1, held)
            made.append(number)
        except PortalError as error:
            raise DataError(f"{one.path}: {error}") from None
    return made


def _copy(acting: Acting, held: list[Attachment], folder: Path) -> None:
    for one in held:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(acting.files.path(one.digest), folder / one.name)


def _text(acting: Acting, entry: int, number: int, kind: str, held: list[Attachment]) -> str:
    import tomli_w

    where = (REVISION.c.entry == entry, REVISION.c.number == number)
    found = revision_of(acting.connection.execute(select(REVISION).where(*where)).mappings().one())
    shelf = shelf_of(acting.connection, found.shelf)
    head: dict[str, object] = {
        "title": found.title,
        "kind": kind,
        "tags": list(found.tags),
        "audience": shelf.audience,
    }
    if shelf.named:
        head["named"] = list(shelf.named)
    if held:
        head["attachments"] = [f"{entry}/{one.name}" for one in held]
    return f"+++\n{tomli_w.dumps(head)}+++\n\n{found.body.rstrip()}\n"


def _read_all(folder: Path) -> Iterator[Read]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; name one with Markdown files")
    paths = sorted(folder.rglob("*.md"))
    if not paths or len(paths) > MOST:
        raise DataError(f"{folder} has {len(paths)} files that end with .md; from 1 to {MOST} can be imported")
    root = folder.resolve()
    for path in paths:
        # A link could lead to whatever the person who imports may read.
        if path.is_symlink() or not path.resolve().is_relative_to(root):
            raise DataError(f"{path} leads out of the folder; put the file itself there")
        yield _read(path, root)


def _read(path: Path, root: Path) -> Read:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not written in UTF-8; convert it first") from None
    if len(content) > LARGEST:
        raise DataError(f"{path} is larger than {LARGEST // 1024} KiB; take it apart")
    head, body = _split(path, text)
    heading = _HEADING.search(body)
    title = head.get("title") or (heading[1] if heading else path.stem)
    try:
        files = tuple(_files(path, root, head.get("attachments", [])))
        return Read(path, str(head.get("kind", "note")), _content(str(title), body, head), files)
    except PortalError as error:
        raise DataError(f"{path}: {error}") from None


def _files(path: Path, root: Path, named: object) -> Iterator[Path]:
    """The files that a head names; DataError where one is none, or not in the folder."""
    for name in named if isinstance(named, list) else [named]:
        file = path.parent / str(name)
        try:
            leads_out = file.is_symlink() or not file.resolve().is_relative_to(root)
            fits = file.is_file() and file.stat().st_size <= LARGEST_FILE
        except (OSError, ValueError):
            # No file can have that name: it is too long, or holds a NUL character.
            leads_out = fits = False
        if leads_out:
            raise DataError(f"{path}: the attachment {name} leads out of the folder; put the file itself there")
        if not fits:
            raise DataError(f"{path}: the attachment {name!r} is no file, or too large")
        yield file


def _content(title: str, body: str, head: dict[str, object]) -> Content:
    tags, named = head.get("tags", []), head.get("named", [])
    return Content.given(
        title=title,
        body=body,
        tags=[str(tag) for tag in tags] if isinstance(tags, list) else str(tags),
        audience=str(head.get("audience", "department")),
        named=[str(one) for one in named] if isinstance(named, list) else [str(named)],
    )


def _split(path: Path, text: str) -> tuple[dict[str, object], str]:
    found = _HEAD.match(text)
    if found is None:
        return {}, text
    try:
        head = tomllib.loads(found[1])
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: its head is no TOML: {error}") from None
    unknown = sorted(head.keys() - set(KEYS))
    if unknown:
        raise DataError(f"{path}: its head has {', '.join(unknown)}; there are {', '.join(KEYS)}")
    return head, text[found.end() :].lstrip("\n")
