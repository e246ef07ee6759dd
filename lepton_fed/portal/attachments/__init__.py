"""Pictures, recordings and PDF files of entries: their kinds, their files, and who may see them."""

from __future__ import annotations
