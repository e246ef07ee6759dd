"""What was typed into a form that was refused, to be in it again. Passwords are never sent back: hand none in."""

from __future__ import annotations

from collections.abc import Collection

TEXTS = {
    "title": "entry.title",
    "body": "entry.body",
    "text": "entry.body",
    "tags": "entry.tags",
    "note": "edit.note",
    "reason": "moves.reason",
    "why": "moves.reason",
    "about": "courses.what",
    "entries": "courses.entries",
    "place": "courses.place",
}
"""Fields that people write in, and what these are called. Others hold what was chosen."""


class Typed:
    """Of one of a page's forms, by its name in the template; the others are as empty as before."""

    def __init__(self, form: str = "", **fields: str) -> None:
        self._form, self._fields = form, fields

    def __call__(self, form: str, field: str, usual: str = "") -> str:
        """What to put into a field; `usual`: what is there where nothing was typed."""
        return self._fields.get(field, usual) if self.into(form) else usual

    @property
    def text(self) -> str:
        """What was written rather than chosen."""
        return next((self._fields[name] for name in TEXTS if self._fields.get(name)), "")

    def into_any(self, forms: Collection[str]) -> bool:
        """Whether it was one of those."""
        return any(map(self.into, forms))

    def into(self, form: str) -> bool:
        """Whether it was that form; one that is folded away is open then."""
        return form != "" and form == self._form


NOTHING = Typed()
