"""Arguments of the benchmarks: a mistake is one sentence and exit code 2, before anything is measured."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.arguments import begin

MISTAKES = (
    ("secagg --departments 2", "'2' is not a whole number from 3 to 100"),
    ("secagg --size 0", "'0' is not a whole number of 1 or more"),
    ("secagg --pairs some", "'some' is not a whole number of 1 or more"),
    ("knowledge_embedding --models nonsense --smoke", "invalid choice: 'nonsense'"),
    ("knowledge_embedding --read nonsense", "there is no file nonsense"),
    ("knowledge_embedding --rounds 0", "'0' is not"),
    ("gains --splits 0", "'0' is not"),
    ("policies --policies 4", "'4' is not"),
    ("policies --decisions 0", "'0' is not"),
    ("round --pairs 0", "'0' is not"),
    ("round --yardsticks nonsense", "there is no file nonsense/flat.py"),
    ("round --only nonsense", "no system is called 'nonsense'; there are lepton-fed, "),
    ("entity_features --train 1901", "'1901' is not"),
    ("knowledge --facts -1", "'-1' is not"),
    ("deployed --rounds -1", "'-1' is not"),
    ("audit --url nonsense:// --entries 1", "benchmarks.audit: the database nonsense:// is not a database"),
    ("audit --departments 101", "'101' is not"),
    ("large --modes plain,nonsense", "there is no 'nonsense'; choose plain, secure"),
    ("large --megabytes inf", "'inf' is no number above zero"),
    ("portal --smoke --database nonsense://", "benchmarks.portal: the database nonsense:// is not a database"),
    ("portal --smoke --database postgresql://x:secret@127.0.0.1:1/p", "cannot be reached"),
    ("portal --smoke --folder taken", "benchmarks.portal: taken cannot be made"),
)


@pytest.mark.parametrize(("command", "said"), MISTAKES, ids=[command for command, _ in MISTAKES])
def test_a_mistake_is_one_sentence(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = command.split()
    if name == "portal":
        pytest.importorskip("argon2", reason="the extra `portal` is not installed")
    if name == "knowledge":
        pytest.importorskip("pyoxigraph", reason="the extra `knowledge` is not installed")
    (tmp_path / "taken").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [f"/benchmarks/{name}.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        begin(import_module(f"benchmarks.{name}").main)
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert said in sentence
    assert "secret" not in sentence


def test_a_portal_of_another_size_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("argon2", reason="the extra `portal` is not installed")
    from benchmarks import portal

    small = portal.Size(entries=2, departments=2, people=2, seconds=1)
    with portal.Portal.opened(tmp_path / "p") as made:
        portal.fill(made, small)
    monkeypatch.setattr("sys.argv", ["/benchmarks/portal.py", "--smoke", "--folder", str(tmp_path / "p")])
    with pytest.raises(SystemExit) as ended:
        begin(portal.main)
    assert ended.value.code == 2
    assert "this portal was not filled with 12 departments" in capsys.readouterr().err
