"""A deployed run's log proves each department's model; kills leave nothing in it twice, and nobody can roll it back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from clients.home import MODELS
from lepton_fed.audit import Decided, Entry, ModelMade, Planned, Released, RunBegun, RunEnded, Verdict, prove
from lepton_fed.audit.kits import docket_of, log_of
from lepton_fed.audit.places import Found, logs_at
from lepton_fed.config import Federation
from lepton_fed.deploy.kit import DepartmentKit
from lepton_fed.policies import Context, Decision, Request
from lepton_fed.record import DATABASE
from lepton_fed.storage import schema, sqlite_url
from tests.federations import FOUR, quick, written
from tests.server.together import Together, together

pytestmark = [pytest.mark.flower, pytest.mark.long]

SECURE: dict[str, Any] = {
    "departments": [{"name": name} for name in FOUR],
    "graph": [],
    "sharing": [{"what": "updates", "from": list(FOUR), "to": ["*"]}],
    "weights": {"counts": [8, 24]},
    "aggregation": {},
    "audit": {"every": 1},
}


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return written(tmp_path / "file", quick(SECURE, 2))


def found(there: Together, keys: Path | None = None) -> Found:
    (log,) = logs_at(there.made.coordinator, keys)
    return log


def entries(there: Together) -> list[Entry]:
    return [Entry.read(record.body) for record in found(there).written.records]


def verified(there: Together, keys: Path | None = None) -> Verdict:
    verdict = found(there, keys).verdict()
    assert verdict.sound, verdict.text
    return verdict


def decision(owner: str) -> Decision:
    context = Context.outside_training(purpose="Predict failures", hour=9)
    request = Request(who=FOUR[1], role="department", verb="读取", what="生产线数据", owner=owner, context=context)
    return Decision(False, ("no rule permits it",), (), request)


def test_the_log_of_a_deployed_run_proves_every_department_its_model(tmp_path: Path, federation: Federation) -> None:
    with together(tmp_path, federation) as there:
        result = there.play()
        for name in FOUR:
            kit = there.made.departments[name]
            verdict = verified(there, kit)
            assert verdict.countersigned == dict.fromkeys(FOUR, verdict.size)
            (model,) = (kit / "state" / MODELS).glob("*.safetensors")
            digest = hashlib.sha256(model.read_bytes()).digest()
            (proof,) = prove(found(there).written.records, digest)
            assert (proof.run, proof.status, proof.targets) == (result.run, "finished", (name,))
            assert proof.departments == tuple((one, 2) for one in sorted(FOUR))
            assert {one for one, _ in proof.contracts} == {one for one, _ in proof.policies} == set(FOUR)
        kinds = [type(entry) for entry in entries(there)]
        assert (kinds.count(RunBegun), kinds.count(RunEnded), kinds.count(ModelMade)) == (1, 1, 4)


def test_a_round_that_is_played_again_after_a_kill_is_in_the_log_once(tmp_path: Path, federation: Federation) -> None:
    with together(tmp_path, federation) as there:
        there.killed(at=1, where="after the database")
        there.killed(at=4, where="exchange over")
        there.play()
        told = entries(there)
        verified(there)
    assert [(one.round, len(one.members)) for one in told if isinstance(one, Planned)] == [(1, 4), (2, 4), (3, 4)]
    assert [one.round for one in told if isinstance(one, Released) and one.group == "updates"] == [1, 2]
    assert sum(isinstance(one, RunBegun) for one in told) == 3
    assert sorted(one.target for one in told if isinstance(one, ModelMade)) == sorted(FOUR)


def test_what_a_department_decided_is_in_the_log_and_its_reasons_stay_with_it(
    tmp_path: Path, federation: Federation
) -> None:
    with together(tmp_path, federation) as there:
        name = FOUR[0]
        there.killed(at=1, where="1: round over")
        home = there.residents[name].home
        assert home is not None
        log_of(home.kit).heard(decision(name), person="张三")
        there.play()
        verified(there, there.made.departments[name])
        told = [one for one in entries(there) if isinstance(one, Decided)]
        assert {one.department for one in told if one.allowed} == set(FOUR)  # Each permitted its own update.
        assert [one.department for one in told if not one.allowed] == [name]
        noted = list(docket_of(DepartmentKit.load(there.made.departments[name])).noted())
        assert any("张三".encode() in opening for one in noted for opening in one.openings)
        assert "张三".encode() not in (there.state / DATABASE).read_bytes()


def test_a_coordinator_that_rolled_its_log_back_is_told_so_by_every_department(
    tmp_path: Path, federation: Federation
) -> None:
    with together(tmp_path, federation) as there:
        there.killed(at=1, where="2: round begins")
        database = schema.opened(sqlite_url(there.state / DATABASE), patience=10, durable=False)
        with database.writing() as connection:
            for change in ("update", "delete"):
                for table in ("audit_entry", "audit_head", "audit_countersignature"):
                    connection.execute(text(f"DROP TRIGGER {table}_no_{change}"))
            for table in ("audit_countersignature", "audit_head", "audit_opening", "audit_taken", "audit_entry"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text("DELETE FROM audit_log"))
        database.close()
        there.play()
        assert there.run is not None
        loud = [line for line in there.run.account.warnings if "audit log" in line]
        assert {line.split()[0] for line in loud} == set(FOUR)
        assert all("rolled back" in line or "forked" in line for line in loud), loud
