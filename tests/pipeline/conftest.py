"""Databases to test with, as in tests/storage: SQLite always, PostgreSQL where LEPTON_TEST_POSTGRES names a server."""

from __future__ import annotations

from tests.storage.conftest import postgresql_url, url

__all__ = ["postgresql_url", "url"]
