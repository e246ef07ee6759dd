"""Who is there, what they are in which department, how they sign in, and what policies let them see."""

from __future__ import annotations
