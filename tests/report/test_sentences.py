"""What a run's sums hid is said in sentences that promise what holds, and no more."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.report import ReportContent, Sums
from lepton_fed.report.content import PLAIN
from lepton_fed.report.sentences import counts, facts, in_short, noise, promises, updates
from lepton_fed.settings import Coupling, Rounds
from tests.report.contents import NOISED, SEALED, SECURE, TWO, three


def told(content: ReportContent) -> dict[str, str]:
    return dict(promises(content))


# ---------------------------------------------------------------- short


@pytest.mark.parametrize(
    ("sums", "line"),
    [
        (PLAIN, "plain (the coordinator could see single updates)"),
        (SECURE, "secure, each department hidden among at least 2 others"),
        (SEALED, "secure, each department hidden among at least 2 others; the coordinator could not open them"),
        (
            NOISED,
            "secure, each department hidden among at least 2 others; noise: ε at most 12.4 at δ = 1e-05",
        ),
        (
            TWO,
            "secure, each department hidden among at least 1 other; departments could work out one another's numbers",
        ),
    ],
)
def test_a_line_says_how_sums_were_made(sums: Sums, line: str) -> None:
    assert in_short(sums) == line


def test_updates_are_called_single_only_where_the_coordinator_could_see_them() -> None:
    assert updates(PLAIN) == "Plain sums: the coordinator could see single updates."
    assert "saw sums over departments, and no single update" in updates(SECURE)
    assert "could open no sum of updates" in updates(SEALED)
    assert "protects from the coordinator only" in updates(TWO)


def test_secret_counts_are_told_with_their_band_and_public_ones_as_seen() -> None:
    assert "the coordinator could see them" in counts(PLAIN)
    assert counts(SECURE).endswith("each was brought between 10 and 40 before it weighed")
    assert counts(replace(SECURE, counts=None)) == "only sums of them were known to anyone else"


# ---------------------------------------------------------------- noise


def test_an_epsilon_stands_beside_its_delta_its_rounds_and_what_may_change() -> None:
    assert noise(SECURE) == ""
    said = noise(NOISED)
    for part in ("ε at most 12.4", "δ = 1e-05", "all 20 rounds", "every word", "contribution set to zero"):
        assert part in said
    assert "its one round" in noise(replace(NOISED, rounds=1))
    assert "ε at most ∞" in noise(replace(NOISED, epsilon=float("inf")))


@given(st.floats(min_value=1e-12, max_value=1e12), st.floats(min_value=1e-12, max_value=1))
def test_an_epsilon_is_never_said_to_be_smaller_than_it_is(epsilon: float, delta: float) -> None:
    line = in_short(replace(NOISED, epsilon=epsilon, delta=delta))
    shown, below = line.split("ε at most ")[1].split(" at δ = ")
    assert Decimal(repr(epsilon)) <= Decimal(shown) <= Decimal(repr(epsilon)) * Decimal("1.011")
    assert Decimal(repr(delta)) <= Decimal(below) <= Decimal(repr(delta)) * Decimal("1.00002")


def test_what_departments_showed_beside_the_sums_is_outside_of_an_epsilon() -> None:
    clusters = replace(three().settings, coupling=Coupling(kind="clusters"))
    quiet = three(sums=NOISED, history=())
    assert "does not cover" not in told(quiet)["Noise"]
    assert "does not cover the measurements" in told(replace(quiet, history=three().history))["Noise"]
    assert "does not cover the declared hubs that" in told(replace(quiet, settings=clusters))["Noise"]
    assert told(three(sums=SECURE))["Noise"].startswith("None was added")


# ---------------------------------------------------------------- who could see what


def test_plain_sums_are_told_in_one_plain_sentence_and_how_to_change_that() -> None:
    said = told(three())
    assert "it could see single updates" in said["The coordinator"]
    assert "aggregation.secure = true" in said["To change that"]
    assert facts(three()) == []


def test_secure_sums_say_what_the_coordinator_and_departments_could_see() -> None:
    said = told(three(sums=SECURE))
    assert "no single update" in said["The coordinator"]
    assert "over at least 5 departments" in said["The coordinator"]
    assert "at least 2 others (3 where all take part)" in said["The coordinator"]
    assert "80%" in said["The coordinator"]
    assert "sums over at least 4 others" in said["Departments"]


def test_sealed_sums_name_who_could_open_them_and_what_breaks_the_seal() -> None:
    said = told(three(sums=SEALED))
    assert "only 内科, 外科, 急诊科 and 院务管理 could" in said["The coordinator"]
    assert "enough to show them to the coordinator" in said["Those who work together"]
    many = told(three(sums=replace(SEALED, recipients=[f"店{i}" for i in range(90)])))["The coordinator"]
    assert "店5 and 84 more departments" in many
    assert "店6" not in many
    assert "only 独 could" in told(three(sums=replace(SEALED, recipients=("独",))))["The coordinator"]


def test_two_departments_are_told_that_they_know_each_other() -> None:
    said = told(three(sums=TWO))
    assert "could work out one another's numbers" in said["Departments"]
    assert "no single" not in said["Departments"]
    assert said["Those who work together"].startswith("Nothing is promised")


def test_colluders_are_counted_and_what_they_leave_too() -> None:
    assert told(three(sums=SECURE))["Those who work together"].startswith("Up to 3 departments")
    one = told(three(sums=replace(SECURE, colluders=1)))["Those who work together"]
    assert one.startswith("A department that told")
    assert "over at least 2 departments" in one
    assert told(three(sums=replace(SECURE, colluders=0)))["Those who work together"].startswith("Nothing")
    assert told(three(sums=replace(SECURE, crowd=1)))["Those who work together"].startswith("Nothing")


@pytest.mark.parametrize("across", ["off", "warn", "enforce"])
def test_every_way_to_look_across_rounds_has_its_sentence(across: str) -> None:
    said = told(three(sums=replace(SECURE, across_rounds=across)))["From round to round"]
    assert ("did not compare" in said) == (across == "off")


def test_declared_hubs_are_not_hidden() -> None:
    clusters = replace(three().settings, coupling=Coupling(kind="clusters"))
    assert "declared in public" in told(three(sums=SECURE, settings=clusters))["Not hidden"]
    assert "declared" not in told(three(sums=SECURE))["Not hidden"]


def test_measurements_that_departments_showed_themselves_are_told() -> None:
    assert "Measurements" in told(three(sums=SECURE))
    totals = [m for m in three().history if m.department == ""]
    assert "Measurements" not in told(three(sums=SECURE, history=totals))


def test_a_simulation_does_not_claim_to_have_hidden_anything_from_whoever_ran_it() -> None:
    for engine in ("inprocess", "flower"):
        assert "could read everything" in told(three(sums=SECURE, engine=engine))["This simulation"]
    assert "This simulation" not in told(three(sums=SECURE, engine="deployed"))


def test_the_protocols_numbers_are_listed_for_an_engineer() -> None:
    drawn = replace(three().settings, rounds=Rounds(participants=6))
    found = dict(facts(three(sums=NOISED, settings=drawn)))
    assert found["Departments, n"] == "10; 6 are drawn to train in each round"
    assert found["May collude, c"] == "3"
    assert found["Smallest sum"] == "over 5 departments"
    assert found["Sums of updates"].startswith("atom mode")
    assert found["Sums of measurements"].startswith("cohort mode")
    assert found["Noise"] == "ε at most 12.4 at δ = 1e-05"
    assert "Noise" not in dict(facts(three(sums=SECURE)))
