"""What an author hands in: a title, a text, tags, for whom, and until when it holds. It checks itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from lepton_fed.portal.composing import MOST_MARKS, composed, has_long_run_of_marks
from lepton_fed.portal.entries import sensitive
from lepton_fed.portal.entries.sensitive import Finding
from lepton_fed.portal.errors import Unacceptable
from lepton_fed.portal.people.rights import Shelf
from lepton_fed.storage.portal_entry_tables import AUDIENCES

LONGEST_TITLE, LONGEST_BODY, LONGEST_TAG, MOST_TAGS = 200, 200_000, 40, 20
LONGEST_NOTE = 500

_SEPARATOR = re.compile(r"[,，、;；\n]")
_CONTROL = dict.fromkeys(c for c in range(32) if chr(c) not in "\n\t") | {0x7F: None}


@dataclass(frozen=True, kw_only=True)
class Content:
    """`audience`: department, named or everyone; `named`: the departments of the second, none otherwise."""

    title: str
    body: str
    tags: tuple[str, ...] = ()
    audience: str = "department"
    named: tuple[str, ...] = ()
    review_by: date | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.title) <= LONGEST_TITLE or not self.title.replace("\u3000", " ").isprintable():
            raise Unacceptable("title", most=LONGEST_TITLE)
        if not self.body.strip() or len(self.body) > LONGEST_BODY:
            raise Unacceptable("body", most=LONGEST_BODY)
        if len(self.tags) > MOST_TAGS or any(not 0 < len(tag) <= LONGEST_TAG for tag in self.tags):
            raise Unacceptable("tags", most=MOST_TAGS, longest=LONGEST_TAG)
        if self.audience not in AUDIENCES or bool(self.named) != (self.audience == "named"):
            raise Unacceptable("audience")

    @classmethod
    def given(
        cls,
        *,
        title: str,
        body: str,
        tags: str | Iterable[str] = (),
        audience: str = "department",
        named: Iterable[str] = (),
        review_by: date | None = None,
    ) -> Content:
        """As it comes from a form, a file or a program: composed, without control characters, each tag once."""
        listed = _SEPARATOR.split(tags) if isinstance(tags, str) else tags
        return cls(
            title=" ".join(_clean(title, "title", most=LONGEST_TITLE).split()),
            body=_clean(with_line_feeds(body), "body", most=LONGEST_BODY),
            tags=tuple(dict.fromkeys(tag for tag in map(_tag, listed) if tag)),
            audience=audience,
            named=tuple(sorted(set(named))) if audience == "named" else (),
            review_by=review_by,
        )

    def shelf(self, department: str) -> Shelf:
        """Where it stands as an entry of that department."""
        return Shelf(department, self.audience, self.named)

    def found(self) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """What looks sensitive in its title and in its text."""
        return sensitive.found(self.title), sensitive.found(self.body)

    def masked(self) -> Content:
        """The same with whatever looks sensitive masked."""
        title, body = self.found()
        masked = sensitive.masked(self.title, title), sensitive.masked(self.body, body)
        return replace(self.with_tags_masked(), title=masked[0], body=masked[1])

    def with_tags_masked(self) -> Content:
        """The same with whatever looks sensitive in its tags masked."""
        return replace(self, tags=tuple(dict.fromkeys(map(sensitive.without, self.tags))))

    @property
    def found_in_tags(self) -> int:
        """How many places look sensitive in its tags."""
        return sum(len(sensitive.found(tag)) for tag in self.tags)


def with_line_feeds(text: str) -> str:
    """Its lines as they are counted and kept: browsers end each by two characters, and count one in their fields."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def remark(text: str) -> str:
    """What somebody says beside an entry, of whatever length: a comment, a report, a reason."""
    return with_line_feeds(text).replace("\0", "").strip()


def _tag(text: str) -> str:
    return " ".join(_clean(text, "tags", most=MOST_TAGS, longest=LONGEST_TAG).split())


def _clean(text: str, what: str, *, most: int, longest: int = 0) -> str:
    # Lone surrogates cannot be stored.
    whole = text.encode("utf-8", "replace").decode("utf-8")
    try:
        return composed("NFC", whole, longest or most).translate(_CONTROL)
    except ValueError:
        if has_long_run_of_marks(whole):
            raise Unacceptable("marks", most=MOST_MARKS) from None
        raise Unacceptable(what, most=most, longest=longest) from None
