"""docs/audit.md: its commands run in their order and say what stands below them, its Python runs, its words exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from lepton_fed.accounts import Account, AgreedPlan, ReleasedSum
from lepton_fed.audit.beginnings import beginning
from lepton_fed.audit.entries import KINDS
from lepton_fed.audit.kits import log_of, remember_keys, signers_of
from lepton_fed.audit.run_log import RunLog
from lepton_fed.cli import main
from lepton_fed.config import Federation
from lepton_fed.deploy.kit import CoordinatorKit, DepartmentKit
from lepton_fed.deploy.provisioning import provision
from lepton_fed.record import DATABASE
from lepton_fed.storage import schema, sqlite_url
from tests.audit.example import sha
from tests.audit.test_run_log import Watching, write
from tests.federations import FOUR, SECURE, TARGET, quick, written

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a federation file, and kits in which a run has been; a model that 研发部门 got from it."""
    place = tmp_path_factory.mktemp("desk")
    federation = written(place, quick(SECURE, 2))
    made = provision(federation, place / "kits", address="localhost:8000")
    (place / "model.safetensors").write_bytes(b"a model")
    kit = CoordinatorKit.load(made.coordinator)
    departments = {name: log_of(DepartmentKit.load(folder)) for name, folder in made.departments.items()}
    there = Watching(departments)
    database = schema.opened(sqlite_url(kit.state / DATABASE), patience=10, durable=False)
    log = RunLog(database, signers_of(kit), "run-1", calls=True)
    remember_keys(kit)
    write(log, log.begun(beginning(federation)))
    names = tuple(sorted(FOUR))
    for round in (1, 2):
        plan = AgreedPlan(sha(f"plan {round}"), kit.membership.roster.hash, sha("models"), names, 3)
        sums = (ReleasedSum("updates", "all", names, sha(f"sum {round}")),)
        write(log, log.summed(round, [Account(round, 0, plan, names, sha("signed"), sums)]))
    departments[TARGET].run = "run-1"
    departments[TARGET].made(2, sha("a model"), sha("numbers"))
    log.conclude(there, tuple(departments))
    write(log, log.ended("finished", 2, ""))
    log.conclude(there, tuple(departments))
    database.close()
    return place


@pytest.fixture
def here(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


def fits(said: str, expected: str) -> bool:
    """Whether it is what the page shows, where … stands for anything."""
    lines = [
        "(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in expected.splitlines()
    ]
    return re.fullmatch("".join(lines), said) is not None


def test_the_commands_run_in_their_order_and_say_what_the_page_says(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = 0
    for (language, block), (after, expected) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(block, "docs/audit.md", "exec"), {})
        elif language == "sh":
            for line in block.splitlines():
                with pytest.raises(SystemExit) as ended:
                    main(shlex.split(line)[1:])
                assert not ended.value.code, line
        printed = capsys.readouterr().out
        if language in ("sh", "python") and after == "text":
            assert fits(printed, expected), printed
            compared += 1
    assert compared == 3


def test_the_page_has_every_kind_of_entry() -> None:
    assert [kind.TITLE for kind in KINDS if f"| {kind.TITLE} |" not in PAGE] == []


def test_the_federation_of_the_page_has_a_file(here: Path) -> None:
    assert Federation.load(here / "federation.toml").settings.federation.name == "小联邦"
