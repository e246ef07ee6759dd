"""What sharing is worth: points by a published rule, and how much departments use of each other."""

from __future__ import annotations
