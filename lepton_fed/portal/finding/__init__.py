"""Full-text search that gives the same answers in SQLite and PostgreSQL, in Chinese and in English."""

from __future__ import annotations
