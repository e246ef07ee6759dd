"""Flat parameters: one vector of which the module's tensors are views, in an order both sides know."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lepton_fed.errors import ConfigError
from lepton_fed.parameters import FlatModel, Layout, shared_of


class Net(nn.Module):
    """A bit of everything: batch normalisation, a frozen parameter, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.scale * self.head(self.norm(self.body(x))) + self.frozen
        return out


def names(layout: Layout) -> list[str]:
    return [s.name for s in layout.slots]


def test_the_vector_is_shared_buffers_shared_parameters_private_parameters_private_buffers() -> None:
    model = FlatModel(Net(), private=("head.*", "norm.running_var"))
    assert names(model.layout) == [
        "frozen",
        "norm.running_mean",
        "scale",
        "body.weight",
        "body.bias",
        "norm.weight",
        "norm.bias",
        "head.weight",
        "head.bias",
        "norm.running_var",
    ]
    assert model.shared.numel() == model.layout.shared_size == 2 + 4 + 1 + 12 + 4 + 4 + 4
    assert model.trained.numel() == model.gradient.numel() == 1 + 12 + 4 + 4 + 4 + 8 + 2
    assert model.pulled.numel() == 1 + 12 + 4 + 4 + 4
    assert model.private.numel() == 8 + 2 + 4
    assert model.vector.numel() == model.layout.size == model.shared.numel() + model.private.numel()


def test_tensors_and_gradients_are_views_of_the_vectors() -> None:
    net = Net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model = FlatModel(net, private=("head.*",))
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key
    net(torch.randn(5, 3)).sum().backward()
    assert model.gradient.abs().sum() > 0
    offset = model.layout.trained.start
    parameters = dict(net.named_parameters())
    for slot in model.layout.slots:
        if slot.trained:
            view = model.gradient[slot.start - offset : slot.start - offset + slot.size]
            assert torch.equal(view, parameters[slot.name].grad.reshape(-1)), slot.name  # type: ignore[union-attr]
    model.vector.fill_(0.5)
    assert all(bool((v == 0.5).all()) for k, v in net.state_dict().items() if v.is_floating_point())
    net.head.weight.data.fill_(3.0)
    assert int((model.vector == 3.0).sum()) == 8


def test_a_backward_adds_into_the_same_gradient_and_a_zeroed_one_starts_anew() -> None:
    net = Net().eval()
    model = FlatModel(net)
    x = torch.randn(5, 3)
    net(x).sum().backward()
    once = model.gradient.clone()
    net(x).sum().backward()
    assert torch.allclose(model.gradient, 2 * once)
    model.gradient.zero_()
    net(x).sum().backward()
    assert torch.equal(model.gradient, once)


def test_batch_norms_counter_stays_outside_and_at_home() -> None:
    net = Net()
    model = FlatModel(net)
    assert list(model.buffers) == ["norm.num_batches_tracked"]
    assert "norm.num_batches_tracked" not in names(model.layout)
    net(torch.randn(5, 3))
    assert int(model.buffers["norm.num_batches_tracked"]) == 1
    assert int(model.initial_buffers["norm.num_batches_tracked"]) == 0


def test_frozen_parameters_travel_and_are_not_trained() -> None:
    model = FlatModel(Net())
    (slot,) = (s for s in model.layout.slots if s.name == "frozen")
    assert slot.shared
    assert not slot.trained
    assert slot.start + slot.size <= model.layout.trained.start


def test_training_moves_running_statistics_inside_the_shared_part() -> None:
    net = Net()
    model = FlatModel(net)
    before = model.shared.clone()
    net(torch.randn(5, 3) + 4)
    assert not torch.equal(model.shared, before)
    assert torch.equal(model.pulled, model.parameters_of(before))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(4, 4, bias=False), nn.Linear(4, 4)
        self.up.weight = self.down.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.up(self.down(x))
        return out


