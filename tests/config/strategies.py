"""Hypothesis strategies: whole federation files that are right, and values that may make them wrong."""

from __future__ import annotations

import datetime
import math
from typing import Any

from hypothesis import strategies as st

from lepton_fed.config.spelling import folded
from tests.config.example import Tree

WORDS = st.text("abzAZ09 _-.#'\"=[]é市研发部门车间αβ", min_size=1, max_size=12).map(str.strip).filter(bool)
NAMES = WORDS.filter(lambda name: name not in (".", ".."))
SMALL = st.floats(0.001, 100.0)
SHARES = st.floats(0.0, 0.9)
CLASS_METRICS = ("loss", "accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "log_loss")
NUMBER_METRICS = ("loss", "mse", "mae", "r2")
ARGUMENTS = st.dictionaries(
    WORDS,
    st.integers(-100, 100) | SMALL | st.booleans() | WORDS | st.lists(st.integers(0, 9), max_size=3),
    max_size=3,
)


def optional(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    """A table with some of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def names(count: int) -> st.SearchStrategy[list[str]]:
    """That many names of departments that the eye can tell apart."""
    return st.lists(NAMES, min_size=count, max_size=count, unique_by=folded)


@st.composite
def files(draw: st.DrawFn) -> Tree:
    """A federation file that loads."""
    called = draw(names(draw(st.integers(2, 5))))
    departments = [draw(department(name, k)) for k, name in enumerate(called)]
    coupling = draw(couplings())
    labels: list[list[str]] = [["no", "yes"], ["一", "二", "三"]]
    if coupling.get("kind") == "distill":
        # Nobody is a target without rows there, and predictions are probabilities of classes.
        both = {"roles": ["source", "target"]}
        departments = [d | both if "target" in d["roles"] else d for d in departments]
    else:
        labels.append([])
    classes = draw(st.sampled_from(labels))
    tree: Tree = {
        "federation": {"name": draw(WORDS), "purpose": draw(WORDS), "seed": draw(st.integers(0, 2**63 - 1))},
        "departments": departments,
        "sharing": [{"what": "updates", "from": ["*"], "to": ["*"]}],
        "access": [{"what": "updates", "who": ["*"], "action": draw(st.sampled_from(("train", "训练")))}],
        "graph": draw(acyclic(called)),
        "data": draw(contracts(classes)),
        "model": {
            "name": draw(st.sampled_from(("linear", "mlp", "ours.models:build"))),
            "arguments": draw(ARGUMENTS),
        },
        "training": draw(trainings()),
        "rounds": draw(
            optional(count=st.integers(1, 99), participants=st.integers(1, 2), evaluate_every=st.integers(1, 9))
        ),
        "coupling": coupling,
        "weights": draw(weights(departments)),
        "aggregation": draw(aggregations() if coupling.get("kind") == "distill" else aggregations() | packed()),
        "report": draw(reports(NUMBER_METRICS if not classes else CLASS_METRICS)),
    }
    if coupling.get("kind", "average") in ("average", "clusters"):
        tree["server"] = draw(
            optional(optimiser=st.sampled_from(("adam", "yogi", "momentum")), tau=SMALL, learning_rate=SMALL)
        )
    return tree


@st.composite
def department(draw: st.DrawFn, name: str, place: int) -> Tree:
    """The first two are sources and targets, so that somebody always teaches somebody."""
    roles = ["source", "target"] if place < 2 else draw(st.lists(st.sampled_from(("source", "target")), unique=True))
    extra = draw(
        optional(
            description=st.text(max_size=9).filter(_writable),
            label=st.just("标签"),
            file=st.just(f"own/{place}.toml"),
        )
    )
    return {"name": name, "roles": roles} | extra


def _writable(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


@st.composite
def acyclic(draw: st.DrawFn, called: list[str]) -> list[Tree]:
    """Edges from a later department to an earlier one."""
    pairs = [(j, i) for j in range(len(called)) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    return [{"from": called[j], "to": called[i], "needs": draw(WORDS)} for j, i in chosen]


@st.composite
def contracts(draw: st.DrawFn, classes: list[str]) -> Tree:
    label = {"column": "标签", "meaning": draw(WORDS)} | ({"classes": classes} if classes else {})
    rest = draw(
        optional(
            minimum_rows=st.integers(1, 99),
            scale=st.sampled_from(("standard", "none")),
            split=optional(test=SHARES, validation=SHARES, stratify=st.booleans(), seed=st.integers(0, 99)),
        )
    )
    if draw(st.booleans()):
        return {"label": label, "array": {"shape": [1, 8, 8], "range": [0, 255], "scale": draw(SMALL)}} | rest
    columns = [
        {
            "name": "温度",
            "range": [-1, 2.5],
            "missing": draw(st.sampled_from(("refuse", "mean", "indicator"))),
        },
        {"name": "等级", "type": "category", "codes": ["L", "M"], "drop_first": draw(st.booleans())},
    ]
    return {"label": label, "columns": columns} | rest


def couplings() -> st.SearchStrategy[Tree]:
    return st.one_of(
        optional(kind=st.just("average")),
        st.fixed_dictionaries(
            {
                "kind": st.just("proximal"),
                "lambda": SMALL,
                "method": st.sampled_from(("mr-mtl", "ditto", "fedprox")),
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.just("proximal"),
                "lambda": SMALL,
                "method": st.just("pfedme"),
                "inner_steps": st.integers(1, 9),
                "server_mix": st.floats(0.1, 1.0),
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.just("clusters"),
                "hubs": st.integers(1, 2),
                "read": st.just("soft"),
                "temperature": SMALL,
                "reset": st.booleans(),
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.just("distill"),
                "direction": st.sampled_from(("forward", "reverse")),
                "common": st.just({"path": "common.npz"}),
            }
        ),
    )


def trainings() -> st.SearchStrategy[Tree]:
    plain = optional(name=st.just("sgd"), learning_rate=SMALL, momentum=SHARES, weight_decay=SMALL)
    adaptive = st.fixed_dictionaries({"name": st.sampled_from(("adam", "adamw")), "beta1": SHARES, "epsilon": SMALL})
    return st.one_of(
        optional(epochs=st.integers(1, 9), batch=st.integers(1, 99), optimiser=plain),
        optional(steps=st.integers(1, 9), loss=st.just("auto"), optimiser=adaptive),
    )


@st.composite
def weights(draw: st.DrawFn, departments: list[Tree]) -> Tree:
    sources = [d["name"] for d in departments if "source" in d["roles"]]
    targets = [d["name"] for d in departments if "target" in d["roles"]]
    alpha = st.sampled_from(("examples", "uniform")) | st.fixed_dictionaries(dict.fromkeys(sources, SMALL))
    beta = SMALL | st.dictionaries(st.sampled_from(targets), SMALL, min_size=1)
    drawn = draw(optional(alpha=alpha, beta=beta))
    if drawn.get("alpha", "examples") == "examples" and draw(st.booleans()):
        drawn["counts"] = sorted([draw(SMALL), draw(SMALL)])
    return drawn


def aggregations() -> st.SearchStrategy[Tree]:
    numbers = {
        "colluders": st.integers(0, 3),
        "crowd": st.integers(1, 4),
        "crowd_soft": st.floats(1.0, 3.0),
        "clip": SMALL,
        "across_rounds": st.sampled_from(("off", "warn", "enforce")),
    }
    noise = st.fixed_dictionaries({"norm": SMALL, "multiplier": SMALL}, optional={"delta": st.floats(1e-9, 0.1)})
    sees = st.sampled_from(("sums", "nothing"))
    return optional(secure=st.booleans(), **numbers) | optional(**numbers, coordinator_sees=sees, noise=noise)


def packed() -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries(
        {"secure": st.just(False), "transport": st.sampled_from(("float32", "float16", "int8"))}
    )


def reports(metrics: tuple[str, ...]) -> st.SearchStrategy[Tree]:
    return optional(
        metrics=st.lists(st.sampled_from(metrics), min_size=1, unique=True),
        baselines=st.lists(st.sampled_from(("alone", "pooled")), unique=True),
        alone_learning_rates=st.lists(SMALL, max_size=2),
    )


# ---------------------------------------------------------------- what may go wrong

WRONG: tuple[Any, ...] = (
    -1,
    -0.5,
    0,
    math.nan,
    math.inf,
    -math.inf,
    10**30,
    2.5,
    True,
    "",
    " ",
    "x",
    "*",
    "a\nb",
    "\x1b[31m",
    [],
    [[]],
    ["*", "*"],
    {},
    {"x": 1},
    [{}],
    [{"x": {}}],
    datetime.date(2020, 1, 1),
    datetime.time(1, 2),
    ["部门"],
    {"部门": math.nan},
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a tree but its root."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, one in inner for found in ((*path, key), *places(one, (*path, key)))]


def parent(tree: Any, path: tuple[Any, ...]) -> Any:
    """The table or list that holds the value at `path`."""
    for key in path[:-1]:
        tree = tree[key]
    return tree
