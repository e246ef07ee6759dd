"""The portal's table of keywords: what published entries are about, for telling which are alike."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lepton_fed.storage.columns import Base


class KeywordRow(Base):
    """One of the words that an entry uses most, as its readers see it."""

    __tablename__ = "portal_keyword"

    entry: Mapped[int] = mapped_column(ForeignKey("portal_entry.id"), primary_key=True)
    word: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
