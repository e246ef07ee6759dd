"""How many examples a property gets that needs another number than the profile's."""

from __future__ import annotations

from hypothesis import settings


def at_most(count: int) -> int:
    """`count` in a thorough run; in a quick one a quarter, as of the profile's own number, but not under five."""
    if settings.get_current_profile_name() == "thorough":
        return count
    return min(count, max(5, count // 4))
