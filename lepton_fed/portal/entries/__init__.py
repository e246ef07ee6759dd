"""What departments write down for each other: texts in revisions, and their way to the readers."""

from __future__ import annotations
