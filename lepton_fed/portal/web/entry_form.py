"""The form for an entry: as it was typed, as it is filled from a revision, and what it asks to be saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated

from fastapi import Form
from starlette.datastructures import FormData

from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.entries.reading import Opened
from lepton_fed.portal.entries.writing import Choice
from lepton_fed.portal.errors import Unacceptable


class EntryForm:
    """`base`: the newest revision that the author saw.

    `sensitive`: what to do with places that look so; `shown`: the digest of those that the author was shown.

    `began`: the revision that they began with, where somebody saved another one meanwhile, 0 otherwise.
    `attached`: the attachments that the revision is to hold, and 0, which says that they were asked for at all.
    """

    def __init__(
        self,
        title: Annotated[str, Form()] = "",
        body: Annotated[str, Form()] = "",
        tags: Annotated[str, Form()] = "",
        audience: Annotated[str, Form()] = "department",
        named: Annotated[list[str] | None, Form()] = None,
        review_by: Annotated[str, Form()] = "",
        kind: Annotated[str, Form()] = "note",
        department: Annotated[str, Form()] = "",
        note: Annotated[str, Form()] = "",
        base: Annotated[int, Form()] = 0,
        began: Annotated[int, Form()] = 0,
        sensitive: Annotated[str, Form()] = "ask",
        shown: Annotated[str, Form()] = "",
        attached: Annotated[list[int] | None, Form()] = None,
    ) -> None:
        self.title, self.body, self.tags, self.audience = title, body, tags, audience
        self.named, self.review_by, self.kind, self.department = named or [], review_by, kind, department
        self.note, self.base, self.began, self.attached = note, base, began, attached
        self.sensitive, self.shown = sensitive, shown

    @classmethod
    def typed(cls, form: FormData) -> EntryForm:
        """As a form says that was read by itself, a file being in it."""
        text = ("title", "body", "tags", "audience", "review_by", "note")
        return cls(
            **{name: str(form.get(name, "")) for name in text},
            named=[str(one) for one in form.getlist("named")],
            base=next(_numbers(form.getlist("base")), 0),
            began=next(_numbers(form.getlist("began")), 0),
            attached=list(_numbers(form.getlist("attached"))),
        )

    @classmethod
    def of(cls, opened: Opened, attached: Iterable[int] = ()) -> EntryForm:
        """Filled with what a revision says, and holds."""
        revision, entry = opened.revision, opened.entry
        return cls(
            title=revision.title,
            body=revision.body,
            tags=", ".join(revision.tags),
            audience=opened.shelf.audience,
            named=list(opened.shelf.named),
            review_by="" if revision.review_by is None else revision.review_by.isoformat(),
            kind=entry.kind,
            department=entry.department,
            note="",
            base=entry.newest,
            began=0,
            sensitive="ask",
            shown="",
            attached=[0, *attached],
        )

    def content(self) -> Content:
        """What it asks to be saved, checked; Unacceptable."""
        return Content.given(
            title=self.title,
            body=self.body,
            tags=self.tags,
            audience=self.audience,
            named=self.named,
            review_by=_day(self.review_by),
        )

    def overtaken(self, newest: int) -> None:
        """Go on from the revision that somebody saved meanwhile: what is typed here is to come after it."""
        self.began, self.base = self.began or self.base, newest

    @property
    def attachments(self) -> list[int] | None:
        """Those that the revision is to hold; None: as before."""
        return None if self.attached is None else [one for one in self.attached if one]

    @property
    def choice(self) -> Choice:
        """What is done with sensitive places; `ask` for whatever is no answer."""
        match self.sensitive:
            case "mask":
                return "mask"
            case "keep":
                return "keep"
        return "ask"


def _numbers(found: Iterable[object]) -> Iterator[int]:
    return (int(one) for one in map(str, found) if one.isascii() and one.isdigit() and len(one) < 20)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Unacceptable("day") from None
