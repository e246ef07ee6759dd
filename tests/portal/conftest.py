"""A portal for each test, in SQLite; where answers must not depend on the database, in PostgreSQL as well."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the extra `portal` is not installed")

from lepton_fed.portal.people import rights
from tests.portal.browser import Browser, forget_portals, one_event_loop
from tests.portal.world import World, reopened, world
from tests.storage.conftest import postgresql_url

__all__ = ["postgresql_url"]


@pytest.fixture(scope="session", autouse=True)
def event_loop() -> Iterator[None]:
    with one_event_loop():
        yield


@pytest.fixture(autouse=True)
def portals_of_one_test() -> Iterator[None]:
    yield
    forget_portals()


@pytest.fixture(scope="session", autouse=True)
def policies_are_read_once() -> Iterator[None]:
    """The portal's own policies are the same in each portal; those in its folder are read as ever."""
    own = rights._prepared({})
    read = rights._prepared
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rights, "_prepared", lambda others: read(others) if others else own)
        yield


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a portal with its people and no entry, made once."""
    folder = tmp_path_factory.mktemp("源") / "门户"
    world(folder).portal.close()
    return folder


@pytest.fixture
def there(original: Path, tmp_path: Path) -> Iterator[World]:
    """A copy of it."""
    made = reopened(Path(shutil.copytree(original, tmp_path / "门户")))
    with contextlib.closing(made.portal):
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same, in each database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("there")
        return
    made = world(tmp_path / "门户", str(request.getfixturevalue("postgresql_url")))
    with contextlib.closing(made.portal):
        yield made


@pytest.fixture
def browser(there: World) -> Iterator[Browser]:
    """Somebody before the portal who has not signed in."""
    with Browser.before(there.portal) as browser:
        yield browser
