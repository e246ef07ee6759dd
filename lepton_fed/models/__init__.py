"""Built-in models by name, and how a model of the federation file is built.

`build` draws the initial values from the seed it is given, so that every department and the coordinator begin
with the same model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lepton_fed.code import load_callable
from lepton_fed.errors import ConfigError
from lepton_fed.models.entities import WithVectors
from lepton_fed.settings import DataContract, ModelSettings


def linear(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """Linear or logistic regression."""
    layer = nn.Linear(_width(inputs), outputs)
    return layer if len(inputs) == 1 else nn.Sequential(nn.Flatten(), layer)


def mlp(inputs: tuple[int, ...], outputs: int, hidden: tuple[int, ...] = (32,), dropout: float = 0.0) -> nn.Module:
    """Fully connected layers with ReLU between them; the last one is called `head`."""
    model = nn.Sequential()
    if len(inputs) > 1:
        model.add_module("flatten", nn.Flatten())
    for k, (a, b) in enumerate(itertools.pairwise((_width(inputs), *hidden))):
        model.add_module(f"layer{k + 1}", nn.Linear(a, b))
        model.add_module(f"relu{k + 1}", nn.ReLU())
        if dropout:
            model.add_module(f"dropout{k + 1}", nn.Dropout(dropout))
    model.add_module("head", nn.Linear(hidden[-1] if hidden else _width(inputs), outputs))
    return model


def cnn(
    inputs: tuple[int, ...], outputs: int, channels: tuple[int, ...] = (16, 32), kernel: int = 5, norm: bool = False
) -> nn.Module:
    """Convolution, ReLU, 2x2 max pooling per entry of `channels`; `norm` adds BatchNorm layers called `norm<k>`."""
    depth, height, width = inputs
    model = nn.Sequential()
    for k, (a, b) in enumerate(itertools.pairwise((depth, *channels))):
        model.add_module(f"conv{k + 1}", nn.Conv2d(a, b, kernel, padding=kernel // 2))
        if norm:
            model.add_module(f"norm{k + 1}", nn.BatchNorm2d(b))
        model.add_module(f"relu{k + 1}", nn.ReLU())
        model.add_module(f"pool{k + 1}", nn.MaxPool2d(2))
    model.add_module("flatten", nn.Flatten())
    shrunk = 2 ** len(channels)
    model.add_module("head", nn.Linear(channels[-1] * (height // shrunk) * (width // shrunk), outputs))
    return model


BUILT_IN: dict[str, Callable[..., nn.Module]] = {f.__name__: f for f in (linear, mlp, cnn)}


def build(settings: ModelSettings, contract: DataContract, seed: int, allowed: tuple[str, ...] = ()) -> nn.Module:
    """The model of the federation file, float32 on the CPU, initial values from `seed`.

    A `module:callable` is called as `callable(inputs, outputs, **arguments)`: `inputs` is the shape of one
    example, `outputs` the width of the output. With [knowledge], `inputs` are the plain columns' and the gated features
    of the vectors, and the model is inside one that gates them. ConfigError in one sentence if that fails.
    """
    maker = BUILT_IN.get(settings.name) or load_callable(settings.name, "model.name", BUILT_IN, allowed)
    arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.arguments.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = _made(maker, contract, arguments)
        except Exception as error:
            # Others' code may fail in any way; a message of several lines is torch's, and the first one says it.
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ConfigError(f"model: {settings.name!r} cannot be built with {arguments}: {said}") from None
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model: {settings.name!r} must return a torch.nn.Module, not {type(model).__name__}")
    return model


def _made(maker: Callable[..., nn.Module], contract: DataContract, arguments: dict[str, Any]) -> nn.Module:
    join = contract.entities
    if join is None:
        return maker(contract.features, contract.outputs, **arguments)
    columns = len(join.columns)
    model = maker((contract.plain + columns * join.size,), contract.outputs, **arguments)
    # What is no module has no place in another; `build` says so.
    return WithVectors(model, contract.plain, columns, join.width, join.size) if isinstance(model, nn.Module) else model


def _width(inputs: tuple[int, ...]) -> int:
    width = 1
    for n in inputs:
        width *= n
    return width
