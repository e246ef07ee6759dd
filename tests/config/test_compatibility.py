"""Settings that do not fit each other are refused, and those that do are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from lepton_fed.config import Federation, compatibility
from lepton_fed.errors import ConfigError
from lepton_fed.models import BUILT_IN as MODELS
from lepton_fed.settings import METRICS
from lepton_fed.training.losses import BUILT_IN as LOSSES
from tests.config.example import Tree, distilling, valid
from tests.speaking import told_in_chinese

NUMBER = {"column": "Target", "meaning": "wear in micrometres"}
COMMON = {"path": "common.npz"}


def parse(tree: Tree) -> Federation:
    return Federation.parse(tomli_w.dumps(tree), Path("f.toml"))


def proximal(method: str, **keys: Any) -> Tree:
    return {"kind": "proximal", "method": method} | keys


def labelled(label: Tree, **tables: Any) -> Tree:
    return valid(data={"label": label, "columns": [{"name": "温度"}]}, **({"report": {}} | tables))


def classes(*names: str) -> Tree:
    return {"column": "Target", "meaning": "what it is", "classes": list(names)}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (
            valid(coupling={"hubs": 3}),
            "coupling.hubs belongs to clusters, and this coupling is average; take it out",
        ),
        (
            valid(coupling={"method": "ditto"}),
            "coupling.method belongs to proximal, and this coupling is average",
        ),
        (
            valid(coupling=proximal("ditto", inner_steps=2)),
            "coupling.inner_steps belongs to proximal (pfedme)",
        ),
        (
            valid(coupling={"kind": "clusters", "temperature": 0.5}),
            "or to clusters with soft reading, and this coupling is clusters with hard",
        ),
        (
            valid(coupling={"kind": "clusters", "direction": "reverse"}),
            "coupling.direction belongs to distill",
        ),
        (
            valid(coupling={"common": COMMON}),
            "coupling: distill needs [coupling.common], and only distill has it",
        ),
        (valid(coupling={"kind": "distill"}), "coupling: distill needs [coupling.common]"),
        (
            valid(coupling=proximal("pfedme", **{"lambda": 0})),
            "coupling.lambda is 0, and pfedme divides by it",
        ),
        (valid(coupling={"kind": "clusters", "hubs": 3}), "coupling.hubs is 3 for 2 sources"),
        (valid(rounds={"participants": 4}), "rounds.participants draws 4 departments, and 3 take part"),
        (
            valid(model={"name": "mpl"}),
            "is 'mpl', and must be one of linear, mlp, cnn, or written module:callable; did you mean 'mlp'?",
        ),
        (valid(model={"name": "ours:"}), "model.name is 'ours:', and must be one of"),
        (
            valid(training={"loss": "mse"}),
            "training.loss is 'mse', which needs a number as label, and [data.label] has 2 classes",
        ),
        (
            valid(training={"loss": "cross_entropy"}),
            "needs more than two classes, and [data.label] has 2 classes",
        ),
        (
            labelled(NUMBER, training={"loss": "binary_cross_entropy"}),
            "needs two classes, and [data.label] lists no classes",
        ),
        (valid(training={"loss": "mea"}), "training.loss is 'mea', and must be one of auto"),
        (
            valid(report={"metrics": ["auc", "r2"]}),
            "report.metrics: 'r2' needs a number as label, and [data.label] has 2 classes",
        ),
        (
            labelled(NUMBER, report={"metrics": ["auc"]}),
            "'auc' needs classes, and [data.label] lists no classes; there are loss, mse, mae, r2",
        ),
        (
            valid(coupling=proximal("ditto"), training={"correction": "scaffold"}),
            "'scaffold', which needs the coupling average, not proximal (ditto)",
        ),
        (
            valid(coupling=proximal("mr-mtl"), server={"optimiser": "adam"}),
            "server.optimiser is 'adam', but the mean of the departments' own models is an anchor",
        ),
        (
            valid(coupling=proximal("pfedme"), server={"optimiser": "yogi"}),
            "the anchor is moved by coupling.server_mix",
        ),
        (
            valid(coupling={"kind": "distill", "common": COMMON}, server={"optimiser": "momentum"}),
            "averages predictions",
        ),
        (
            valid(
                coupling={"kind": "distill", "common": COMMON}, aggregation={"secure": False, "transport": "float16"}
            ),
            "aggregation.transport is 'float16', but distill sends predictions, and no update; take it out",
        ),
        (
            valid(departments=[{"name": "甲", "roles": ["target"]}], graph=[], sharing=[], access=[]),
            "no department is a source",
        ),
        (
            valid(departments=[{"name": "甲", "roles": ["source"]}], graph=[], sharing=[], access=[]),
            "no department is a target",
        ),
        (
            valid(departments=[{"name": "甲", "label": "温度"}, {"name": "乙"}], graph=[], sharing=[], access=[]),
            "the label of '甲', '温度', is also a feature",
        ),
        (
            valid(
                departments=[{"name": "甲", "model": {"name": "cnn"}}, {"name": "乙"}],
                graph=[],
                sharing=[],
                access=[],
            ),
            "'甲' has a model of its own, which only the coupling distill can join",
        ),
    ],
)
def test_a_misfit_is_refused_with_its_reason(tree: Tree, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(tree)
    assert said in str(caught.value)
    told_in_chinese(caught.value)


@pytest.mark.parametrize(
    "tree",
    [
        valid(coupling={"lambda": 3}),
        valid(coupling={"hubs": 2, "method": "mr-mtl", "temperature": 1.0}),
        valid(coupling=proximal("ditto", **{"lambda": 0}), server={"optimiser": "adam"}),
        valid(coupling=proximal("fedprox"), server={"optimiser": "adagrad"}),
        valid(coupling={"kind": "clusters", "read": "soft", "temperature": 0.2}, server={"optimiser": "yogi"}),
        valid(training={"correction": "scaffold"}, server={"optimiser": "momentum"}),
        valid(training={"loss": "ours.losses:focal"}),
        valid(model={"name": "ours.models:build"}),
        valid(rounds={"participants": 3}),
        labelled(NUMBER, training={"loss": "huber"}, report={"metrics": ["r2", "loss", "mse", "mae"]}),
        labelled(classes("a", "b", "c"), training={"loss": "cross_entropy"}, report={"metrics": ["auc", "f1"]}),
    ],
)
def test_what_fits_is_accepted(tree: Tree) -> None:
    parse(tree)


def test_distill_refuses_a_target_without_rows_and_a_label_without_classes() -> None:
    tree = distilling()
    tree["departments"][2]["roles"] = ["target"]
    with pytest.raises(ConfigError, match="the target '研发部门' gives no rows"):
        parse(tree)
    tree = distilling()
    del tree["data"]["label"]["classes"]
    tree["report"]["metrics"] = ["loss"]
    with pytest.raises(ConfigError, match="joins probabilities of classes"):
        parse(tree)


def test_a_server_learning_rate_is_refused_where_there_is_no_update() -> None:
    with pytest.raises(ConfigError, match=r"server\.learning_rate is 0\.5"):
        parse(valid(coupling={"kind": "proximal"}, server={"learning_rate": 0.5}))


def test_a_target_may_be_spared_the_pull_but_not_all_of_them() -> None:
    parse(valid(weights={"beta": {"生产车间": 0.0}}))
    with pytest.raises(ConfigError, match="beta is zero for everybody"):
        parse(valid(weights={"beta": dict.fromkeys(("生产车间", "质检部门", "研发部门"), 0.0)}))


def test_a_department_may_have_its_own_model_under_distill() -> None:
    tree = distilling()
    tree["departments"][0]["model"] = {"name": "linear"}
    parse(tree)


def test_the_built_in_names_are_those_that_can_be_built() -> None:
    assert set(compatibility.MODELS) == set(MODELS)
    assert set(compatibility.LOSSES) == {"auto", *LOSSES}
    assert {"loss", *compatibility.FOR_CLASSES, *compatibility.FOR_NUMBERS} == set(METRICS)
