"""What is watched: a federation file with its runs, a database elsewhere, the kit of a deployed federation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lepton_fed.deploy.provisioning import provision
from lepton_fed.errors import LeptonError
from lepton_fed.portal.federation import audit_log, departments, graph, ledgers, runs
from lepton_fed.portal.federation.rights import Onlooker
from lepton_fed.portal.federation.trouble import Unreadable
from lepton_fed.portal.federation.watched import Watched
from lepton_fed.storage import sqlite_url
from tests.federations import FOUR, LINES, SECURE, TARGET, quick, write_own, written
from tests.portal.world import World


def test_a_federation_that_cannot_be_read_is_not_watched(tmp_path: Path) -> None:
    for place in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(LeptonError):
            Watched(place)


def test_who_may_look_is_known_while_the_file_is_broken(watched: Watched) -> None:
    members = watched.members
    watched.place.write_text("[", encoding="utf-8")
    with pytest.raises(Unreadable):
        watched.federation()
    assert watched.members == members


def test_a_database_elsewhere_is_read_with_its_log(watched: Watched, place: Path) -> None:
    shutil.copytree(place / "runs", place / "elsewhere")
    url = sqlite_url(place / "elsewhere" / "lepton-fed.sqlite")
    other = Watched(watched.place, runs=place / "none", database=url)
    assert [one.id for one in runs.runs(other)] == [one.id for one in runs.runs(watched)]
    assert audit_log.verdict(other).sound
    assert Watched(watched.place, database=sqlite_url(place / "no.sqlite")).url is None
    with pytest.raises(Unreadable, match="is no URL"):
        runs.runs(Watched(watched.place, database="nonsense"))


def test_of_a_deployed_federation_the_kit_is_watched(watching: World, tmp_path: Path) -> None:
    made = provision(written(tmp_path / "小", quick(SECURE, 2)), tmp_path / "kits")
    watched = Watched(made.coordinator)
    seen = departments.departments(watched)
    assert [one.name for one in seen.listed] == [*FOUR, TARGET]
    assert "cannot be reached" in seen.silence
    assert {one.online for one in seen.listed} == {None}
    assert (runs.runs(watched), audit_log.page(watched)) == ((), None)
    assert "<svg" in graph.graph(watched).svg
    onlooker = Onlooker(watching.person("approver"), watching.portal.rights)
    assert {one.where for one in ledgers.ledgers(watched, onlooker)} == {"department"}


def test_a_department_watches_by_its_own_kit_and_sees_its_own_ledger(watching: World, tmp_path: Path) -> None:
    made = provision(written(tmp_path / "小", quick(SECURE, 2)), tmp_path / "kits")
    watched = Watched(made.departments[LINES[0]])
    own = watched.federation().department_file(LINES[0])
    own.parent.mkdir(exist_ok=True)
    write_own(watched.federation().path, LINES[0], {"path": "rows.csv"}, privacy={"budget": 8.0})
    assert departments.departments(watched).silence == ""
    onlooker = Onlooker(watching.person("line"), watching.portal.rights)
    own_ledger, *others = ledgers.ledgers(watched, onlooker)
    assert [one.budget for one in own_ledger.balances] == [8.0]
    assert {one.where for one in others} == {"department"}
