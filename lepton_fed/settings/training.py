"""How models are trained and pulled towards each other.

`[training]`, `[rounds]`, `[coupling]`, `[weights]`, `[server]`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from lepton_fed.settings.basis import Strict, negative, not_positive, outside, require, too_small
from lepton_fed.translation import Sentence, sentence


@dataclass(frozen=True, kw_only=True)
class Optimiser(Strict):
    """`[training.optimiser]`: a department's local optimiser."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_biases: bool = True
    """Whether weight decay also acts on parameters of fewer than two dimensions (biases, norm scales)."""
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    keep: bool = True
    """Momentum and moments last from round to round at the department; false starts them afresh every round."""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, not_positive("training.optimiser: learning_rate", self.learning_rate))
        require(0 <= self.momentum < 1, outside("training.optimiser: momentum", self.momentum, "[0, 1)"))
        require(self.weight_decay >= 0, negative("training.optimiser: weight_decay", self.weight_decay))
        require(self.epsilon > 0, not_positive("training.optimiser: epsilon", self.epsilon))
        require(
            0 <= self.beta1 < 1 and 0 <= self.beta2 < 1,
            sentence("training.optimiser: beta1 and beta2 must be in [0, 1)"),
        )
        require(
            self.name == "sgd" or not (self.momentum or self.nesterov),
            sentence("training.optimiser: momentum belongs to sgd"),
        )
        require(not self.nesterov or self.momentum > 0, sentence("training.optimiser: nesterov needs momentum"))


@dataclass(frozen=True, kw_only=True)
class Training(Strict):
    """`[training]`: what a department does in one round. `steps` go on through the data across rounds."""

    loss: str = "auto"
    """`auto` (from the label), `binary_cross_entropy`, `cross_entropy`, `mse`, `huber`, or `module:callable`."""
    epochs: int | None = None
    steps: int | None = None
    batch: int = 32
    optimiser: Optimiser = field(default_factory=Optimiser)
    correction: Literal["none", "scaffold"] = "none"
    """`scaffold`: control variates against client drift (Karimireddy et al. 2020)."""

    def __post_init__(self) -> None:
        require(self.epochs is None or self.steps is None, sentence("training: give epochs or steps, not both"))
        require(self.epochs is None or self.epochs >= 1, too_small("training: epochs", self.epochs))
        require(self.steps is None or self.steps >= 1, too_small("training: steps", self.steps))
        require(self.batch >= 1, too_small("training: batch", self.batch))
        plain = self.optimiser.name == "sgd" and not self.optimiser.momentum
        require(
            self.correction == "none" or plain,
            sentence("training: scaffold needs sgd without momentum (its update of c assumes it)"),
        )


@dataclass(frozen=True, kw_only=True)
class Rounds(Strict):
    """`[rounds]`: how many, who takes part in each, how often models are evaluated."""

    count: int = 20
    participants: int | None = None
    """Departments drawn per round; default: all of them."""
    evaluate_every: int = 1
    deadline: int = 3600
    """Seconds that one exchange with departments may take; in a simulation nobody is late."""

    def __post_init__(self) -> None:
        require(
            self.deadline >= 1,
            sentence("rounds: deadline must be at least 1 second, not {deadline}", deadline=self.deadline),
        )
        require(self.count >= 1, too_small("rounds: count", self.count))
        require(
            self.participants is None or self.participants >= 1, sentence("rounds: participants must be at least 1")
        )
        require(self.evaluate_every >= 1, sentence("rounds: evaluate_every must be at least 1"))


@dataclass(frozen=True, kw_only=True)
class CommonSet(Strict):
    """`[coupling.common]`: the unlabelled examples that all departments predict on under `distill`."""

    path: str
    """`.csv`, `.parquet` (the contract's columns) or `.npz` (array `x`), relative to the federation file."""


