"""A deployed coordinator says who would refuse before anybody trains, and departments are asked over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lepton_fed.coordinator import begin
from lepton_fed.evaluation import Finding, evaluate
from lepton_fed.transport import drive
from tests.federations import LINES, TARGET, quick, written
from tests.server.together import Killing, Together, together

pytestmark = [pytest.mark.flower, pytest.mark.long]

ACCESS = [
    {"what": "updates", "who": ["*"], "action": "训练"},
    {"what": "updates", "who": [TARGET], "action": "评估", "owner": [LINES[1]]},
]
FIRST = '@id("first") forbid (principal, action == Action::"train", resource) when { context.round < 2 };'


@dataclass(eq=False)
class Evaluating(Killing):
    """Has the first model measured for R&D after the first round."""

    there: Together | None = None
    found: dict[str, Finding] = field(default_factory=dict)

    def round(self, number: int, seconds: float) -> None:
        super().round(number, seconds)
        if number == 1 and self.there is not None and self.there.run is not None:
            run = self.there.run
            state = begin(run.settings, (), run.kit.federation.fingerprint, run.kit.membership.roster)
            self.found = drive(evaluate(run.settings, state, asker=TARGET, departments=LINES), run.transport)


def test_a_run_says_who_would_refuse_and_goes_on_without_it_and_models_are_measured_where_that_is_permitted(
    tmp_path: Path,
) -> None:
    federation = written(tmp_path / "file", quick({"access": ACCESS}, 2))
    with together(tmp_path, federation) as there:
        (there.made.departments[LINES[0]] / "policies" / "first.cedar").write_text(FIRST)
        watcher = Evaluating(there=there)
        there.play(watcher)
    rule = f"{LINES[1]} may not 训练 updates of {LINES[0]}: rule first of policies/first.cedar forbids it"
    assert any(line.startswith(f"{LINES[0]} would refuse to train now: ") and rule in line for line in watcher.lines)
    assert f"no rule of {LINES[0]} permits it" in watcher.found[LINES[0]].refused
    (metrics,) = watcher.found[LINES[1]].metrics.values()
    assert set(metrics) == {"auc", "loss"}
    assert watcher.found[LINES[1]].rows > 0
