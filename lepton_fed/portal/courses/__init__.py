"""Courses: entries in an order and sessions to come to, who learns there, and how far they are."""

from __future__ import annotations
