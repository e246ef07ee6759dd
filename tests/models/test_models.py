"""Built-in models have the shapes they promise; building is seeded and its failures are one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lepton_fed.config.compatibility import LOSSES, MODELS
from lepton_fed.errors import ConfigError
from lepton_fed.models import BUILT_IN, build
from lepton_fed.settings import ArrayShape, Column, DataContract, Label, ModelSettings
from lepton_fed.training import losses


def contract(shape: tuple[int, ...], classes: int = 2) -> DataContract:
    label = Label(meaning="m", classes=tuple(str(k) for k in range(classes)))
    if len(shape) == 1:
        return DataContract(label=label, columns=tuple(Column(name=f"x{k}") for k in range(shape[0])))
    return DataContract(label=label, array=ArrayShape(shape=shape))


def settings(name: str, **arguments: Any) -> ModelSettings:
    return ModelSettings(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("chosen", "shape"),
    [
        (settings("linear"), (4,)),
        (settings("linear"), (1, 3, 3)),
        (settings("mlp"), (4,)),
        (settings("mlp", hidden=[8, 3], dropout=0.2), (4,)),
        (settings("mlp", hidden=[]), (4,)),
        (settings("mlp", hidden=[8]), (1, 3, 3)),
        (settings("cnn"), (1, 28, 28)),
        (settings("cnn", channels=[4], kernel=3, norm=True), (2, 9, 12)),
    ],
)
@pytest.mark.parametrize(("classes", "outputs"), [(0, 1), (2, 1), (5, 5)])
def test_a_built_in_model_takes_a_batch_of_examples(
    chosen: ModelSettings, shape: tuple[int, ...], classes: int, outputs: int
) -> None:
    model = build(chosen, contract(shape, classes), 1)
    assert model(torch.randn(3, *shape)).shape == (3, outputs)


def test_names_of_layers_are_what_patterns_are_written_for() -> None:
    mlp = build(settings("mlp", hidden=[8, 3]), contract((4,)), 1)
    assert [n for n, _ in mlp.named_parameters()] == [
        f"{layer}.{part}" for layer in ("layer1", "layer2", "head") for part in ("weight", "bias")
    ]
    cnn = build(settings("cnn", norm=True), contract((1, 8, 8)), 1)
    names = {n.split(".")[0] for n in cnn.state_dict()}
    assert names == {"conv1", "norm1", "conv2", "norm2", "head"}


def test_the_seed_decides_the_initial_values_and_nothing_else_moves() -> None:
    before = torch.get_rng_state()

    def flat(seed: int) -> Tensor:
        return torch.cat([p.reshape(-1) for p in build(settings("mlp"), contract((4,)), seed).parameters()])

    assert torch.equal(flat(1), flat(1))
    assert not torch.equal(flat(1), flat(2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("chosen", "shape", "message"),
    [
        (settings("mlp", hiden=[8]), (4,), "model: 'mlp' cannot be built with {'hiden': .*hiden"),
        (settings("cnn"), (4,), "model: 'cnn' cannot be built"),
        (settings("mlp", hidden=["x"]), (4,), "model: 'mlp' cannot be built"),
        (settings("lineer"), (4,), r"model.name: 'lineer' is not built in \(cnn, linear, mlp\)"),
        (settings("torch.nn:Linear"), (4,), "code of module 'torch.nn' is not allowed here"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(chosen: ModelSettings, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(chosen, contract(shape), 1)


def made_elsewhere(inputs: tuple[int, ...], outputs: int, width: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs[0], width), nn.Linear(width, outputs))


def no_module(inputs: tuple[int, ...], outputs: int) -> int:
    return 3


def test_a_callable_of_an_allowed_module_is_called_with_shape_width_and_arguments() -> None:
    model = build(settings(f"{__name__}:made_elsewhere", width=7), contract((4,)), 1, (__name__,))
    assert model(torch.randn(3, 4)).shape == (3, 1)
    assert sum(p.numel() for p in model.parameters()) == 4 * 7 + 7 + 7 + 1
    with pytest.raises(ConfigError, match=r"must return a torch\.nn\.Module, not int"):
        build(settings(f"{__name__}:no_module"), contract((4,)), 1, (__name__,))


def test_every_built_in_model_is_known_to_the_federation_files_check() -> None:
    assert set(MODELS) == set(BUILT_IN)
    assert set(LOSSES) - {"auto"} == set(losses.BUILT_IN)
