"""Statistics of whole federations: one secure sum, by each department's own rules, paid for and released once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lepton_fed.assembly import build_departments, read_own, throw_away_parties
from lepton_fed.config import explain
from lepton_fed.department import Department
from lepton_fed.errors import ConfigError, RoundError
from lepton_fed.messages import Message, Sum, Work
from lepton_fed.secagg.messages import Call, MaskedInput
from lepton_fed.secagg.roster import Roster
from lepton_fed.simulation import simulate
from lepton_fed.statistics import Findings, Survey
from lepton_fed.survey_flow import count
from lepton_fed.transport import drive
from tests.federations import FOUR, SECURE, TARGET, quick, write_own, written
from tests.secure.builder import Watched

COLUMNS = [{"name": "温度", "range": [-20, 20]}, {"name": "torque", "range": [-20, 20]}]
AGGREGATE = {"what": "updates", "who": [TARGET], "action": "聚合"}
TRAIN = {"what": "updates", "who": ["*"], "action": "训练"}


def asking(statistics: Mapping[str, Any] | None = None, **tables: Any) -> dict[str, Any]:
    """A secure federation whose file asks for statistics."""
    data = {
        "label": {"column": "Target", "meaning": "1: it failed", "classes": ["0", "1"]},
        "columns": COLUMNS,
        "split": {"test": 0.25},
    }
    asked = {"what": "updates", "to": [TARGET], "bins": 8, "minimum": 3, **(statistics or {})}
    secure: dict[str, Any] = {**SECURE}
    return quick({**secure, "data": data, "access": [TRAIN, AGGREGATE], "statistics": asked, **tables}, rounds=1)


class Counted:
    """A federation in this process, asked for its statistics."""

    def __init__(self, folder: Path, changes: Mapping[str, Any], privacy: Mapping[str, Any] | None = None) -> None:
        self.federation = written(folder, changes)
        for name in FOUR if privacy is not None else ():
            write_own(self.federation.path, name, {"path": f"{name}.csv"}, privacy={"ledger": f"{name}.s", **privacy})
        settings = self.federation.settings
        owns = {name: read_own(self.federation, name) for name in settings.names}
        self.parties = throw_away_parties(self.federation, {name: own.file for name, own in owns.items()})
        self.departments: dict[str, Department] = build_departments(self.federation, owns, self.parties)
        self.transport = Watched(self.departments)
        self.survey = Survey(settings, self.federation.fingerprint)

    @property
    def roster(self) -> Roster:
        return next(iter(self.parties.values())).roster

    def count(self, first: int = 0) -> Findings:
        return drive(count(self.survey, self.roster, first=first), self.transport)[1]


def pooled(folder: Path, names: tuple[str, ...] = FOUR) -> pd.DataFrame:
    return pd.concat([pd.read_csv(folder / "federation" / f"{name}.csv") for name in names])


@pytest.mark.parametrize("by_class", [False, True])
def test_they_are_those_of_the_pooled_rows(tmp_path: Path, by_class: bool) -> None:
    found = Counted(tmp_path, asking({"by_class": by_class, "minimum": 1})).count()
    table = pooled(tmp_path)
    strata = {"": table, **({str(k): rows for k, rows in table.groupby("Target")} if by_class else {})}
    assert len(found.findings) == 2 * len(strata)
    for stratum, rows in strata.items():
        for name in ("温度", "torque"):
            one = found.finding(name, stratum)
            assert (one.rows, one.present, one.missing) == (len(rows), len(rows), 0)
            assert one.mean == pytest.approx(rows[name].mean(), abs=1e-7)
            assert one.variance == pytest.approx(rows[name].var(), abs=1e-6)
            assert list(one.histogram) == np.histogram(rows[name], 8, (-20, 20))[0].tolist()
    assert found.departments == FOUR


def test_one_masked_vector_a_department_is_all_that_leaves(tmp_path: Path) -> None:
    ours = Counted(tmp_path, asking())
    ours.count()
    masked = ours.transport.replies("Delivery")
    assert set(masked) == set(FOUR)
    for reply in masked.values():
        assert isinstance(reply.reply, MaskedInput)  # type: ignore[union-attr]
        assert len(reply.reply.vectors) == 1  # type: ignore[union-attr]
    assert not any(isinstance(m, Work) or (isinstance(m, Sum) and m.work) for _, m, _ in ours.transport.heard)


def test_a_department_that_permits_nobody_is_left_out_and_named(tmp_path: Path) -> None:
    rules = [TRAIN, {**AGGREGATE, "owner": list(FOUR[:3])}]
    found = Counted(tmp_path, asking(access=rules)).count()
    assert found.departments == FOUR[:3]
    assert found.refused == ((FOUR[3], f"no rule of {FOUR[3]} permits {TARGET} to aggregate 'updates'"),)
    assert found.finding("温度").rows == 96


def test_a_department_enforces_its_rules_itself_whatever_the_coordinator_plans(tmp_path: Path) -> None:
    ours = Counted(tmp_path, asking(access=[TRAIN, {**AGGREGATE, "owner": list(FOUR[:3])}]))
    lying = replace(ours.survey)
    object.__setattr__(lying, "willing", FOUR)
    ours.survey = lying
    found = ours.count()
    assert found.departments == FOUR[:3]
    assert f"may not 聚合 updates of {FOUR[3]}" in dict(found.refused)[FOUR[3]]


def test_without_any_rule_there_are_no_statistics(tmp_path: Path) -> None:
    with pytest.raises(RoundError, match=r"nobody gives the statistics' data set.*no rule of 生产车间-一 permits"):
        Counted(tmp_path, asking(access=[TRAIN])).count()


def test_too_few_to_hide_in_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RoundError, match=r"there are no statistics: .*too few"):
        Counted(tmp_path, asking(access=[TRAIN, {**AGGREGATE, "owner": list(FOUR[:2])}])).count()


def test_a_statistic_is_released_once(tmp_path: Path) -> None:
    ours = Counted(tmp_path, asking())
    ours.count()
    with pytest.raises(RoundError, match="an input on this model was let out in an earlier attempt"):
        ours.count(first=7)
    # Nor is it by asking for the same cells under another minimum, or of fewer departments.
    ours.survey = replace(ours.survey, settings=replace(
        ours.survey.settings, statistics=replace(ours.survey.asked, minimum=1)
    ))  # fmt: skip
    assert ours.survey.hash == Survey(ours.federation.settings, "").hash


@pytest.mark.parametrize("change", ["minimum", "length", "weights"])
def test_a_plan_that_the_file_does_not_make_is_refused(tmp_path: Path, change: str) -> None:
    ours = Counted(tmp_path, asking())

    def bend(name: str, message: Message) -> Message:
        if not (isinstance(message, Sum) and isinstance(message.request, Call)):
            return message
        plan = message.request.plan
        if change == "minimum":
            plan = replace(plan, shown=bytes(32))
        elif change == "length":
            group = replace(plan.groups[0], length=plan.groups[0].length + 1)
            plan = replace(plan, groups=(group,))
        else:
            cohort = plan.groups[0].cohorts[0]
            cohort = replace(cohort, weights=(cohort.weights[0] * 9, *cohort.weights[1:]))
            plan = replace(plan, groups=(replace(plan.groups[0], cohorts=(cohort,)),))
        return replace(message, request=replace(message.request, plan=plan))

    ours.transport.bend = bend
    with pytest.raises(RoundError, match="not the one that the federation file makes"):
        ours.count()


def test_a_department_with_a_larger_minimum_takes_no_part(tmp_path: Path) -> None:
    folder = written(tmp_path, asking()).path
    write_own(folder, FOUR[0], {"path": f"{FOUR[0]}.csv"}, terms={"minimum_cell": 4})
    result = simulate(folder, rounds=1)
    assert result.findings is not None
    assert dict(result.findings.refused)[FOUR[0]].startswith("it lets no cell of fewer than 4 rows leave")


def test_a_budget_refuses_statistics_without_noise(tmp_path: Path) -> None:
    noise: dict[str, Any] = {
        "aggregation": {"noise": {"norm": 1.0, "multiplier": 8.0}},
        "weights": {"alpha": "uniform"},
    }
    ours = Counted(tmp_path, asking(**noise), privacy={"budget": 8.0})
    with pytest.raises(RoundError, match="numbers without noise cost an infinite epsilon"):
        ours.count()
    assert ours.departments[FOUR[0]].spent("updates") == 0.0


def test_noise_is_paid_for_in_the_ledger_before_training_spends_the_rest(tmp_path: Path) -> None:
    noise: dict[str, Any] = {
        "aggregation": {"noise": {"norm": 1.0, "multiplier": 8.0}},
        "weights": {"alpha": "uniform"},
    }
    asked = {"noise": {"norm": 40.0, "multiplier": 4.0}}
    ours = Counted(tmp_path, asking(asked, **noise), privacy={"budget": 8.0})
    found = ours.count()
    spent = ours.departments[FOUR[0]].spent("updates")
    assert found.noisy
    assert 0.5 < spent < 4.0
    assert all(department.spent("updates") == spent for name, department in ours.departments.items() if name in FOUR)


def test_a_simulation_counts_before_it_trains_and_a_resumed_one_keeps_them(tmp_path: Path) -> None:
    federation = written(tmp_path, asking())
    result = simulate(federation, out=tmp_path / "run")
    assert result.findings is not None
    assert (tmp_path / "run" / "statistics.json").exists()
    assert simulate(federation, resume=tmp_path / "run").findings == result.findings


def test_statistics_change_no_model(tmp_path: Path) -> None:
    with_them = simulate(written(tmp_path / "a", asking()))
    without = simulate(written(tmp_path / "b", asking() | {"statistics": None}))
    for name, tensors in with_them.models.items():
        for key, value in tensors.items():
            assert np.array_equal(value.numpy(), without.models[name][key].numpy()), key


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"what": "updatez"}, "statistics.what is 'updatez', which no [[sharing]] names"),
        ({"to": ["谁"]}, "statistics.to names '谁', which is no department"),
        ({"columns": ["湿度"]}, "statistics.columns names '湿度', which the contract does not have"),
        ({"bins": 0}, "bins must be from 1 to 1000"),
        ({"minimum": 0}, "minimum must be at least 1"),
        ({"noise": {"norm": 1e6, "multiplier": 1.0}}, "norm times multiplier may be 65536 at most"),
    ],
)
def test_a_table_that_cannot_be_meant_is_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, asking(changes))
    assert sentence in str(caught.value)


def test_plain_or_sealed_sums_have_no_statistics(tmp_path: Path) -> None:
    for aggregation in ({"secure": False}, {"coordinator_sees": "nothing"}):
        with pytest.raises(ConfigError, match="statistics are secure sums that the coordinator sees"):
            written(tmp_path, asking(aggregation=aggregation))


def test_a_department_whose_file_asks_for_none_does_not_answer(tmp_path: Path) -> None:
    ours = Counted(tmp_path, asking())
    for name in FOUR:
        member = ours.departments[name].member
        assert member is not None
        member.respondent = None
    with pytest.raises(RoundError, match="its federation file asks for no statistics of its rows"):
        ours.count()


def test_check_says_who_is_counted_and_who_is_not(tmp_path: Path) -> None:
    rules = [TRAIN, {**AGGREGATE, "owner": list(FOUR[:2])}]
    said = " ".join(explain(written(tmp_path, asking(access=rules))).split())
    assert f"updates: 温度, torque, over the rows of {FOUR[0]}, {FOUR[1]}" in said
    assert f"not over the rows of {FOUR[2]}: no rule of {FOUR[2]} permits {TARGET} to aggregate 'updates'" in said
    assert "would be refused: 2 are too few to hide in" in said
    assert "Statistics" not in explain(written(tmp_path / "none", asking() | {"statistics": None}))