@dataclass(frozen=True, kw_only=True)
class Coupling(Strict):
    """`[coupling]`: how the departments' models pull on one another (docs/mathematics.md)."""

    kind: Literal["average", "proximal", "clusters", "distill"] = "average"
    lambda_: float = 1.0
    """Strength of the pull; `average` ignores it (it is the limit of an infinite one)."""
    method: Literal["mr-mtl", "ditto", "pfedme", "fedprox"] = "mr-mtl"
    """`proximal` only: what is uploaded, and from where a round starts."""
    inner_steps: int = 5
    """`pfedme` only: gradient steps on each batch's proximal problem (K of the paper)."""
    server_mix: float = 1.0
    """`pfedme` only: the server's mixing (beta of the paper)."""
    hubs: int = 2
    """`clusters` only: m, the number of hubs."""
    read: Literal["hard", "soft"] = "hard"
    """`clusters` only: `hard` reads the best hub (IFCA), `soft` a softmax mixture."""
    temperature: float = 1.0
    """`clusters` with soft reading: tau of the softmax; `distill`: of the predictions."""
    freeze: int = 1
    """`clusters` only: a declared hub stays fixed for this many rounds."""
    reset: bool = True
    """`clusters` only: start each round from what was read (beta infinite) rather than pull towards it."""
    direction: Literal["forward", "reverse"] = "forward"
    """`distill` only: forward KL(p_i || p_j), from probabilities; reverse KL(p_j || p_i), from log-probabilities."""
    common: CommonSet | None = None
    """`distill` only, and needed there."""

    def __post_init__(self) -> None:
        require(self.lambda_ >= 0, negative("coupling: lambda", self.lambda_))
        require(self.inner_steps >= 1, sentence("coupling: inner_steps must be at least 1"))
        require(0 < self.server_mix <= 1, outside("coupling: server_mix", self.server_mix, "(0, 1]"))
        require(self.hubs >= 1, too_small("coupling: hubs", self.hubs))
        require(self.temperature > 0, not_positive("coupling: temperature", self.temperature))
        require(self.freeze >= 1, sentence("coupling: freeze must be at least 1"))
        require(
            (self.kind == "distill") == (self.common is not None),
            sentence("coupling: distill needs [coupling.common], and only distill has it"),
        )


@dataclass(frozen=True, kw_only=True)
class Weights(Strict):
    """`[weights]`: alpha weighs the sources of each target, beta how strongly each target is pulled."""

    alpha: Literal["examples", "uniform"] | dict[str, float] = "examples"
    """`examples`: each source's own count, known to it alone; `uniform`; or a number per source by name."""
    beta: float | dict[str, float] = 1.0
    """One number, or a number per target by name (missing names take 1)."""
    counts: tuple[float, float] | None = None
    """`examples` only: the public band [smallest, largest] that a count is brought into before it weighs.

    Secure sums need it: the band is all that anybody learns of the counts, and bounds how much one source weighs.
    """

    def __post_init__(self) -> None:
        if self.counts is not None:
            low, high = self.counts
            require(self.alpha == "examples", sentence("weights: counts belong to alpha = 'examples', and only to it"))
            require(
                0 < low <= high,
                sentence(
                    "weights: counts must be [smallest, largest], both positive: {counts}", counts=list(self.counts)
                ),
            )
        if isinstance(self.alpha, dict):
            check_weights("alpha", self.alpha)
        if isinstance(self.beta, dict):
            check_weights("beta", self.beta)
        else:
            check_weights("beta", {"beta": self.beta})
            require(self.beta > 0, _nobody("beta"))
        if isinstance(self.alpha, dict):
            require(any(w > 0 for w in self.alpha.values()), _nobody("alpha"))


def _nobody(key: str) -> Sentence:
    return sentence("weights: {key} is zero for everybody, so nobody would learn from anybody", key=key)


def check_weights(name: str, table: dict[str, float]) -> None:
    for key, value in table.items():
        require(
            math.isfinite(value) and value >= 0,
            sentence(
                "weights: {name} of {key!r} must be a number of at least 0, not {value}",
                name=name,
                key=key,
                value=value,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ServerOptimiser(Strict):
    """`[server]`: what the coordinator does with a mean update (Reddi et al. 2021; FedAvgM: Hsu et al. 2019)."""

    optimiser: Literal["none", "momentum", "adam", "yogi", "adagrad"] = "none"
    learning_rate: float = 1.0
    momentum: float = 0.9
    beta2: float = 0.999
    tau: float = 1e-8
    """Added to the square root of the second moment."""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, not_positive("server: learning_rate", self.learning_rate))
        require(
            0 <= self.momentum < 1 and 0 <= self.beta2 < 1, sentence("server: momentum and beta2 must be in [0, 1)")
        )
        require(self.tau > 0, sentence("server: tau must be positive"))