def test_a_tied_parameter_counts_once_and_stays_tied() -> None:
    net = Tied()
    model = FlatModel(net)
    assert names(model.layout) == ["down.weight", "up.bias"]
    net(torch.randn(2, 4)).sum().backward()
    model.vector.add_(1.0)
    assert net.up.weight is net.down.weight
    assert torch.equal(net.up.weight.reshape(-1), model.vector[:16])


@pytest.mark.parametrize("make", [Net, Tied])
def test_a_models_tensors_load_back_into_a_new_module(make: type[nn.Module]) -> None:
    net, other = make(), make()
    model = FlatModel(net, shared=("*",), private=("up.bias",) if make is Tied else ("head.*",))
    model.vector.uniform_(0.5, 1.5)
    stored = model.tensors()
    other.load_state_dict(stored)
    x = torch.randn(6, 4 if make is Tied else 3)
    assert torch.equal(other.eval()(x), net.eval()(x))
    model.vector.fill_(0.0)
    assert all(float(v.float().abs().sum()) > 0 for k, v in stored.items() if "num_batches" not in k)


def test_matrices_are_told_from_biases_and_norm_scales() -> None:
    model = FlatModel(Net(), private=("head.*",))
    expected = {
        "scale": 0,
        "body.weight": 1,
        "body.bias": 0,
        "norm.weight": 0,
        "norm.bias": 0,
        "head.weight": 1,
        "head.bias": 0,
    }
    flags = torch.cat([torch.full((s.size,), float(expected[s.name])) for s in model.layout.slots if s.trained])
    assert torch.equal(model.matrices(), flags)


# ---------------------------------------------------------------- patterns and digests


def test_private_wins_over_shared() -> None:
    model = FlatModel(Net(), shared=("body.*", "head.*"), private=("*.bias",))
    assert [s.name for s in model.layout.slots if s.shared] == ["body.weight", "head.weight"]


@pytest.mark.parametrize(
    ("shared", "private", "message"),
    [
        (
            ("*",),
            ("haed.*",),
            "model.private: the pattern 'haed.*' matches nothing; the model has scale, frozen, body.weight",
        ),
        (("x",), (), "model.shared: the pattern 'x' matches nothing"),
        (("*",), ("*",), "the patterns keep every parameter private, so nothing is shared"),
        (("norm.running_*", "frozen"), (), "the patterns keep every parameter private"),
        (("*",), ("HEAD.*",), "matches nothing"),
    ],
)
def test_patterns_that_mean_nothing_are_refused(
    shared: tuple[str, ...], private: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match="model") as found:
        FlatModel(Net(), shared, private)
    assert message in str(found.value)


def test_models_that_cannot_be_flat_are_refused() -> None:
    with pytest.raises(ConfigError, match="the model has no parameters to train"):
        FlatModel(nn.ReLU())
    with pytest.raises(ConfigError, match="the model has no parameters to train"):
        FlatModel(nn.BatchNorm1d(3, affine=False))
    with pytest.raises(ConfigError, match=r"mixes dtypes or devices \(\['torch.float32', 'torch.float64'\]\)"):
        FlatModel(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double()))


def test_the_digest_is_of_what_is_shared_alone() -> None:
    assert FlatModel(Net()).layout.digest == FlatModel(Net()).layout.digest
    assert FlatModel(Net()).layout.digest != FlatModel(Net(), private=("head.*",)).layout.digest
    assert FlatModel(Net()).layout.digest != FlatModel(Net().double()).layout.digest
    wide, narrow = (
        nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 9)),
        nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)),
    )
    private = ("1.*",)
    assert FlatModel(wide, private=private).layout.digest == FlatModel(narrow, private=private).layout.digest
    assert FlatModel(nn.Linear(3, 4)).layout.digest != FlatModel(nn.Linear(4, 3)).layout.digest


def test_what_a_coordinator_begins_with_is_what_a_department_shares() -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    for private in ((), ("2.*",), ("1.*",)):
        vector, layout = shared_of(copy.deepcopy(module), ("*",), private)
        flat = FlatModel(copy.deepcopy(module), ("*",), private)
        assert layout == flat.layout
        assert torch.equal(vector, flat.initial[: flat.layout.shared_size])
