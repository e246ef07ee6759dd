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
import secrets
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sqlalchemy import select

from lepton_fed.errors import DataError, StorageError
from lepton_fed.portal.acting import Acting
from lepton_fed.portal.attachments import attached
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.attachments.files import AttachmentFiles, Ready
from lepton_fed.portal.attachments.kinds import LARGEST as LARGEST_FILE
from lepton_fed.portal.attachments.kinds import MIB
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.tables import ENTRY, REVISION, entry_of, revision_of
from lepton_fed.portal.entries.writing import (
    Choice,
    Chosen,
    begin_chosen,
    chosen,
    require_kind,
    require_may_write,
)
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.people.rights import stands_on
from lepton_fed.storage.atomic import is_leftover, unreadable, unwritable
from lepton_fed.storage.file_names import file_name

if TYPE_CHECKING:
    from lepton_fed.portal.people.person import Person
    from lepton_fed.portal.portal import Portal

LARGEST = 1024 * 1024
"""Bytes of a file."""

MOST, MOST_CHARACTERS = 10_000, 100_000_000
"""Files of a folder, and their texts together: all of them are in memory before the first becomes a draft."""

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


@dataclass(frozen=True)
class _Draft:
    """What becomes of a file: its text as it is saved, and its attachments with their names."""

    read: Read
    chosen: Chosen
    files: tuple[tuple[str, Ready], ...]


def exported(acting: Acting, folder: Path) -> int:
    """Write every published entry that this person may read, a folder for each department; returns how many.

    All of them or none. StorageError where there is something already: perhaps somebody has edited it.
    """
    with _filled_at_once(folder) as part:
        return _export(acting, part)


@contextmanager
def _filled_at_once(folder: Path) -> Iterator[Path]:
    """An empty folder, whose content is in `folder` when the block ends; where it fails, all is as it was."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    part = folder / f".part-{secrets.token_hex(8)}"
    written = {part}
    try:
        _require_empty(folder)
        part.mkdir()
        yield part
        for path in sorted(part.iterdir()):
            written.add(path.replace(folder / path.name))
        part.rmdir()
    except BaseException as error:
        for path in written:
            shutil.rmtree(path, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, OSError):
            raise unwritable(error, folder) from None
        raise


def _require_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.iterdir())
    left = next(filter(is_leftover, found), None)
    if left is not None:
        raise StorageError(
            f"{left} is of an export that was killed or is under way; remove it if none is, or name a new folder"
        )
    if found:
        raise StorageError(f"{folder} is not empty and is left as it is; name a new folder")


def _export(acting: Acting, folder: Path) -> int:
    readable = acting.readable
    wanted = (
        select(ENTRY, REVISION.c.number)
        .join(REVISION, (REVISION.c.entry == ENTRY.c.id) & (REVISION.c.number == ENTRY.c.published))
        .where(stands_on(ENTRY.c.shelf, readable))
    )
    count = 0
    for row in acting.connection.execute(wanted).mappings().all():
        entry = entry_of(row)
        place = folder / file_name(entry.department)
        place.mkdir(exist_ok=True)
        held = [one for one in attached.held_by(acting, entry.id, row["number"]) if one.removed is None]
        _copy(acting, held, place / str(entry.id))
        text = _text(acting, entry.id, row["number"], entry.kind, held)
        (place / f"{entry.id}.md").write_bytes(text.encode())
        count += 1
    return count


def imported(portal: Portal, person: Person, folder: Path, department: str, sensitive: Choice) -> list[int]:
    """Make a draft of each file in a folder and in those below; DataError names the file that cannot be used.

    Others wait for the turn to write: everything is read, looked through and decoded before it.
    """
    found = list(_read_all(folder))
    with portal.reading(person) as acting:
        for one in found:
            with _blamed(one):
                require_kind(one.kind)
                require_may_write(acting, one.content.shelf(department))
    with ExitStack() as parts:
        drafts = _drafts(portal, parts, found, sensitive)
        ready = [file for draft in drafts for _, file in draft.files]
        with attached.placed(portal, ready), portal.writing(person) as acting:
            return [_begun(acting, department, draft) for draft in drafts]


def _drafts(portal: Portal, parts: ExitStack, found: Iterable[Read], sensitive: Choice) -> list[_Draft]:
    drafts: list[_Draft] = []
    size = 0
    for one in found:
        with _blamed(one):
            what = chosen(one.content, sensitive)
            files: list[tuple[str, Ready]] = []
            for path in one.attachments:
                files.append((path.name, _ready(portal.files, parts, path)))
                attached.require_fits(len(files), sum(file.size for _, file in files))
                size += files[-1][1].size
                attached.require_today(size)
            drafts.append(_Draft(one, what, tuple(files)))
    return drafts


def _ready(files: AttachmentFiles, parts: ExitStack, path: Path) -> Ready:
    try:
        files.require_space(path.stat().st_size)
        return parts.enter_context(files.ready(path))
    except OSError as error:
        raise unreadable(error, path) from None


def _begun(acting: Acting, department: str, draft: _Draft) -> int:
    with _blamed(draft.read):
        number = begin_chosen(acting, department, draft.read.kind, draft.chosen)
        held = [attached.add_to(acting, number, name, file).id for name, file in draft.files]
        attached.hold(acting, number, 1, held)
        return number


@contextmanager
def _blamed(one: Read) -> Iterator[None]:
    """What is refused is refused of that file."""
    try:
        yield
    except PortalError as error:
        raise DataError(f"{one.path}: {error}") from None


def _copy(acting: Acting, held: list[Attachment], folder: Path) -> None:
    for one in held:
        folder.mkdir(exist_ok=True)
        with _attached(acting, one) as source, (folder / one.name).open("wb") as target:
            shutil.copyfileobj(source, target, MIB)


def _attached(acting: Acting, one: Attachment) -> BinaryIO:
    path = acting.files.path(one.digest)
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise StorageError(
            f"the attachment {one.name} of entry {one.entry} was removed meanwhile, or its file is lost; export again"
        ) from None
    except OSError as error:
        raise unreadable(error, path) from None


def _text(acting: Acting, entry: int, number: int, kind: str, held: list[Attachment]) -> str:
    import tomli_w

    where = (REVISION.c.entry == entry, REVISION.c.number == number)
    found = revision_of(acting.connection.execute(select(REVISION).where(*where)).mappings().one())
    shelf = acting.shelf(found.shelf)
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
    """What the files of a folder say; DataError."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; check the path, and name one with Markdown files")
    paths = sorted(folder.rglob("*.md"))
    if not paths or len(paths) > MOST:
        raise DataError(f"{folder} has {len(paths)} files that end with .md; from 1 to {MOST} can be imported")
    root, length = folder.resolve(), 0
    for path in paths:
        # A link could lead to whatever the person who imports may read.
        if path.is_symlink() or not path.resolve().is_relative_to(root):
            raise DataError(f"{path} leads out of the folder; put the file itself there")
        one = _read(path, root)
        length += len(one.content.body)
        if length > MOST_CHARACTERS:
            raise DataError(f"{folder} has more than {MOST_CHARACTERS:,} characters; import it in parts")
        yield one


def _read(path: Path, root: Path) -> Read:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise unreadable(error, path) from None
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
