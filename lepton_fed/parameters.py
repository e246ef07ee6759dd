"""A model whose parameters live in one contiguous vector, of which its tensors and gradients are views.

    vector = [ shared buffers | shared parameters | private parameters | private buffers ]
               <---------- shared, leaves ------->  <--------- private, stays ---------->
                               <---------- trainable ---------->

Both what is shared and what is trained are one slice, so a step of SGD is one operation, an update is one
subtraction, and a message is the slice as it is. Buffers that are not floating point (BatchNorm's counter)
stay outside, at home.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from lepton_fed.errors import ConfigError


@dataclass(frozen=True)
class Slot:
    """One tensor's place in the vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    shared: bool
    trained: bool

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size


@dataclass(frozen=True)
class Layout:
    """Names, shapes and dtype of a vector. Both sides of a message compare `digest` of what is shared."""

    slots: tuple[Slot, ...]
    dtype: str

    @property
    def size(self) -> int:
        return sum(s.size for s in self.slots)

    @property
    def shared_size(self) -> int:
        """Length of the part that leaves the department."""
        return sum(s.size for s in self.slots if s.shared)

    @property
    def trained(self) -> slice:
        """Where the parameters are; the rest are buffers."""
        start = sum(s.size for s in self.slots if s.shared and not s.trained)
        return slice(start, start + sum(s.size for s in self.slots if s.trained))

    @property
    def digest(self) -> str:
        """SHA-256 of what is shared: names, shapes, dtype, order."""
        shared = [(s.name, s.shape) for s in self.slots if s.shared]
        return hashlib.sha256(json.dumps([self.dtype, shared], ensure_ascii=False).encode()).hexdigest()


class FlatModel:
    """A module on a device, its floating-point tensors gathered into `vector` and their gradients into `gradient`.

    `vector`: (layout.size,) and `gradient`: (trainable size,), both of the module's dtype, on its device.
    """

    def __init__(self, module: nn.Module, shared: Iterable[str] = ("*",), private: Iterable[str] = ()) -> None:
        tensors = _tensors(module)
        self.layout = _layout(module, tensors, tuple(shared), tuple(private))
        self.module = module
        self.vector = torch.cat([tensors[s.name].detach().reshape(-1) for s in self.layout.slots])
        self.gradient = torch.zeros_like(self.vector[self.layout.trained])
        self._become_views(tensors)
        self.shared = self.vector[: self.layout.shared_size]
        self.private = self.vector[self.layout.shared_size :]
        self.trained = self.vector[self.layout.trained]
        self.pulled = self.parameters_of(self.shared)
        """Shared parameters, without shared buffers: what a penalty acts on."""
        self.buffers = {n: b for n, b in module.named_buffers() if not b.is_floating_point()}
        self.initial = self.vector.clone()
        self.initial_private = self.initial[self.layout.shared_size :]
        self.initial_buffers = {n: b.clone() for n, b in self.buffers.items()}

    def _become_views(self, tensors: dict[str, Tensor]) -> None:
        offset = self.layout.trained.start
        for slot in self.layout.slots:
            place = slice(slot.start, slot.start + slot.size)
            tensor = tensors[slot.name]
            tensor.data = self.vector[place].view(slot.shape)
            if slot.trained:
                tensor.grad = self.gradient[place.start - offset : place.stop - offset].view(slot.shape)

    def parameters_of(self, shared: Tensor) -> Tensor:
        """The view of a shared vector (shared size, ...) that leaves out the shared buffers in front."""
        return shared[self.layout.trained.start : self.layout.shared_size]

    def matrices(self) -> Tensor:
        """(trainable size,): 1 for parameters of two dimensions or more, 0 for biases and norm scales."""
        kinds = [torch.full((s.size,), float(len(s.shape) > 1)) for s in self.layout.slots if s.trained]
        return torch.cat(kinds).to(self.vector)

    def tensors(self) -> dict[str, Tensor]:
        """Copies as in the module's state dict, which takes them back: private parts and tied names included."""
        return {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}


def shared_of(module: nn.Module, shared: Iterable[str] = ("*",), private: Iterable[str] = ()) -> tuple[Tensor, Layout]:
    """What a FlatModel of this module begins with and shares, (layout.shared_size,), for whoever only sums it."""
    tensors = _tensors(module)
    layout = _layout(module, tensors, tuple(shared), tuple(private))
    return torch.cat([tensors[s.name].detach().reshape(-1) for s in layout.slots if s.shared]), layout


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Floating-point parameters and buffers by name; a parameter used twice counts once."""
    found: dict[str, Tensor] = dict(module.named_parameters())
    found |= {n: b for n, b in module.named_buffers() if b.is_floating_point()}
    if not any(isinstance(t, nn.Parameter) and t.requires_grad for t in found.values()):
        raise ConfigError("the model has no parameters to train")
    kinds = {(t.dtype, t.device) for t in found.values()}
    if len(kinds) > 1:
        raise ConfigError(
            f"the model mixes dtypes or devices ({sorted(str(d) for d, _ in kinds)}); use one for all of it"
        )
    return found


def _layout(module: nn.Module, tensors: dict[str, Tensor], shared: tuple[str, ...], private: tuple[str, ...]) -> Layout:
    trained = {n for n, p in module.named_parameters() if p.requires_grad}
    leaves = {n for n in tensors if _matches(n, shared) and not _matches(n, private)}
    _check_patterns(tensors, trained, leaves, shared, private)
    order = sorted(tensors, key=lambda n: _section(n in leaves, n in trained))
    slots, start = [], 0
    for name in order:
        slot = Slot(name, tuple(tensors[name].shape), start, name in leaves, name in trained)
        slots.append(slot)
        start += slot.size
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    return Layout(tuple(slots), dtype)


def _section(shared: bool, trained: bool) -> int:
    """Place in the picture at the top of this file; sorting is stable, so the module's order holds inside."""
    return {(True, False): 0, (True, True): 1, (False, True): 2, (False, False): 3}[shared, trained]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, p) for p in patterns)


def _check_patterns(
    tensors: dict[str, Tensor], trained: set[str], leaves: set[str], shared: tuple[str, ...], private: tuple[str, ...]
) -> None:
    known = ", ".join(list(tensors)[:8]) + (", …" if len(tensors) > 8 else "")
    for kind, patterns in (("shared", shared), ("private", private)):
        for pattern in patterns:
            if not any(fnmatchcase(n, pattern) for n in tensors):
                raise ConfigError(f"model.{kind}: the pattern {pattern!r} matches nothing; the model has {known}")
    if not leaves & trained:
        raise ConfigError(
            f"model: the patterns keep every parameter private, so nothing is shared; the model has {known}"
        )
