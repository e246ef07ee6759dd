"""What made a model is collected from the log: who, which code, which contracts, which policies, how much ε."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lepton_fed.audit import Decided, Entry, ModelMade, Openings, Planned, Provenance, Released, Spent, Survived, prove
from lepton_fed.audit.provenance import Epsilon
from lepton_fed.errors import ConfigError
from tests.audit.example import MEMBERS, RUN, at, begun, decided, entries, records, sha

MODEL = sha("model.safetensors")


def proved(made: list[Entry], model: bytes = MODEL) -> tuple[Provenance, ...]:
    return prove(records([entry.body for entry in made]), model)


def test_a_model_is_told_by_whom_with_what_and_at_which_cost() -> None:
    (found,) = proved(entries(Openings()))
    assert (found.run, found.federation, found.status, found.targets) == (RUN, "制造", "finished", ("研发部门",))
    assert found.departments == tuple((name, 1) for name in MEMBERS[:2])
    assert dict(found.code) == {"lepton_fed": sha("program"), "mlp": sha("model code")}
    assert dict(found.contracts) == {"生产线数据": sha("contract")}
    assert dict(found.policies) == {name: sha(f"policy of {name}") for name in MEMBERS}
    assert found.rosters == (sha("roster"),)
    assert found.allowed == 1
    assert found.refused == ("生产车间 to 研发部门: 训练 生产线数据 (default deny)",)
    assert found.epsilon == (Epsilon("生产车间", "生产线数据", 250_000, 1_750_000, 1e-5),)
    # Membership and calls belong to no run of ours.
    assert found.entries == (1, 2, 3, 5, 6, 7, 8, 9, 10)


def test_it_is_found_by_the_digest_of_its_parameters_as_well() -> None:
    (found,) = proved(entries(Openings()), sha("vector"))
    assert found.model == sha("vector")


def test_a_person_can_read_it() -> None:
    (found,) = proved(entries(Openings()))
    assert found.text == "\n".join(
        [
            f"model {MODEL.hex()} of 研发部门",
            "  made in round 1 of run run-1, 2026-01-02 12:00:07 UTC; the run began 2026-01-02 12:00:00 UTC: finished",
            f"  federation 制造, its file {sha('federation.toml').hex()}",
            "  purpose 预测设备故障",
            "who",
            *(f"  {name}, in 1 round" for name in MEMBERS[:2]),
            "code",
            f"  lepton_fed {sha('program').hex()}",
            f"  mlp {sha('model code').hex()}",
            "data contracts",
            f"  生产线数据 {sha('contract').hex()}",
            "policies",
            *(f"  {name} {sha(f'policy of {name}').hex()}" for name in MEMBERS),
            "decisions",
            "  1 allowed, 1 refused",
            "  refused by 生产车间 to 研发部门: 训练 生产线数据 (default deny)",
            "ε",
            "  生产车间, 生产线数据: 0.25 for this model, 1.75 in all, at δ 1e-05",
            "from 9 entries of the log, 1 to 10",
        ]
    )


def test_what_came_after_the_model_or_in_another_run_is_not_its_own() -> None:
    openings = Openings()
    first = entries(openings)
    later: list[Entry] = [
        Released(at(20), RUN, 2, 1, sha("plan"), "model", "all", MEMBERS, sha("sum")),
        Spent(at(21), RUN, 2, "生产车间", "生产线数据", 1, 1_750_001, 1e-5, sha("gaussian")),
        begun(openings, "run-2"),
        decided(openings, 22, False, "run-2"),
    ]
    assert proved([*first, *later]) == proved(first)


def test_rounds_and_epsilon_add_up_and_attempts_do_not_count_twice() -> None:
    openings = Openings()
    made: list[Entry] = [begun(openings)]
    total = 0
    for number in (1, 2, 3):
        for attempt in (1, 2):
            made.append(Planned(at(0), RUN, number, attempt, sha("p"), sha("r"), sha("m"), MEMBERS, 2))
            made.append(Survived(at(0), RUN, number, attempt, sha("p"), MEMBERS, sha("s")))
        for cohort in ("a", "b"):
            made.append(Released(at(0), RUN, number, 2, sha("p"), "model", cohort, MEMBERS[:2], sha("x")))
        total += 100_000 * number
        made.append(Spent(at(0), RUN, number, MEMBERS[0], "表", 100_000 * number, total, 1e-6, sha("g")))
    made.append(ModelMade(at(9), RUN, 3, "研发部门", MODEL, sha("vector")))
    (found,) = proved(made)
    assert found.departments == tuple((name, 3) for name in MEMBERS[:2])
    assert found.epsilon == (Epsilon(MEMBERS[0], "表", 600_000, 600_000, 1e-6),)
    assert found.status == "running"
    plain = [entry for entry in made if not isinstance(entry, Released)]
    assert proved(plain)[0].departments == tuple((name, 3) for name in MEMBERS)


def test_a_resumed_run_names_every_version_that_it_was_made_with() -> None:
    openings = Openings()
    other = replace(begun(openings), code=(("lepton_fed", sha("newer")),))
    changed = replace(decided(openings, 1, True), policy=sha("new policy"))
    made = [begun(openings), other, changed, ModelMade(at(9), RUN, 1, "研发部门", MODEL, sha("vector"))]
    (found,) = proved(made)
    assert [name for name, _ in found.code] == ["lepton_fed", "lepton_fed", "mlp"]
    assert ("生产车间", sha("new policy")) in found.policies
    assert ("生产车间", sha("policy of 生产车间")) in found.policies


def test_a_model_that_two_runs_made_is_told_of_both_and_one_of_two_targets_of_both() -> None:
    openings = Openings()
    model = ModelMade(at(9), RUN, 1, "研发部门", MODEL, sha("vector"))
    made = [
        begun(openings),
        model,
        replace(model, target="生产车间"),
        begun(openings, "run-2"),
        replace(model, run="run-2"),
    ]
    one, two = proved(made)
    assert (one.run, one.targets) == (RUN, ("生产车间", "研发部门"))
    assert (two.run, two.targets) == ("run-2", ("研发部门",))


def test_a_model_that_the_log_does_not_know_is_told() -> None:
    with pytest.raises(ConfigError, match=f"no entry of the log names a model {bytes(32).hex()}"):
        proved(entries(Openings()), bytes(32))
    with pytest.raises(ConfigError, match="not the beginning of its run"):
        proved([ModelMade(at(9), RUN, 1, "研发部门", MODEL, sha("vector"))])


def test_what_a_department_tells_with_the_next_head_is_about_the_model_before_it() -> None:
    openings = Openings()
    whole = entries(openings)
    told = [entry for entry in whole if isinstance(entry, Decided | Spent)]
    (late,) = proved([*(entry for entry in whole if entry not in told), *told])
    (early,) = proved(whole)
    assert (late.allowed, late.refused, late.epsilon) == (early.allowed, early.refused, early.epsilon)


def test_sums_that_only_measure_make_no_model() -> None:
    measured = Released(at(5), RUN, 1, 1, sha("plan"), "measurements", "departments", MEMBERS, sha("sum"))
    (whole,) = proved([*entries(Openings())[:8], measured, *entries(Openings())[8:]])
    assert whole.departments == tuple((name, 1) for name in MEMBERS[:2])
