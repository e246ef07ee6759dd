"""A model with entities' vectors begins as the model without them, and learns what to do about unknown ones."""

from __future__ import annotations

import torch

from lepton_fed.models import build
from lepton_fed.models.entities import WithVectors
from lepton_fed.settings import Column, DataContract, Identity, KnowledgeJoin, Label, ModelSettings, Settings
from lepton_fed.settings import DepartmentSettings as Member

JOIN = KnowledgeJoin(join="column", columns=("零件", "供应商"), width=3, size=2)


def contract(join: KnowledgeJoin | None = JOIN) -> DataContract:
    return Settings(
        federation=Identity(name="制造", purpose="选型"),
        departments=(Member(name="甲"),),
        data=DataContract(label=Label(meaning="x"), columns=(Column(name="a"), Column(name="b"))),
        model=ModelSettings(name="linear"),
        knowledge=join,
    ).data


def test_inputs_are_the_columns_and_for_each_entity_its_vector_and_whether_it_is_unknown() -> None:
    assert contract(None).features == (2,)
    assert contract().features == (2 + 2 * (3 + 1),)
    model = build(ModelSettings(name="mlp"), contract(), 0)
    assert isinstance(model, WithVectors)
    assert model(torch.randn(5, 10)).shape == (5, 1)
    assert {"model.layer1.weight", "entities.1.gate"} <= dict(model.named_parameters()).keys()


def test_a_contract_without_the_join_is_as_it_was() -> None:
    plain = contract(None)
    assert plain.entities is None
    assert contract().entities == JOIN
    assert plain == contract()  # The join stands beside [data] in the file, and is compared there.


def test_at_the_first_step_vectors_hardly_count() -> None:
    model = build(ModelSettings(name="linear"), contract(), 0)
    x = torch.randn(200, 10)
    without = x.clone()
    without[:, 2:] = torch.randn(200, 8)
    moved = (model(x) - model(without)).abs().mean()
    plain = x.clone()
    plain[:, :2] = torch.randn(200, 2)
    assert moved < (model(x) - model(plain)).abs().mean() / 10


def test_the_vector_of_an_unknown_entity_is_the_trained_one_whatever_stands_there() -> None:
    model = build(ModelSettings(name="linear"), contract(), 0)
    assert isinstance(model, WithVectors)
    x = torch.randn(4, 10)
    x[:, 5], x[:, 9] = 1.0, -1.0  # The first column's entities are unknown, the second's are not.
    other = x.clone()
    other[:, 2:5] = 7.0
    assert torch.equal(model(x), model(other))
    other[:, 6:9] = torch.randn(4, 3)
    assert not torch.equal(model(x), model(other))
    model(x).sum().backward()
    known = dict(model.named_parameters())
    assert known["entities.0.unknown"].grad is not None
    assert known["entities.0.unknown"].grad.abs().sum() > 0
    assert known["entities.1.unknown"].grad is None or known["entities.1.unknown"].grad.abs().sum() == 0
