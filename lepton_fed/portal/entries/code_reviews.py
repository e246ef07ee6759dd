"""Lessons from code reviews: a file of comments becomes drafts, one for each topic, or for each file that has none.

    {"format": "code-reviews/1",
     "reviews": [{"path": "src/gear.py", "line": 12, "author": "王芳", "topic": "单位",
                  "comment": "毫米与英寸混用", "resolution": "统一为毫米"}]}

`path` and `comment` must be there. What looks sensitive is masked. Names of those who commented are left out, also
where a comment speaks of one of them, unless whoever imports says that they are to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lepton_fed.portal.entries.content import LONGEST_BODY, LONGEST_TAG, LONGEST_TITLE, Content
from lepton_fed.portal.entries.writing import begin_chosen, chosen, require_may_write
from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.people.person import Person
from lepton_fed.portal.people.rights import Shelf
from lepton_fed.portal.wording import Wording, wording

if TYPE_CHECKING:
    from lepton_fed.portal.portal import Portal

LARGEST = 1_000_000
"""Bytes of a file; a form's is in a request of 1 MiB."""

MOST, MOST_DRAFTS = 2_000, 100
Names: TypeAlias = dict[str, "Names"]
"""Letter after letter: `{"王": {"芳": {"": {}}}}`, with "" where a name ends."""

SHORT = 4
"""A Latin name of fewer letters may be a word, and is taken for a name only after an @."""


class Review(BaseModel):
    """One comment, and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(min_length=1, max_length=400)]
    comment: Annotated[str, Field(min_length=1, max_length=20_000)]
    line: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    author: Annotated[str, Field(max_length=100)] = ""
    topic: Annotated[str, Field(max_length=100)] = ""
    resolution: Annotated[str, Field(max_length=20_000)] = ""


class Reviews(BaseModel):
    """A file of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["code-reviews/1"]
    reviews: Annotated[list[Review], Field(min_length=1, max_length=MOST)]


def read(content: bytes) -> tuple[Review, ...]:
    """The comments of a file; Unacceptable names the place that cannot be used."""
    if len(content) > LARGEST:
        raise Unacceptable("reviews_large", most=LARGEST // 1000)
    try:
        return tuple(Reviews.model_validate_json(content.removeprefix(b"\xef\xbb\xbf")).reviews)
    except ValidationError as error:
        places = {".".join(map(str, one["loc"])) or "JSON" for one in error.errors()}
        raise Unacceptable("reviews", places=", ".join(sorted(places)[:5])) from None


def imported(
    portal: Portal, person: Person, found: Sequence[Review], department: str, *, names: bool, language: str
) -> list[int]:
    """Make the drafts, all or none; returns their numbers. `names`: with the names of those who commented."""
    with portal.reading(person) as acting:
        require_may_write(acting, Shelf(department, "department"))
    # Everybody else's changes wait for the turn to write: what takes long is done before it.
    drafts = [chosen(content, "mask") for content in _contents(found, names=names, language=language)]
    with portal.writing(person) as acting:
        return [begin_chosen(acting, department, "note", one) for one in drafts]


def _contents(found: Sequence[Review], *, names: bool, language: str) -> list[Content]:
    groups = _grouped(found)
    if len(groups) > MOST_DRAFTS:
        raise Unacceptable("reviews_many", count=len(groups), most=MOST_DRAFTS)
    t, hidden = wording(language), {} if names else _names(found)
    return [_content(key, some, t, hidden, names=names) for key, some in groups.items()]


def _grouped(found: Iterable[Review]) -> Mapping[tuple[str, str], list[Review]]:
    """By topic, then by file: ("topic", "单位"), ("file", "src/gear.py")."""
    groups: dict[tuple[str, str], list[Review]] = {}
    for one in found:
        topic = " ".join(one.topic.split())
        groups.setdefault(("topic", topic) if topic else ("file", one.path), []).append(one)
    return groups


def _content(key: tuple[str, str], found: Sequence[Review], t: Wording, hidden: Names, *, names: bool) -> Content:
    of, name = key
    said = (_said(one, t, hidden, names=names) for one in sorted(found, key=lambda one: (one.path, one.line or 0)))
    title = _without(t("lesson.title", of=name), hidden, t)
    body = "\n\n".join([t("lesson.hint"), *said]) + "\n"
    if len(body) > LONGEST_BODY:
        raise Unacceptable("reviews_long", of=name, most=LONGEST_BODY)
    tags = [t("lesson.tag"), *([_without(name, hidden, t)[:LONGEST_TAG]] if of == "topic" else [])]
    return Content.given(title=title[:LONGEST_TITLE], body=body, tags=tags)


def _said(one: Review, t: Wording, hidden: Names, *, names: bool) -> str:
    place = one.path.replace("`", "ˋ").replace("\n", " ") + (f":{one.line}" if one.line is not None else "")
    by = [t("lesson.by", name=_quiet(one.author))] if names and one.author.strip() else []
    done = [t("lesson.done"), _quoted(_without(one.resolution, hidden, t))] if one.resolution.strip() else []
    return "\n\n".join([f"# `{_without(place, hidden, t)}`", *by, _quoted(_without(one.comment, hidden, t)), *done])


def _quoted(text: str) -> str:
    """What somebody wrote, apart from what is around it, whatever signs are in it."""
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _quiet(name: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(name.split()))


def _names(found: Iterable[Review]) -> Names:
    """Those of everybody who commented."""
    known: Names = {}
    for one in found:
        node = known
        for letter in one.author.strip().lower():
            node = node.setdefault(letter, {})
        if node is not known:
            node[""] = {}
    return known


def _without(text: str, hidden: Names, t: Wording) -> str:
    """The text without these names."""
    plain = text.lower() if len(text.lower()) == len(text) else text
    parts, last = [], 0
    for start, end in _places(plain, hidden) if hidden else ():
        parts += [text[last:start], t("lesson.somebody")]
        last = end
    return "".join([*parts, text[last:]])


def _places(text: str, names: Names) -> Iterator[tuple[int, int]]:
    """Where names stand, with an @ before them: one look at each letter, however many names there are."""
    start = 0
    while start < len(text):
        end = _end(text, start, names)
        if end > start:
            yield start - (text[start - 1 : start] == "@"), end
        start = max(end, start + 1)


def _end(text: str, start: int, names: Names) -> int:
    """Where the longest name that begins there ends; `start` where none does."""
    found, at, node = start, start, names.get(text[start])
    while node is not None:
        at += 1
        if "" in node and _stands(text, start, at):
            found = at
        node = node.get(text[at]) if at < len(text) else None
    return found


def _stands(text: str, start: int, end: int) -> bool:
    """Whether a name is meant there: a short one only after an @, a Latin one only as a whole word."""
    latin = text[start:end].isascii()
    called = text[start - 1 : start] == "@"
    around = text[start - 1 : start] + text[end : end + 1]
    whole = not latin or not any(c.isascii() and (c.isalnum() or c == "_") for c in around)
    return whole and (called or end - start >= (SHORT if latin else 2))
