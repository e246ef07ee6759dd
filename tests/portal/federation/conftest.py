"""A federation of three departments whose pipeline has trained and waits for somebody, and a portal that watches it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="the extra `portal` is not installed")

from lepton_fed import AutoPipeline, Federation
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.portal.people import accounts
from lepton_fed.portal.people.departments import add_department
from tests.federations import LINES, TARGET, quick, write
from tests.pipeline.test_built_in import PERMITTED, THREE
from tests.portal.browser import Browser
from tests.portal.world import PASSWORD, World

GATE = f"{TARGET}/上线"
ROLE = "质量经理"
STEPS = [THREE[0], {"department": [TARGET], "step": "上线", "approve": ROLE}]

PEOPLE = {
    # sign-in name: (department, role)
    "approver": (TARGET, "approver"),
    "zhangsan": (TARGET, "approver"),
    "line": (LINES[0], "approver"),
    "line-reader": (LINES[0], "reader"),
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the federation, and with its pipeline at the gate; begun by zhangsan."""
    place = tmp_path_factory.mktemp("联邦")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lepton_fed.outcome.write_report", lambda folder, content: None)
        file = write(place / "小", quick({"pipeline": STEPS, "access": PERMITTED}, 2))
        AutoPipeline.of(Federation.load(file), folder=place / "runs", say=lambda _: None).run(by="ZhangSan")
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "联邦"))


@pytest.fixture
def watched(place: Path) -> Watched:
    """The federation as a portal watches it."""
    return Watched(place / "小" / "federation.toml", runs=place / "runs")


@pytest.fixture
def watching(there: World, watched: Watched) -> World:
    """A portal that shows it, with people of its departments."""
    portal = there.portal
    with portal.database.writing() as connection:
        for name, (home, role) in PEOPLE.items():
            add_department(connection, home, there.clock.now)
            made = accounts.add_person(
                connection,
                name=name,
                shown=name.title(),
                department=home,
                password=portal.passwords.hashed(PASSWORD, name),
                now=there.clock.now,
            )
            accounts.set_role(connection, made.id, home, role)
    Browser.before(portal).app.state.watched = watched  # type: ignore[attr-defined]
    return there
